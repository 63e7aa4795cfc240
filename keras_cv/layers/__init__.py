"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.flip import RandomFlip
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer

__all__ = ["ImageLayer", "RandomFlip", "RandomImageLayer"]
