"""What layers of colour share: they work on levels 0-255, whatever the range of the values they are given."""

import numbers

import numpy as np

from keras_cv.layers.factors import sampler
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer


class InValueRange:
    """Float images of any range as levels 0-255 for `colours(images, p)`, and back; uint8 images are levels already.

    Args:
        value_range: the lowest and the highest value of float images.
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(**kwargs)
        ends = tuple(value_range) if isinstance(value_range, tuple | list) else ()
        if len(ends) != 2 or not all(isinstance(x, numbers.Number) for x in ends) or not ends[0] < ends[1]:
            raise ValueError(f"value_range must be a pair, the lower end first, such as (0, 255); got {value_range!r}.")
        self.value_range = ends

    def images(self, images, p):
        low, high = self.value_range
        if images.dtype == np.uint8 or (low, high) == (0, 255):
            return self.colours(images, p)
        step = np.float32((high - low) / 255)
        levels = (images - np.float32(low)) / step
        return self.colours(levels, p) * step + np.float32(low)


class ColourLayer(InValueRange, ImageLayer):
    """A layer that draws nothing and acts at inference too."""


class RandomColourLayer(InValueRange, RandomImageLayer):
    """A layer that draws."""


class OneFactorLayer(RandomColourLayer):
    """A layer that draws one strength for each image, from `factor`."""

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        self._sampler = sampler(factor)
