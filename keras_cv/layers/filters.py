"""Layers that sharpen, blur, compress and disturb images; labels, boxes and masks stay as they are."""

import numbers

import numpy as np

from keras_cv.layers.colour_layer import OneFactorLayer, RandomColourLayer
from keras_cv.layers.factors import sampler
from keras_cv.ops import filters
from keras_zoo.config import serializable


@serializable
class RandomSharpness(OneFactorLayer):
    """Mixes an image with itself smoothed over three by three pixels, as KerasCV has it.

    Args:
        factor: how much of the smoothed image: a number for 0 to that number, a pair or a `FactorSampler`, within 0
            and 1. Below zero, which a sampler may give, images are sharpened.
        value_range: of the values in float images. Those of uint8 images are 0-255.
        seed: None draws one.
    """

    def draw(self, random, count, height, width):
        return {"factors": 1 - self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        return filters.sharpness(images, p["factors"])


@serializable
class RandomGaussianBlur(RandomColourLayer):
    """Blurs by a Gaussian; beyond the edge the image is mirrored.

    Args:
        kernel_size: the pixels of the Gaussian: a whole number, or a pair for x and y.
        factor: its standard deviation in pixels: a number for 0 to that number, a pair or a `FactorSampler`.
        value_range: as in `RandomSharpness`.
    """

    def __init__(self, kernel_size=3, factor=1.0, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.kernel_size, self.factor = kernel_size, factor
        self._sizes = tuple(kernel_size) if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
        if len(self._sizes) != 2 or not all(isinstance(n, int) and n >= 1 for n in self._sizes):
            raise ValueError(f"kernel_size must be a whole number from 1, or a pair of them; got {kernel_size!r}.")
        self._sampler = sampler(factor, 0.0, None)

    def draw(self, random, count, height, width):
        sigmas = self._sampler.draw(random, (count,))
        return {"sigmas": np.stack([sigmas, sigmas], axis=-1)}

    def colours(self, images, p):
        return filters.gaussian_blur(images, p["sigmas"], np.tile(self._sizes, (len(images), 1)))


@serializable
class RandomJpegQuality(RandomColourLayer):
    """Compresses images as JPEG does and reads them again.

    Args:
        factor: the quality, 0 to 100: a pair or a `FactorSampler`.
        value_range: as in `RandomSharpness`.
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        if isinstance(factor, numbers.Number):
            raise ValueError(f"factor must be a pair of qualities or a FactorSampler; got {factor!r}.")
        self._sampler = sampler(factor, 0, 100)

    def draw(self, random, count, height, width):
        return {"qualities": np.rint(self._sampler.draw(random, (count,)))}

    def colours(self, images, p):
        if images.shape[-1] not in (1, 3):
            raise ValueError(f"JPEG has images of 1 or 3 channels; got {images.shape[-1]}.")
        return filters.jpeg(images, p["qualities"])


@serializable
class RandomGaussianNoise(RandomColourLayer):
    """Adds normal noise, drawn for each value.

    Args:
        factor: its standard deviation as a part of the range: a number for 0 to that number, a pair or a
            `FactorSampler`, within 0 and 1.
        value_range: as in `RandomSharpness`.
    """

    def __init__(self, factor=0.1, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        self._sampler = sampler(factor)

    def draw(self, random, count, height, width):
        return {
            "stddevs": 255 * self._sampler.draw(random, (count,)),
            "seeds": random.integers(0, 2**31, count),
        }

    def colours(self, images, p):
        return filters.gaussian_noise(images, p["stddevs"], p["seeds"])
