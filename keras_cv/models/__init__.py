"""Families of vision models, one folder each, and the base classes that find them."""

from keras_cv.models.feature_pyramid import FeaturePyramidBackbone
from keras_cv.models.resnet import ResNetBackbone

__all__ = ["FeaturePyramidBackbone", "ResNetBackbone"]
