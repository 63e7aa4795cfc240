"""How a step of generation is compiled, backend by backend."""

import keras


def compile_function(function, variables, jit=True, donate=False):
    """`function(*tensors) -> tensors`, compiled where the backend compiles.

    JAX: `jax.jit`, the variables' values as arguments, so that weights are neither constants of the compiled program
    nor part of a loop's state; `donate` lets the result reuse the first argument's memory, which the caller then must
    not read again. TensorFlow: one XLA `tf.function`. torch: eager, without gradients.
    """
    backend = keras.backend.backend()
    if backend == "jax" and jit:
        import jax

        def pure(values, *args):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*args)

        compiled = jax.jit(pure, donate_argnums=(1,) if donate else ())
        return lambda *args: compiled([v.value for v in variables], *args)
    if backend == "tensorflow" and jit:
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if backend == "torch":
        import torch

        return torch.inference_mode()(function)
    return function


def while_loop(condition, body, values):
    """`keras.ops.while_loop`; under torch a plain Python loop, so that places in the cache stay plain numbers."""
    if keras.backend.backend() != "torch":
        return keras.ops.while_loop(condition, body, values)
    while condition(*values):
        values = body(*values)
    return values
