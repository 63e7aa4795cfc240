"""A network's forward pass as a compiled program, backend by backend; its variables are arguments of it."""

import contextlib
import functools
import os
from pathlib import Path

import keras
import numpy as np

MOST_KEPT = 2 * 2**30  # bytes of compiled programs on disk
# For XLA: products by themselves are left to YNNPACK, convolutions and what else could be fused with them are not.
OWN_CONVOLUTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


class Variables:
    """The variables of the models in a program, as its first argument: neither constants of it nor loop state."""

    def __init__(self, models):
        self.variables = [v for model in models for v in model.weights]

    def values(self):
        """What programs take as their first argument: the values of now, taken once for a request."""
        return [v.value for v in self.variables] if backend() == "jax" else []

    @contextlib.contextmanager
    def scope(self, values):
        """Within it, inside a program, the variables have the values that it was given."""
        if not values:
            yield
            return
        with keras.StatelessScope(state_mapping=zip(self.variables, values, strict=True)):
            yield


class Inference:
    """A task whose network also runs outside of Keras' own loop, as one program for each shape of its inputs."""

    _config_root = True

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        # Keras resolves "auto" to False for TensorFlow on a CPU, where XLA gains most: go by what was asked.
        self.compile_inference = kwargs.get("jit_compile", "auto") is not False and not kwargs.get("run_eagerly")
        object.__setattr__(self, "program", None)

    def program_for(self, weights, static=(), **options):
        """`program(weights.values(), *inputs)` of `infer(*inputs, *static)`.

        It is made anew where `static` is another, or the variables are, as adapters make them.
        """
        known, last, program = self.program or ((), (), None)
        same = len(known) == len(weights.variables) and all(a is b for a, b in zip(known, weights.variables))
        if program is None or not same or static != last:
            infer = lambda *inputs: self.infer(*inputs, *static)  # noqa: E731
            program = compile_function(infer, weights, self.compile_inference, **options)
            object.__setattr__(self, "program", (weights.variables, static, program))  # Keras would track the variables
        return program

    def infer(self, inputs):
        """What the program computes."""
        return self(inputs, training=False)


def compile_function(function, weights, jit=True, donate=False, convolutions=False):
    """`function(*tensors) -> tensors` as `program(values, *tensors)`, compiled where the backend compiles.

    `values` are `weights.values()`. `donate` lets the result reuse the memory of the first tensors (JAX), which the
    caller then must not read again. `convolutions` says that most of the work is such: on a CPU TensorFlow's own are
    faster than XLA's, and XLA's own than those of the library that it calls. torch: eager, without gradients.
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

        return tf.function(program, jit_compile=not (convolutions and on_cpu()), autograph=False)
    import jax

    keep_programs()
    options = OWN_CONVOLUTIONS if convolutions and on_cpu() and jax.__version_info__ >= (0, 10) else None
    return jax.jit(program, donate_argnums=(1,) if donate else (), compiler_options=options)


def filled(array, size):
    """`array` with its last row repeated up to `size` rows, so that a program of that size takes it."""
    return np.concatenate([array, np.repeat(array[-1:], size - len(array), 0)]) if len(array) < size else array


def in_parts(run, rows):
    """`run(rows)`, a structure of tensors with as many rows, as NumPy arrays; for the rows of a batch in memory.

    The batch is filled up to a power of two, so that few programs are compiled. On a CPU JAX gets it in several parts,
    which it runs at the same time: its convolutions leave cores idle that work on one part together.
    """
    count, concurrent = len(rows), backend() == "jax" and on_cpu()
    parts = min(count, 2 * (os.cpu_count() or 1)) if concurrent else 1
    size = 1 << (-(-count // parts) - 1).bit_length()
    outputs = [run(filled(rows[first : first + size], size)) for first in range(0, count, size)]  # none is waited for
    return keras.tree.map_structure(lambda *found: np.concatenate(list(map(as_numpy, found)))[:count], *outputs)


def as_numpy(x):
    """An array of whole numbers, or of float32."""
    whole = "int" in keras.backend.standardize_dtype(x.dtype)
    return keras.ops.convert_to_numpy(x if whole else keras.ops.cast(x, "float32"))


def in_turn(function, inputs):
    """`function` of a batch, inside a program; on a CPU JAX reads its rows one after the other.

    The feature maps of one image stay in the processor's cache, those of a batch do not.
    """
    if backend() != "jax" or not on_cpu() or len(inputs) == 1:
        return function(inputs)
    outputs = keras.ops.map(lambda x: function(x[None]), inputs)
    return keras.tree.map_structure(lambda x: x[:, 0], outputs)


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


def on_cpu():
    if backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if backend() == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    import torch

    return not torch.cuda.is_available()


def backend():
    return keras.backend.backend()
