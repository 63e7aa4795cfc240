"""Brings pixels into another range."""

import numpy as np

from keras_cv.layers.image_layer import ImageLayer
from keras_zoo.config import serializable


@serializable
class Rescaling(ImageLayer):
    """`images * scale + offset`, float32: `Rescaling(1 / 255)` makes 0-1 of 0-255.

    Args:
        scale, offset: numbers, or one for each channel.
    """

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    def images(self, images, p):
        return images * np.asarray(self.scale, "float32") + np.asarray(self.offset, "float32")
