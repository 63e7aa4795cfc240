"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.factors import ConstantFactorSampler, NormalFactorSampler, UniformFactorSampler
from keras_cv.layers.flip import RandomFlip
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer
from keras_cv.layers.placed import CenterCrop, JitteredResize, RandomCrop, RandomCropAndResize, Resizing
from keras_cv.layers.warps import (
    RandomAffine,
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomWarp,
    RandomZoom,
)

__all__ = [
    "CenterCrop",
    "ConstantFactorSampler",
    "ImageLayer",
    "JitteredResize",
    "NormalFactorSampler",
    "RandomAffine",
    "RandomCrop",
    "RandomCropAndResize",
    "RandomFlip",
    "RandomImageLayer",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomWarp",
    "RandomZoom",
    "Resizing",
    "UniformFactorSampler",
]
