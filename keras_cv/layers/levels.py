"""Layers that work on the levels of grey: posterize, solarize, equalize, stretch."""

import numbers

import numpy as np

from keras_cv.layers.colour_layer import ColourLayer, RandomColourLayer
from keras_cv.layers.factors import is_pair, sampler
from keras_cv.ops import colour
from keras_zoo.config import serializable


@serializable
class Posterization(ColourLayer):
    """Keeps the first bits of each value; acts at inference too.

    Args:
        value_range: of the values in float images. Those of uint8 images are 0-255.
        bits: how many are kept, 1 to 8.
    """

    def __init__(self, value_range=(0, 255), bits=4, **kwargs):
        super().__init__(value_range=value_range, **kwargs)
        self.bits = bits
        bit_range(bits, "bits")

    def colours(self, images, p):
        return colour.posterize(images, self.bits)


def bit_range(bits, name):
    """`(lowest, highest)` of a number of bits or a pair."""
    low, high = bits if is_pair(bits) else (bits, bits)
    if not all(isinstance(n, numbers.Number) and n == int(n) and 1 <= n <= 8 for n in (low, high)) or low > high:
        raise ValueError(f"{name} must be whole numbers of bits from 1 to 8; got {bits!r}.")
    return int(low), int(high)


@serializable
class RandomPosterization(RandomColourLayer):
    """Keeps the first bits of each value.

    Args:
        factor: how many bits, 1 to 8, or a pair of which each number, and those between, are equally likely.
        value_range: as in `Posterization`.
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        self._bits = bit_range(factor, "factor")

    def draw(self, random, count, height, width):
        return {"bits": random.integers(self._bits[0], self._bits[1] + 1, count)}

    def colours(self, images, p):
        return colour.posterize(images, p["bits"])


@serializable
class Solarization(RandomColourLayer):
    """Inverts the values that are at least a threshold, after something was added to all.

    Args:
        value_range: as in `Posterization`.
        addition_factor: what is added, in levels of 0-255 whatever the range: a number for 0 to that number, a pair
            or a `FactorSampler`.
        threshold_factor: the threshold, likewise.
        seed: None draws one.
    """

    def __init__(self, value_range=(0, 255), addition_factor=0.0, threshold_factor=0.0, seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.addition_factor, self.threshold_factor = addition_factor, threshold_factor
        self._addition = sampler(addition_factor, 0.0, 255.0, "addition_factor")
        self._threshold = sampler(threshold_factor, 0.0, 255.0, "threshold_factor")

    def draw(self, random, count, height, width):
        return {
            "additions": np.rint(self._addition.draw(random, (count,))),
            "thresholds": np.rint(self._threshold.draw(random, (count,))),
        }

    def colours(self, images, p):
        if p["additions"].any():
            images = colour.shift(images, p["additions"])
        return colour.solarize(images, p["thresholds"])


@serializable
class Equalization(ColourLayer):
    """Spreads the levels of each channel so that all are about equally frequent; acts at inference too.

    Args:
        value_range: as in `Posterization`.
        bins: how many classes of levels are counted, 2 to 256.
    """

    def __init__(self, value_range=(0, 255), bins=256, **kwargs):
        super().__init__(value_range=value_range, **kwargs)
        self.bins = bins
        if not isinstance(bins, int) or not 2 <= bins <= 256:
            raise ValueError(f"bins must be a whole number from 2 to 256; got {bins!r}.")

    def colours(self, images, p):
        return colour.equalize(images, self.bins)


@serializable
class AutoContrast(ColourLayer):
    """Stretches each channel over the whole range; acts at inference too.

    Args:
        value_range: as in `Posterization`.
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(value_range=value_range, **kwargs)

    def colours(self, images, p):
        return colour.auto_contrast(images)
