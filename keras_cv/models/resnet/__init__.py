"""Residual networks (He et al., 2015 and 2016)."""

from keras_cv.models.resnet.backbone import ResNetBackbone

__all__ = ["ResNetBackbone"]
