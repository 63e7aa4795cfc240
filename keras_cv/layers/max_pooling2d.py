"""Pooling whose gradient is faster under JAX."""

import functools
import itertools

import keras
from keras import ops

from keras_zoo.config import serializable


@serializable
class MaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`; under JAX it is trained as the maximum of shifted images.

    XLA on a CPU takes three times as long for the gradient of a pooling. Where several pixels of a window are the
    largest, they share its gradient, of which Keras gives all to the first.
    """

    def call(self, inputs, training=None):
        if not (training and keras.backend.backend() == "jax" and self.data_format == "channels_last"):
            return super().call(inputs)
        sides = [self.sides(*axis) for axis in zip(inputs.shape[1:3], self.pool_size, self.strides, strict=True)]
        lowest = float("-inf")
        x = ops.pad(inputs, [(0, 0), *sides, (0, 0)], constant_values=lowest) if any(map(any, sides)) else inputs
        (rows, columns), (down, across) = x.shape[1:3], self.strides
        last = rows - self.pool_size[0], columns - self.pool_size[1]
        shifts = itertools.product(*map(range, self.pool_size))
        shifted = (x[:, i : i + last[0] + 1 : down, j : j + last[1] + 1 : across] for i, j in shifts)
        return functools.reduce(ops.maximum, shifted)

    def sides(self, size, window, stride):
        """What is added before and after: nothing, or for "same" as TensorFlow does."""
        missing = max((-(-size // stride) - 1) * stride + window - size, 0) if self.padding == "same" else 0
        return missing // 2, missing - missing // 2
