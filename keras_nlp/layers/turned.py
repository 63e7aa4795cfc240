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
            return super().call(inputs, training)
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
        if not (reverse and plain and TURNED.get() is not None):
            return super().call(inputs, reverse)
        matrix = ops.convert_to_tensor(self.embeddings)
        return product(matrix, inputs) if matrix.dtype == inputs.dtype else super().call(inputs, reverse)

    def quantize(self, mode=None, type_check=True, config=None):
        super().quantize(mode, type_check=False, config=config)


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
