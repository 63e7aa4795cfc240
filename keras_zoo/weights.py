"""Table-driven loading and saving of weights.

A table names layers: `{"transformer_layer_0/attention/query": "h.0.attn.c_attn"}`. What a layer's variables are called
and how they are turned follows from the variable (`LEAVES`, and `transposed` for dense kernels); `Part` takes a piece
of a fused tensor. Where a layout names each variable, or keeps it in another shape, the table says so outright:
`{"kernel": Binding("layers/dense/vars/0", shape=(4, 2, 2)), ...}`. Coverage is complete in both directions or an error
names every missing, unused and misshaped tensor.
"""

import contextlib
import fnmatch
import gc
import math
from typing import NamedTuple

import keras
import ml_dtypes
import numpy as np
from keras.src.backend.common import global_state, stateless_scope, variables

from keras_zoo import lora, memory
from keras_zoo.errors import PresetError

LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "embeddings": "weight"} | {
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
MOST_LISTED = 20


class Part(NamedTuple):
    """The `index`-th of `count` equal parts of the tensors of `name`, along their output axis."""

    name: str
    index: int
    count: int


class Binding(NamedTuple):
    """Where a variable's values stand: the tensor, whether turned, and which part of how many.

    Turned is a dense kernel (out, in), and one of a convolution (out, in, height, width), as torch has them. `shape` is
    that of the tensor where it is these values in another shape, in the same order.
    """

    name: str
    transposed: bool = False
    index: int = 0
    count: int = 1
    shape: tuple | None = None

    def stored_shape(self, shape):
        return self.shape if self.shape is not None else self.turned_shape(shape)

    def turned_shape(self, shape):
        shape = (*shape[:-1], shape[-1] * self.count)
        return (*shape[:-3:-1], *shape[:-2]) if self.transposed else shape

    def take(self, array, shape):
        """The variable's values, of `shape`, from those of the tensor."""
        array = array.reshape(self.turned_shape(shape))
        array = array.transpose(*range(2, array.ndim), 1, 0) if self.transposed else array
        width = array.shape[-1] // self.count
        return array[..., self.index * width : (self.index + 1) * width]

    def give(self, array):
        """The tensor's values from those of its variable, or of all its parts side by side."""
        last = array.ndim - 1
        array = array.transpose(last, last - 1, *range(last - 1)) if self.transposed else array
        return np.asarray(array if self.shape is None else array.reshape(self.shape), order="C")


def native_bindings(model):
    """Our own layout: every weight under its path."""
    return {weight.path: Binding(weight.path) for weight in lora.plain_weights(model)}


def table_bindings(variables, table, transposed=True):
    """`{path: Binding}` for a foreign layout; `transposed` says that it stores kernels turned (see `Binding`)."""
    bindings, used = {}, set()
    for weight in variables:
        layer, _, leaf = weight.path.rpartition("/")
        target = table.get(layer, {})
        if leaf not in (target if isinstance(target, dict) else LEAVES):
            raise PresetError(f"The weight table does not cover {weight.path}.")
        used.add(layer)
        bindings[weight.path] = target[leaf] if isinstance(target, dict) else derived(target, leaf, transposed)
    if lost := sorted(set(table) - used):
        raise PresetError(f"The weight table names layers that the model does not have: {lost}.")
    return bindings


def derived(target, leaf, transposed):
    part = target if isinstance(target, Part) else Part(target, 0, 1)
    return Binding(f"{part.name}.{LEAVES[leaf]}", transposed and leaf == "kernel", part.index, part.count)


def check(model, bindings, tensors, ignored=()):
    """Raises one `PresetError` that names all that is missing, unused or of the wrong shape."""
    if len({weight.path for weight in model.weights}) != len(model.weights):
        raise PresetError("Two weights of the model have the same path; give their layers names of their own.")
    wanted = [(bindings[weight.path], weight) for weight in bound(model, bindings)]
    expected = [(binding.name, binding.stored_shape(tuple(weight.shape))) for binding, weight in wanted]
    compare(f"The weights do not fit {type(model).__name__}.", expected, tensors, ignored)


def compare(title, expected, tensors, ignored=()):
    """Raises one `PresetError` on all that differs between `expected`, pairs of name and shape, and `tensors`."""
    missing = [name for name, _ in expected if name not in tensors]
    wanted = {name for name, _ in expected}
    unused = [n for n in tensors if n not in wanted and not any(fnmatch.fnmatch(n, p) for p in ignored)]
    misshaped = [
        f"{name}: the file has {tuple(tensors[name].shape)}, expected {shape}"
        for name, shape in expected
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems = [("missing from the file", missing), ("in the file but not in the model", unused)]
    problems.append(("of another shape", misshaped))
    if any(names for _, names in problems):
        raise PresetError(
            f"{title}\n" + "\n".join(listing(kind, sorted(set(names))) for kind, names in problems if names)
        )


def listing(title, names):
    more = f"\n    … and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"  {len(names)} {title}:" + "".join(f"\n    {name}" for name in names[:MOST_LISTED]) + more


@contextlib.contextmanager
def deferred():
    """Models built inside get their variables when the block ends: from a file where `fill` said so, else as usual.

    So nothing is allocated before everything is known to fit, and no weight is first filled with random numbers.
    Rests on what Keras does for models built under a `StatelessScope`, and on three of its private names.
    """
    with without_collections():
        try:
            with keras.StatelessScope(initialize_variables=False):
                yield
        except BaseException:
            global_state.set_global_attribute("uninitialized_variables", [])
            raise
        variables.initialize_all_variables()


@contextlib.contextmanager
def without_collections():
    """No garbage is looked for meanwhile: a model is many objects that all stay, and looking for it takes a while."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def under_deferral():
    """Whether models are being built under `deferred`."""
    return stateless_scope.in_stateless_scope()


def fill(model, bindings, reader, ignored=()):
    """Checks that everything fits, then lets each weight of `model`, built under `deferred`, take its own values.

    `reader` is a `keras_zoo.reading.ReadAhead` of the tensors.
    """
    check(model, bindings, reader.tensors, ignored)
    reader.begin(bindings[weight.path].name for weight in bound(model, bindings))
    latest = {}  # a fused tensor is read once for its parts, which follow each other

    def read(binding, shape):
        if binding.name not in latest:
            latest.clear()
            latest[binding.name] = reader.take(binding.name)
        return binding.take(latest[binding.name] if binding.count > 1 else latest.pop(binding.name), shape)

    def initializer(binding):
        return lambda shape, dtype: memory.adopt(memory.laid_out(read(binding, shape), numpy_dtype(dtype)))

    for weight in bound(model, bindings):
        weight._initializer = initializer(bindings[weight.path])


def bound(model, bindings):
    """The weights that come from a file; the others, those of a new head, start as they always do."""
    return [weight for weight in model.weights if weight.path in bindings]


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


class Stored:
    """A tensor that is to be written: its shape and dtype are known, `read()` computes its values.

    It consists of `parts`, pairs of `Binding` and weight in the order of their indices; of a weight in `adapted` the
    values are those with the adapter merged in. They are rounded to `dtype` where it is given.
    """

    def __init__(self, parts, adapted, dtype=None):
        self.parts, self.adapted = parts, adapted
        binding, weight = parts[0]
        self.shape = binding.stored_shape(tuple(weight.shape))
        self.dtype = numpy_dtype(dtype or keras.backend.standardize_dtype(weight.dtype))

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self):
        arrays = [
            to_array(self.adapted[id(weight)].merged() if id(weight) in self.adapted else weight)
            for _, weight in self.parts
        ]
        array = self.parts[0][0].give(np.concatenate(arrays, axis=-1) if len(arrays) > 1 else arrays[0])
        return array.astype(self.dtype, copy=False)


def stored(model, bindings, merge_lora=True, dtype=None):
    """`{tensor name: Stored}` of what `bindings` name, with adapters merged in or left out: the reverse of `fill`."""
    adapted = {id(adapter.base): adapter for adapter in lora.adapters(model)} if merge_lora else {}
    parts = {}
    for weight in bound(model, bindings):
        binding = bindings[weight.path]
        parts.setdefault(binding.name, []).append((binding, weight))
    parts = {name: sorted(found, key=lambda part: part[0].index) for name, found in parts.items()}
    return {name: Stored(found, adapted, dtype) for name, found in parts.items()}


def to_array(weight):
    """A weight's values in its own dtype; NumPy has no bfloat16 of its own."""
    if keras.backend.standardize_dtype(weight.dtype) == "bfloat16":
        return keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")).astype(ml_dtypes.bfloat16)
    return keras.ops.convert_to_numpy(weight)
