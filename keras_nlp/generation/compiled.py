"""How a step of generation is compiled, backend by backend."""

import functools
import os
from pathlib import Path

from keras import ops

from keras_nlp.generation.weights import backend

MOST_KEPT = 2 * 2**30  # bytes of compiled programs on disk


def compile_function(function, weights, jit=True, donate=False):
    """`function(*tensors) -> tensors` as `program(values, *tensors)`, compiled where the backend compiles.

    `values` are `weights.values()`. `donate` lets the result reuse the memory of the first tensors (JAX), which the
    caller then must not read again. torch: eager, without gradients; what it repeats is recorded by `RecordedReads`.
    """

    def program(values, *args):
        with weights.scope(values):
            return function(*args)

    if backend() == "torch":
        import torch

        return torch.inference_mode()(program)
    if not jit:
        return lambda values, *args: function(*args)
    if backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(program, jit_compile=True, autograph=False)
    import jax

    keep_programs()
    return jax.jit(program, donate_argnums=(1,) if donate else ())


@functools.cache
def keep_programs():
    """JAX: keeps compiled programs in the user's cache folder, so that the next process need not compile them again.

    What the user has set for JAX's persistent cache stays; `KERAS_ZOO_COMPILATION_CACHE` names another folder, or is
    empty for none.
    """
    import jax

    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_zoo" / "jax"
    folder = os.environ.get("KERAS_ZOO_COMPILATION_CACHE", str(default))
    if not folder or jax.config.jax_compilation_cache_dir is not None:
        return
    jax.config.update("jax_compilation_cache_dir", folder)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    if "JAX_COMPILATION_CACHE_MAX_SIZE" not in os.environ:
        jax.config.update("jax_compilation_cache_max_size", MOST_KEPT)


def while_loop(condition, body, values):
    """`keras.ops.while_loop`; under torch a plain Python loop, so that places in the cache stay plain numbers."""
    if backend() != "torch":
        return ops.while_loop(condition, body, values)
    while condition(*values):
        values = body(*values)
    return values
