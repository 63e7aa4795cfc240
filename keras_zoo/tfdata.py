"""The one bridge between eager NumPy, tf.data graphs, torch loaders and what Keras trains on.

Preprocessing is written once, in NumPy. Eagerly it is called as it is; inside a tf.data graph the same function runs
through `tf.numpy_function`; in a torch `DataLoader` it runs in the loader's workers.
TensorFlow and torch are imported only where one of their own objects has been handed in.
"""

import itertools
import os
import sys
import threading

import keras
import numpy as np


def is_graph_tensor(x):
    """True for a symbolic TensorFlow tensor, as a function mapped over a tf.data.Dataset receives it."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "is_symbolic_tensor"):
        return False
    if isinstance(x, tf.RaggedTensor):
        x = x.flat_values
    return tf.is_symbolic_tensor(x)


def any_graph_tensor(*structure):
    return any(is_graph_tensor(x) for x in keras.tree.flatten(list(structure)))


def is_traced(x):
    """True for an array without values, as a function compiled by JAX receives it."""
    jax = sys.modules.get("jax")
    return hasattr(jax, "core") and isinstance(x, jax.core.Tracer)


def to_numpy(x):
    """Tensors of any backend and columns of tables as NumPy arrays; everything else as it is."""
    if hasattr(x, "detach"):  # torch
        x = x.detach().cpu()
        return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()  # which NumPy lacks
    if hasattr(x, "to_numpy"):  # pandas, whose columns are indexed by labels and not by places
        return x.to_numpy()
    if type(x).__module__.split(".")[0] in ("jax", "jaxlib", "tensorflow") and hasattr(x, "__array__"):
        return np.asarray(x)
    return x


class OneThread:
    """Within it the Rust tokenizers use one thread for a call.

    A pipeline runs its calls in parallel (`num_parallel_calls=tf.data.AUTOTUNE`). Where each of them uses all cores as
    well, they take twice as long.
    """

    NAME = "TOKENIZERS_PARALLELISM"

    def __init__(self):
        self.lock, self.count, self.before = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            if not self.count:
                self.before, os.environ[self.NAME] = os.environ.get(self.NAME), "false"
            self.count += 1

    def __exit__(self, *_):
        with self.lock:
            self.count -= 1
            if not self.count:
                os.environ.pop(self.NAME)
                if self.before is not None:
                    os.environ[self.NAME] = self.before


one_thread = OneThread()


class LearningShapes(threading.local):
    """Within it a function runs on examples, in this thread: what it draws and counts must not be kept."""

    active = False

    def __enter__(self):
        self.active = True

    def __exit__(self, *_):
        self.active = False


learning_shapes = LearningShapes()


def loader_seed():
    """A number of the worker of a torch `DataLoader` this runs in, another one each epoch; None outside of one.

    Workers are copies of one process. What is random in a copy would be the same in each, and in each epoch.
    """
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if hasattr(torch, "utils") else None
    return None if info is None else info.seed


def call_in_graph(function, *args):
    """Runs a NumPy `function` inside a TensorFlow graph on `args`, a structure of symbolic tensors.

    A ragged tensor arrives as a list of arrays. The structure, dtypes and shapes of the result are learnt by calling
    `function` on two examples (empty strings, zeros) that differ in the axes whose size is unknown, so `function`
    declares nothing. They are of 1 and 3 there, which images may have of channels.
    """
    import tensorflow as tf

    leaves = [x if isinstance(x, tf.RaggedTensor) else tf.convert_to_tensor(x) for x in keras.tree.flatten(args)]
    run = OfArrays(tf.autograph.experimental.do_not_convert(function), args, [len(parts(x)) for x in leaves])
    one, two = ([part for x in leaves for part in example_parts(x, size)] for size in (1, 3))
    with learning_shapes, tf.init_scope():  # a function may call TensorFlow eagerly
        example, others = run(*one), run.arrays(*two)
    likes = [np.asarray(x) for x in keras.tree.flatten(example)]
    outputs = tf.numpy_function(run.arrays, [part for x in leaves for part in parts(x)], [x.dtype for x in likes])
    for output, like, other in zip(outputs, likes, others, strict=True):
        output.set_shape([n if n == m else None for n, m in zip(like.shape, other.shape, strict=True)])
    return keras.tree.pack_sequence_as(example, list(outputs))


class OfArrays:
    """A function of a structure, as a function of the arrays that its leaves consist of, `counts` for each leaf.

    Not nested in `call_in_graph`, of which TensorFlow would make another, slower program.
    """

    def __init__(self, function, structure, counts):
        self.function, self.structure, self.counts = function, structure, counts

    def __call__(self, *values):
        values = iter(values)
        taken = [[next(values) for _ in range(count)] for count in self.counts]
        leaves = [rows_of(*some) if len(some) > 1 else some[0] for some in taken]
        return self.function(*keras.tree.pack_sequence_as(self.structure, leaves))

    def arrays(self, *values):
        with one_thread:
            return [np.asarray(x) for x in keras.tree.flatten(self(*values))]


def map_in_graph(function, x, dtype):
    """Runs a NumPy `function` that keeps the shape of the symbolic tensor `x` inside a TensorFlow graph."""
    import tensorflow as tf

    return tf.ensure_shape(tf.numpy_function(function, [x], tf.as_dtype(dtype)), x.shape)


def transpose(x, order):
    """The axes of a NumPy array or of a symbolic tensor in another order."""
    if not is_graph_tensor(x):
        return np.ascontiguousarray(np.transpose(x, order))
    import tensorflow as tf

    return tf.transpose(x, order)


def is_ragged(x):
    return hasattr(x, "row_lengths")


def as_rows(x):
    """A batch in NumPy; one of unequal rows, a ragged tensor, as a list of arrays."""
    if not is_ragged(x):
        return to_numpy(x)
    return [row.to_tensor().numpy() if is_ragged(row) else row.numpy() for row in x]


def parts(x):
    """A dense tensor itself; of a ragged one the values and the lengths of its rows, the outer axis first."""
    return (x.flat_values, *x.nested_row_lengths()) if is_ragged(x) else (x,)


def rows_of(values, *lengths):
    """Lists of arrays, nested as deeply as there are `lengths`, the outer axis first."""
    for counts in reversed(lengths):
        values = [values[end - n : end] for n, end in zip(counts, np.cumsum(counts), strict=True)]
    return values


def example_parts(x, size):
    """The parts of a small example; where an axis of `x` has no fixed size it is `size`."""
    dtype = object if x.dtype.name == "string" else x.dtype.as_numpy_dtype
    fill = b"" if dtype is object else 0
    shape = [n or size for n in x.shape.as_list()] if x.shape.rank is not None else [size]
    if not is_ragged(x):
        return (np.full(shape, fill, dtype),)
    counts = [shape[0] * size**i for i in range(x.ragged_rank + 1)]
    lengths = [np.full([count], size) for count in counts[:-1]]
    return (np.full([counts[-1], *shape[x.ragged_rank + 1 :]], fill, dtype), *lengths)


def call_ragged_in_graph(function, inputs):
    """Runs `function(list) -> list of int lists` inside a TensorFlow graph; returns an int32 RaggedTensor.

    A scalar input gives a 1-D tensor.
    """
    import tensorflow as tf

    def run(batch):
        with one_thread:
            rows = function(batch)
        lengths = np.asarray([len(r) for r in rows], "int64")
        return np.fromiter(itertools.chain.from_iterable(rows), "int32", lengths.sum()), lengths

    if inputs.shape.rank == 0:
        values, _ = tf.numpy_function(run, [inputs[None]], [tf.int32, tf.int64])
        return tf.ensure_shape(values, [None])
    values, lengths = tf.numpy_function(run, [inputs], [tf.int32, tf.int64])
    lengths = tf.ensure_shape(lengths, [inputs.shape[0]])
    return tf.RaggedTensor.from_row_lengths(tf.ensure_shape(values, [None]), lengths, validate=False)


def from_batches(batches, specs, count):
    """A `tf.data.Dataset` of the `count` structures of arrays that the function `batches` yields.

    `specs` is a structure of `keras.InputSpec`, with None for axes that vary.
    """
    try:
        import tensorflow as tf
    except ImportError:
        raise ImportError("A tf.data.Dataset needs TensorFlow: pip install 'keras-zoo[tensorflow]'.") from None
    signature = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), specs)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(1)
