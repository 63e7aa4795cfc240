"""Layers that mix, invert, shift and reorder the channels of images; labels, boxes and masks stay as they are."""

import numbers

import numpy as np

from keras_cv.layers.colour_layer import ColourLayer, RandomColourLayer
from keras_cv.layers.colours import signs
from keras_cv.layers.factors import sampler
from keras_cv.ops import colour
from keras_zoo.config import serializable


@serializable
class Grayscale(ColourLayer):
    """Grey images of `output_channels` channels, 1 or 3; it acts at inference too."""

    def __init__(self, output_channels=1, **kwargs):
        super().__init__(**kwargs)
        if output_channels not in (1, 3):
            raise ValueError(f"output_channels must be 1 or 3; got {output_channels!r}.")
        self.output_channels = output_channels

    def colours(self, images, p):
        return colour.grayscale(images, self.output_channels)


@serializable
class RandomGrayscale(RandomColourLayer):
    """Makes some images grey; they keep their three channels. `factor` is the probability."""

    def __init__(self, factor=0.5, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.factor = factor
        if not isinstance(factor, numbers.Number) or not 0 <= factor <= 1:
            raise ValueError(f"factor, a probability, must lie within 0 and 1; got {factor!r}.")

    def draw(self, random, count, height, width):
        return {"factors": (random.random(count) >= self.factor).astype("float32")}

    def colours(self, images, p):
        return colour.saturation(images, p["factors"])


@serializable
class RandomInvert(RandomColourLayer):
    """Makes a negative of some images.

    Args:
        factor: the probability, which is drawn itself: a number for 0 to that number, or a pair.
        value_range: as in `RandomBrightness`.
    """

    def __init__(self, factor=1.0, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        self._sampler = sampler(factor)

    def draw(self, random, count, height, width):
        return {"inverted": random.random(count) < self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        result = images.copy()
        result[p["inverted"]] = 255 - images[p["inverted"]]
        return result


@serializable
class RandomChannelShift(RandomColourLayer):
    """Adds to each channel an amount of its own, or subtracts it.

    Args:
        value_range: as in `RandomBrightness`.
        factor: a number for 0 to that number, a pair or a `FactorSampler`, within 0 and 1, which is half the range.
        channels: how many an image has.
    """

    def __init__(self, value_range=(0, 255), factor=0.5, channels=3, seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor, self.channels = factor, channels
        self._sampler = sampler(factor)

    def draw(self, random, count, height, width):
        shape = (count, self.channels)
        return {"amounts": 255 / 2 * signs(random, shape) * self._sampler.draw(random, shape)}

    def colours(self, images, p):
        if images.shape[-1] != self.channels:
            raise ValueError(
                f"RandomChannelShift was made for {self.channels} channels (channels=), the images have "
                f"{images.shape[-1]}."
            )
        return colour.shift(images, p["amounts"])


@serializable
class ChannelShuffle(RandomColourLayer):
    """Puts the channels of an image into another order, `groups` of neighbours at a time."""

    def __init__(self, groups=3, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.groups = groups

    def draw(self, random, count, height, width):
        return {"orders": np.argsort(random.random((count, self.groups)), axis=-1)}

    def colours(self, images, p):
        channels = images.shape[-1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be divided into {self.groups} groups.")
        each = np.arange(channels).reshape(self.groups, -1)
        matrices = np.zeros((len(images), channels, channels + 1), "float32")
        for matrix, order in zip(matrices, p["orders"], strict=True):
            matrix[range(channels), each[order].ravel()] = 1
        return colour.linear(images, matrices)
