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
from keras_cv.layers.levels import AutoContrast, Equalization, Posterization, RandomPosterization, Solarization
from keras_cv.layers.rand_augment import RandAugment
