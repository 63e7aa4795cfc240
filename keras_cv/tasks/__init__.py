"""Tasks that several families share."""

from keras_cv.tasks.detector_inputs import ObjectDetectorPreprocessor
from keras_cv.tasks.image_classifier import ImageClassifier, ImageClassifierPreprocessor
from keras_cv.tasks.object_detector import ObjectDetector

__all__ = ["ImageClassifier", "ImageClassifierPreprocessor", "ObjectDetector", "ObjectDetectorPreprocessor"]
