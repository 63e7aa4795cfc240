"""Preprocessing and augmentation of images, with their labels, boxes and masks."""

from keras_cv.layers.aspect_ratio import RandomAspectRatio
from keras_cv.layers.aug_mix import AugMix
from keras_cv.layers.batch_normalization import BatchNormalization
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
from keras_cv.layers.combined import (
    Augmenter,
    RandomApply,
    RandomAugmentationPipeline,
    RandomChoice,
    RepeatedAugmentation,
)
from keras_cv.layers.conv import Conv2D
from keras_cv.layers.copy_paste import CopyPaste
from keras_cv.layers.custom import BaseImageAugmentationLayer, VectorizedBaseImageAugmentationLayer
from keras_cv.layers.erasing import GridMask, RandomCutout, RandomErasing
from keras_cv.layers.factors import ConstantFactorSampler, FactorSampler, NormalFactorSampler, UniformFactorSampler
from keras_cv.layers.filters import RandomGaussianBlur, RandomGaussianNoise, RandomJpegQuality, RandomSharpness
from keras_cv.layers.flip import RandomFlip
from keras_cv.layers.fourier_mix import FourierMix
from keras_cv.layers.image_converter import ImageConverter
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer
from keras_cv.layers.levels import AutoContrast, Equalization, Posterization, RandomPosterization, Solarization
from keras_cv.layers.mixing import CutMix, MixUp, Mosaic
from keras_cv.layers.non_max_suppression import MultiClassNonMaxSuppression, NonMaxSuppression
from keras_cv.layers.placed import CenterCrop, JitteredResize, RandomCrop, RandomCropAndResize, Resizing
from keras_cv.layers.rand_augment import RandAugment
from keras_cv.layers.rescaling import Rescaling
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
    "AugMix",
    "Augmenter",
    "AutoContrast",
    "BaseImageAugmentationLayer",
    "BatchNormalization",
    "CenterCrop",
    "ChannelShuffle",
    "ConstantFactorSampler",
    "Conv2D",
    "CopyPaste",
    "CutMix",
    "Equalization",
    "FactorSampler",
    "FourierMix",
    "Grayscale",
    "GridMask",
    "ImageConverter",
    "ImageLayer",
    "JitteredResize",
    "MixUp",
    "Mosaic",
    "MultiClassNonMaxSuppression",
    "NonMaxSuppression",
    "NormalFactorSampler",
    "Posterization",
    "RandAugment",
    "RandomAffine",
    "RandomApply",
    "RandomAspectRatio",
    "RandomAugmentationPipeline",
    "RandomBrightness",
    "RandomChannelShift",
    "RandomChoice",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomCropAndResize",
    "RandomCutout",
    "RandomErasing",
    "RandomFlip",
    "RandomGamma",
    "RandomGaussianBlur",
    "RandomGaussianNoise",
    "RandomGrayscale",
    "RandomHue",
    "RandomImageLayer",
    "RandomInvert",
    "RandomJpegQuality",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWarp",
    "RandomZoom",
    "RepeatedAugmentation",
    "Rescaling",
    "Resizing",
    "Solarization",
    "UniformFactorSampler",
    "VectorizedBaseImageAugmentationLayer",
]
