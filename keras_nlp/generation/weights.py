"""The weights that compiled programs read, and how their matrices lie in memory."""

import contextlib

from keras import ops

from keras_nlp.layers.turned import Dense, turned_kernels
from keras_zoo.compiled import Variables, backend, on_cpu


class Weights(Variables):
    """The variables of the models in a program, and the matrices that it reads turned.

    On a CPU XLA multiplies a few rows by a matrix up to three times faster where it is stored the other way round
    (docs/performance.md has the figures), so there programs are given turned copies of the dense kernels as well.

    Args:
        models: whose variables the programs read.
        kept: the turned copies, shared by all programs of a model.
        turn: whether to; programs that read many rows at once, or are not compiled, gain nothing.
    """

    def __init__(self, models, kept, turn=True):
        super().__init__(models)
        self.kernels = [k for model in models for k in plain_kernels(model)] if turn or backend() == "torch" else []
        self.kept = kept

    def values(self):
        return super().values(), [self.turned(v) for v in self.kernels] if on_cpu() else None

    def turned(self, variable):
        """A matrix turned. JAX's arrays never change: the same array needs no second copy."""
        if backend() == "torch":
            turn_in_place(variable)
            return None
        if backend() == "tensorflow":
            return ops.transpose(variable.value)
        value, (old, copy) = variable.value, self.kept.get(id(variable), (None, None))
        if old is not value:
            copy = ops.transpose(value)
            self.kept[id(variable)] = value, copy
        return copy

    @contextlib.contextmanager
    def scope(self, values):
        values, turned = values
        with (
            super().scope(values),
            contextlib.nullcontext() if turned is None else turned_kernels(self.kernels, turned),
        ):
            yield


def plain_kernels(model):
    """The kernels that `Dense` layers read as they are, neither adapted nor quantised nor cast."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, Dense) and layer.built]
    plain = [layer for layer in layers if not layer.lora_enabled and layer.quantization_mode is None]
    return [layer.kernel for layer in plain if layer.kernel.dtype == layer.compute_dtype]


def turn_in_place(variable):
    """torch: stores a dense kernel column by column, in place, as torch's own Linear has it.

    oneDNN and MKL multiply a few rows by such a matrix faster, up to ten times in bfloat16. Shapes and values stay.
    """
    import torch

    if variable.value.stride(1) == 1:
        with torch.no_grad():
            variable.value.data = variable.value.data.t().contiguous().t()
