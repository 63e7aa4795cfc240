"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.aug_mix import AugMix
from keras_cv.layers.channels import ChannelShuffle, Grayscale, RandomChannelShift, RandomGrayscale, RandomInvert
from keras_cv.layers.colours import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGamma,
    RandomHue,
    RandomSaturation,
)
from keras_cv.layers.factors import ConstantFactorSampler, FactorSampler, NormalFactorSampler, UniformFactorSampler
from keras_cv.layers.filters import RandomGaussianBlur, RandomGaussianNoise, RandomJpegQuality, RandomSharpness
from keras_cv.layers.flip import RandomFlip
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer
from keras_cv.layers.levels import AutoContrast, Equalization, Posterization, RandomPosterization, Solarization
from keras_cv.layers.rand_augment import RandAugment

__all__ = [
    "AugMix",
    "AutoContrast",
    "ChannelShuffle",
    "ConstantFactorSampler",
    "Equalization",
    "FactorSampler",
    "Grayscale",
    "ImageLayer",
    "NormalFactorSampler",
    "Posterization",
    "RandAugment",
    "RandomBrightness",
    "RandomChannelShift",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomFlip",
    "RandomGamma",
    "RandomGaussianBlur",
    "RandomGaussianNoise",
    "RandomGrayscale",
    "RandomHue",
    "RandomImageLayer",
    "RandomInvert",
    "RandomJpegQuality",
    "RandomPosterization",
    "RandomSaturation",
    "RandomSharpness",
    "Solarization",
    "UniformFactorSampler",
]
