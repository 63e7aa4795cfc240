"""Dropout whose random numbers are cheap."""

import math

import keras
from keras import ops

from keras_zoo.config import serializable

BITS = 15


@serializable
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`; on a CPU torch draws 15 random bits for an element, four at a time.

    torch's own draws a double for each, which was a tenth of a step of training BERT. The rate is rounded to 1/32,768.
    """

    def call(self, inputs, training=False):
        if not training or not 0 < self.rate < 1 or not by_bits(inputs, self.seed, self.noise_shape):
            return super().call(inputs, training)
        kept = random_bits(tuple(inputs.shape)) < round((1 - self.rate) * 2**BITS)
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros((), inputs.dtype))


def by_bits(inputs, seed, noise_shape):
    if keras.backend.backend() != "torch" or seed is not None or noise_shape is not None:
        return False
    return inputs.device.type == "cpu"


def random_bits(shape):
    """int16 numbers in [0, 2**15) from torch's generator, which `keras.utils.set_random_seed` seeds."""
    import torch

    count = math.prod(shape)
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_()  # 63 bits each
    return (draws.view(torch.int16)[:count] & (2**BITS - 1)).view(shape)
