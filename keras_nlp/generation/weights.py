"""The weights that compiled programs read, and how their matrices lie in memory."""

import contextlib

import keras
from keras import ops

ACTIVE = []  # of the programs that are being traced, the innermost last: their weights, and those that are turned


class Weights:
    """The variables of the models in a program, as its first argument: neither constants of it nor loop state.

    On a CPU XLA multiplies a few rows by some matrices up to three times faster where they are stored the other way
    round (docs/performance.md has the figures), so programs are given turned copies of those as well: JAX's of the
    dense kernels to read one row, and of the heads' matrices `(V, D)` to read several; TensorFlow's the other way.

    Args:
        variables: all variables that the programs read.
        heads: those of them that heads read backwards.
        kept: the turned copies, shared by all programs of a model.
    """

    def __init__(self, variables, heads, kept):
        self.variables = list(variables)
        self.heads = list(heads)
        self.kernels = [v for v in self.variables if v.name == "kernel" and len(v.shape) == 2]
        self.kept = kept

    def values(self, rows):
        """What programs of `rows` rows take as their first argument: the values of now, taken once for a request."""
        if backend() == "torch":
            turn_kernels(self.kernels)
            return ()
        values = [v.value for v in self.variables] if backend() == "jax" else []
        if not on_cpu():
            return values, [], []
        if (backend() == "jax") == (rows == 1):
            return values, [], [self.turned(v) for v in self.kernels]
        return values, [self.turned(v) for v in self.heads], []

    def turned(self, variable):
        """A matrix turned. JAX's arrays never change: the same array needs no second copy."""
        if backend() != "jax":
            return ops.transpose(variable.value)
        value, (old, copy) = variable.value, self.kept.get(id(variable), (None, None))
        if old is not value:
            copy = ops.copy(ops.transpose(value))
            self.kept[id(variable)] = value, copy
        return copy

    @contextlib.contextmanager
    def scope(self, values):
        """Within it, inside a program, the variables have the values that it was given."""
        pairs = list(zip(self.variables, values[0], strict=False))
        turned = [*zip(self.heads, values[1], strict=False), *zip(self.kernels, values[2], strict=False)]
        ACTIVE.append((pairs, turned))
        try:
            with keras.StatelessScope(state_mapping=pairs):
                yield
        finally:
            ACTIVE.pop()


@contextlib.contextmanager
def turned_weights():
    """Within it, inside a program, matrices that were given turned as well are read so.

    It must be entered where they are used, inside the loop's step: XLA turns them back once before the loop otherwise.
    """
    pairs, turned = ACTIVE[-1] if ACTIVE else ((), ())
    if not turned or backend() == "jax":  # `read_turned` sees to it
        yield
        return
    mapping = {id(v): (v, x) for v, x in pairs} | {id(v): (v, ops.transpose(x)) for v, x in turned}
    with keras.StatelessScope(state_mapping=mapping.values()):
        yield


def turn_kernels(kernels):
    """torch: stores dense kernels column by column, in place, as torch's own Linear has them.

    oneDNN and MKL multiply a few rows by such a matrix faster, up to ten times in bfloat16. Shapes and values stay.
    """
    import torch

    for variable in kernels:
        value = variable.value
        if value.stride(1) == 1 and value.device.type == "cpu":
            with torch.no_grad():
                value.data = value.data.t().contiguous().t()


def on_cpu():
    if backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if backend() == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    return True


def backend():
    return keras.backend.backend()
