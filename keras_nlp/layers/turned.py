"""Layers whose products a CPU computes as fast as memory delivers the matrices, while text is generated."""

import contextlib
import contextvars

import keras
from keras import ops

from keras_zoo.config import serializable

TURNED = contextvars.ContextVar("TURNED", default=None)  # turned matrices by the id of their variable


@contextlib.contextmanager
def turned_kernels(kernels, turned):
    """Within it `Dense` layers read `turned` kernels `(outputs, inputs)`, where they are not None.

    Under JAX and TensorFlow it may be entered only inside a program that XLA compiles.
    """
    before = TURNED.set({id(kernel): matrix for kernel, matrix in zip(kernels, turned, strict=True)})
    try:
        yield
    finally:
        TURNED.reset(before)


@serializable
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`; the kernel is read turned where `turned_kernels` has it."""

    def call(self, inputs, training=None):
        # The kernel of an adapted layer is computed, each time that it is read.
        turned = None if self.lora_enabled else (TURNED.get() or {}).get(id(self.kernel))
        if turned is None:
            return in_rows(super().call, inputs, self.units)
        x = product(turned, inputs)
        x = x if self.bias is None else x + self.bias
        return x if self.activation is None else self.activation(x)

    def quantize(self, mode=None, type_check=True, config=None):
        super().quantize(mode, type_check=False, config=config)


@serializable
class ReversibleEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding`, whose matrix lies as a turned kernel does for the way back to logits."""

    def call(self, inputs, reverse=False):
        plain = self.tie_weights and self.reverse_dtype is None and self.logit_soft_cap is None
        if not reverse:
            return super().call(inputs)
        if plain and TURNED.get() is not None:
            matrix = ops.convert_to_tensor(self.embeddings)
            if matrix.dtype == inputs.dtype:
                return product(matrix, inputs)
        return in_rows(lambda rows: super(ReversibleEmbedding, self).call(rows, reverse=True), inputs, self.input_dim)

    def quantize(self, mode=None, type_check=True, config=None):
        super().quantize(mode, type_check=False, config=config)


def in_rows(function, x, width):
    """`function`, which takes rows `(N, K)` to `(N, width)`, on `x (…, K)`.

    TensorFlow multiplies an array of three axes by a matrix one slice at a time, and sums the slices' gradients.
    """
    if len(x.shape) <= 2:
        return function(x)
    return ops.reshape(function(ops.reshape(x, (-1, x.shape[-1]))), (*ops.shape(x)[:-1], width))


def product(matrix, x):
    """`x (…, K)` times the turned `matrix (N, K)`: `(…, N)`.

    Of all ways to write it this one is the fastest for a few rows (docs/performance.md). The barrier keeps XLA from
    writing it as the product of `x` and a transposed matrix.
    """
    flat = ops.reshape(x, (-1, x.shape[-1]))
    result = ops.transpose(barrier(ops.matmul(matrix, ops.transpose(flat))))
    return ops.reshape(result, (*x.shape[:-1], matrix.shape[0]))


def barrier(x):
    if keras.backend.backend() == "torch":
        return x
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.optimization_barrier(x)
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops

    return gen_xla_ops.xla_optimization_barrier([x])[0]
