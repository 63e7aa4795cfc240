"""Families of vision models, one folder each, and the base classes that find them."""

from keras_cv.models.feature_pyramid import FeaturePyramidBackbone
from keras_cv.models.resnet import ResNetBackbone, ResNetImageClassifier, ResNetImageClassifierPreprocessor
from keras_cv.models.yolo_v8 import YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_cv.models.yolo_v8.label_encoder import YOLOV8LabelEncoder
from keras_cv.tasks import ImageClassifier, ImageClassifierPreprocessor, ObjectDetector, ObjectDetectorPreprocessor
from keras_zoo import Backbone, Preprocessor, Task

__all__ = [
    "Backbone",
    "FeaturePyramidBackbone",
    "ImageClassifier",
    "ImageClassifierPreprocessor",
    "ObjectDetector",
    "ObjectDetectorPreprocessor",
    "Preprocessor",
    "ResNetBackbone",
    "ResNetImageClassifier",
    "ResNetImageClassifierPreprocessor",
    "Task",
    "YOLOV8Backbone",
    "YOLOV8Detector",
    "YOLOV8DetectorPreprocessor",
    "YOLOV8LabelEncoder",
]
