"""Families of vision models, one folder each, and the base classes that find them."""

from keras_cv.models.feature_pyramid import FeaturePyramidBackbone
from keras_cv.models.resnet import ResNetBackbone, ResNetImageClassifier, ResNetImageClassifierPreprocessor
from keras_cv.models.resnet.sizes import (
    ResNet18Backbone,
    ResNet18V2Backbone,
    ResNet34Backbone,
    ResNet34V2Backbone,
    ResNet50Backbone,
    ResNet50V2Backbone,
    ResNet101Backbone,
    ResNet101V2Backbone,
    ResNet152Backbone,
    ResNet152V2Backbone,
    ResNetV2Backbone,
)
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
    "ResNet18Backbone",
    "ResNet18V2Backbone",
    "ResNet34Backbone",
    "ResNet34V2Backbone",
    "ResNet50Backbone",
    "ResNet50V2Backbone",
    "ResNet101Backbone",
    "ResNet101V2Backbone",
    "ResNet152Backbone",
    "ResNet152V2Backbone",
    "ResNetBackbone",
    "ResNetImageClassifier",
    "ResNetImageClassifierPreprocessor",
    "ResNetV2Backbone",
    "Task",
    "YOLOV8Backbone",
    "YOLOV8Detector",
    "YOLOV8DetectorPreprocessor",
    "YOLOV8LabelEncoder",
]
