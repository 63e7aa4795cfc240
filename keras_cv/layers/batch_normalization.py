"""Batch normalisation that trains faster under TensorFlow and torch."""

import keras
from keras import ops

from keras_zoo.config import serializable


@serializable
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which TensorFlow and torch train by the one operation that they have for it.

    Keras computes mean, variance and result one after another, and the gradient of each: a fifth of a step of training
    a ResNet-50. Results are Keras' up to rounding, the moving statistics too. With an option that the operation lacks,
    under JAX, which gains nothing, and in inference it is Keras' layer.
    """

    def call(self, inputs, training=None, mask=None):
        normalize = NORMALIZE.get(keras.backend.backend())
        if not (training and self.trainable and normalize and self.plain(inputs) and mask is None):
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x, gamma, beta = (ops.cast(value, dtype) for value in (inputs, self.gamma, self.beta))
        outputs, mean, variance = normalize(x, gamma, beta, self.epsilon)
        self.follow(self.moving_mean, mean)
        self.follow(self.moving_variance, variance)
        return ops.cast(outputs, self.compute_dtype)

    def plain(self, inputs):
        """Whether these are images with their channels last, both weights are there, and no more is asked for."""
        options = self.renorm or self.synchronized or not (self.scale and self.center)
        return len(inputs.shape) == 4 and self.axis in (-1, 3) and not options

    def follow(self, moving, value):
        value = ops.stop_gradient(value)
        moving.assign(ops.cast(moving, value.dtype) * self.momentum + value * (1 - self.momentum))


def by_tensorflow(x, gamma, beta, epsilon):
    """`(outputs, mean, variance)`; TensorFlow's variance is that of a sample, Keras' that of the batch."""
    import tensorflow as tf

    nothing = tf.constant([], x.dtype)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=nothing, variance=nothing, epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)
    return outputs, mean, variance * (count - 1) / count


def by_torch(x, gamma, beta, epsilon):
    import torch

    outputs, mean, inverse = torch.native_batch_norm(x.movedim(-1, 1), gamma, beta, None, None, True, 0.0, epsilon)
    return outputs.movedim(1, -1), mean, inverse**-2 - epsilon


NORMALIZE = {"tensorflow": by_tensorflow, "torch": by_torch}
