"""Tasks that several families share."""

from keras_cv.tasks.image_classifier import ImageClassifier, ImageClassifierPreprocessor

__all__ = ["ImageClassifier", "ImageClassifierPreprocessor"]
