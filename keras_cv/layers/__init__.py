"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.batch_normalization import BatchNormalization
from keras_cv.layers.conv2d import Conv2D
from keras_cv.layers.image_converter import ImageConverter

__all__ = ["BatchNormalization", "Conv2D", "ImageConverter"]
