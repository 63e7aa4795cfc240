"""Batch normalisation that trains faster: mean, variance, result and gradient in as few passes as they take."""

import functools

import keras
from keras import ops

from keras_zoo.config import serializable


@serializable
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which TensorFlow and torch train by the one operation that they have for it.

    Under JAX its gradient is written out. Keras computes mean, variance and result one after another and leaves the
    gradient of each to the backend: most of what a ResNet's training does besides convolutions. Results are Keras' up
    to rounding, the moving statistics too. Where Keras has an option that is not known here, and in inference, it is
    Keras' layer.
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


def by_jax(x, gamma, beta, epsilon):
    return jax_function()(x, gamma, beta, epsilon)


@functools.cache
def jax_function():
    """Without it JAX would differentiate mean and variance, and read the images four times more."""
    import jax
    import jax.numpy as jnp

    images = (0, 1, 2)

    def forward(x, gamma, beta, epsilon):
        mean = x.mean(images)
        variance = jnp.square(x - mean).mean(images)
        inverse = jax.lax.rsqrt(variance + epsilon)
        outputs = (x - mean) * (inverse * gamma) + beta
        return (outputs, mean, variance), (x, gamma, mean, inverse)

    def backward(epsilon, kept, gradients):
        x, gamma, mean, inverse = kept
        gradient, count = gradients[0], x.size // x.shape[-1]
        to_beta = gradient.sum(images)
        to_gamma = (gradient * (x - mean)).sum(images) * inverse
        to_x = gradient - to_beta / count - (x - mean) * (inverse * to_gamma / count)
        return to_x * (gamma * inverse), to_gamma, to_beta

    function = jax.custom_vjp(lambda *arguments: forward(*arguments)[0], nondiff_argnums=(3,))
    function.defvjp(forward, backward)
    return function


NORMALIZE = {"jax": by_jax, "tensorflow": by_tensorflow, "torch": by_torch}
