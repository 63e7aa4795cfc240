"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.image_converter import ImageConverter

__all__ = ["ImageConverter"]
