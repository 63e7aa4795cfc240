"""Dropout whose random numbers are cheap."""

import math

import keras
from keras import ops

from keras_zoo.compiled import on_cpu
from keras_zoo.config import serializable

BITS = 15


@serializable
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`; on a CPU torch and TensorFlow draw 15 random bits for an element.

    Their own draw a double or a float for each, which was up to a tenth of a step of training BERT. The rate is rounded
    to 1/32,768.
    """

    def call(self, inputs, training=False):
        draw = random_bits(inputs, self) if training and 0 < self.rate < 1 and self.noise_shape is None else None
        if draw is None:
            return super().call(inputs, training)
        kept = draw < round((1 - self.rate) * 2**BITS)
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros((), inputs.dtype))


def random_bits(x, layer):
    """int16 numbers in [0, 2**15) of the shape of `x`, or None where the backend's own dropout is as cheap.

    torch: from its generator, which `keras.utils.set_random_seed` seeds, and not for a layer with a seed of its own.
    """
    backend = keras.backend.backend()
    if backend == "torch" and layer.seed is None and x.device.type == "cpu":
        import torch

        count = math.prod(x.shape)
        draws = torch.empty(-(-count // 4), dtype=torch.int64).random_()  # 63 bits each
        return (draws.view(torch.int16)[:count] & (2**BITS - 1)).view(x.shape)
    if backend == "tensorflow" and on_cpu():
        import tensorflow as tf

        count, seed = tf.size(x), tf.cast(layer.seed_generator.next(), tf.int64)
        draws = tf.random.stateless_uniform([(count + 1) // 2], seed, None, None, tf.int32)
        bits = tf.reshape(tf.bitcast(draws, tf.int16), [-1])[:count]
        return tf.reshape(tf.bitwise.bitwise_and(bits, tf.constant(2**BITS - 1, tf.int16)), tf.shape(x))
    return None
