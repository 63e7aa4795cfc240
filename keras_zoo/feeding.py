"""What `fit`, `evaluate` and `predict` are given, raw, as data sets of preprocessed batches that Keras trains on."""

import copy
import random
import sys
import types

import keras
import numpy as np

from keras_zoo.tfdata import to_numpy


def kind(x):
    """Which sort of data set `x` is: "tf", "torch", "keras", "generator", or None for rows in memory."""
    if isinstance(x, keras.utils.PyDataset):
        return "keras"
    if isinstance(x, types.GeneratorType):
        return "generator"
    tf, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    if hasattr(tf, "data") and isinstance(x, tf.data.Dataset):
        return "tf"
    if hasattr(torch, "utils") and isinstance(x, torch.utils.data.DataLoader):
        return "torch"
    return None


def batches(dataset):
    """The batches of a data set of any kind, once; a `PyDataset` need not end by itself."""
    return map(dataset.__getitem__, range(dataset.num_batches)) if kind(dataset) == "keras" else iter(dataset)


def prepare(preprocess, x, y=None, sample_weight=None, batch_size=None, shuffle=False):
    """Anything that `fit` takes, raw, as a data set of preprocessed batches.

    `preprocess(x, y, sample_weight)` takes a batch of raw data and returns what the model trains on.
    """
    source = kind(x)
    if source is not None and (y is not None or sample_weight is not None):
        raise ValueError("y and sample_weight must be part of the data set when x is a data set.")
    if source == "tf":
        import tensorflow as tf

        if any(spec.shape.rank == 0 for spec in keras.tree.flatten(x.element_spec) if hasattr(spec, "shape")):
            raise ValueError("The tf.data.Dataset is not batched; give dataset.batch(size).")
        plain = tf.autograph.experimental.do_not_convert(lambda *batch: preprocess(*batch))
        return x.map(plain, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    if source == "torch":
        if x.batch_size is None and x.batch_sampler is None:
            raise ValueError("The DataLoader is not batched; give it a batch_size.")
        loader = copy.copy(x)
        loader._iterator = None  # persistent workers would go on with the old collate_fn
        loader.collate_fn = CollateAndPreprocess(x.collate_fn, preprocess)
        return loader
    if source == "keras":
        return MappedDataset(x, preprocess)
    if source == "generator":
        return (in_tuple(preprocess(*unpack(batch))) for batch in x)
    return Rows(preprocess, x, y, sample_weight, batch_size or 32, shuffle)


def unpack(batch):
    """`(x, y, sample_weight)` of a batch; strings in a row, as a torch loader collates them, are an x alone."""
    if isinstance(batch, list | tuple) and any(isinstance(part, str | bytes) for part in batch):
        return list(batch), None, None
    return keras.utils.unpack_x_y_sample_weight(batch)


class Rows(keras.utils.PyDataset):
    """Rows in memory (lists, arrays, dictionaries of them), preprocessed a batch at a time, reshuffled each epoch."""

    def __init__(self, preprocess, x, y, sample_weight, batch_size, shuffle):
        super().__init__()
        self.preprocess = preprocess
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        self.data = [in_memory(part) for part in (x, y, sample_weight)]
        self.batch_size = batch_size
        self.order = np.arange(count_rows(self.data))
        self.generator = np.random.default_rng(random.randrange(2**31)) if shuffle else None
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.preprocess(*(take(part, rows) for part in self.data))

    def on_epoch_end(self):
        if self.generator is not None:
            self.generator.shuffle(self.order)


class MappedDataset(keras.utils.PyDataset):
    """A `PyDataset` of raw batches, preprocessed as they are asked for."""

    def __init__(self, dataset, preprocess):
        super().__init__(dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size)
        self.dataset, self.preprocess = dataset, preprocess
        self.on_epoch_begin, self.on_epoch_end = dataset.on_epoch_begin, dataset.on_epoch_end

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __getitem__(self, index):
        return self.preprocess(*unpack(self.dataset[index]))


class CollateAndPreprocess:
    """A torch `collate_fn`: what was there, then the preprocessing, then tensors; runs in the loader's workers."""

    def __init__(self, collate, preprocess):
        self.collate, self.preprocess = collate, preprocess

    def __call__(self, samples):
        import torch

        x, *others = unpack(self.collate(samples))
        if isinstance(x, list | tuple) and self.collate is torch.utils.data.default_collate:
            x = list(x) if is_value(x[0]) else tuple(x)  # rows of texts come as a tuple, columns of tuples as a list
        batch = in_tuple(self.preprocess(x, *others))
        return keras.tree.map_structure(lambda x: torch.from_numpy(np.ascontiguousarray(to_numpy(x))), batch)


def in_tuple(batch):
    """Keras takes a dictionary for itself from a data set, but not from a generator."""
    return batch if isinstance(batch, tuple) else (batch,)


def in_memory(x):
    """Rows as lists, NumPy arrays, or dictionaries and tuples of such columns; a tuple of plain values is rows."""
    if isinstance(x, dict):
        return {name: in_memory(part) for name, part in x.items()}
    if isinstance(x, str | bytes):
        return [x]
    if isinstance(x, tuple):
        return tuple(map(in_memory, x)) if x and not any(is_value(part) for part in x) else list(x)
    if x is None or isinstance(x, list):
        return x
    x = to_numpy(x)
    sequence = hasattr(x, "__len__") and hasattr(x, "__getitem__") and not hasattr(x, "shape")
    return list(x) if sequence else x  # a column of the datasets library


def is_value(x):
    """Whether `x` is one text or number rather than a column of them."""
    return isinstance(x, str | bytes) or np.ndim(to_numpy(x)) == 0


def count_rows(data):
    def lengths(x):
        if isinstance(x, dict | tuple):
            return set().union(*map(lengths, x.values() if isinstance(x, dict) else x))
        return set() if x is None else {len(x)}

    found = set().union(*map(lengths, data))
    if len(found) != 1:
        raise ValueError(f"x, y and sample_weight must have the same number of rows; got {sorted(found)}.")
    count = found.pop()
    if not count:
        raise ValueError("The data has no rows.")
    return count


def take(x, rows):
    if isinstance(x, dict):
        return {name: take(part, rows) for name, part in x.items()}
    if isinstance(x, tuple):
        return tuple(take(part, rows) for part in x)
    return None if x is None else [x[i] for i in rows] if isinstance(x, list) else x[rows]


def split_rows(data, fraction):
    """`validation_split`: the first and the last rows of `(x, y, sample_weight)`."""
    data = [in_memory(part) for part in data]
    count = count_rows(data)
    edge = int(count * (1 - fraction))
    if not 0 < edge < count:
        raise ValueError(f"validation_split={fraction} leaves no row on one side of {count}.")
    rows = np.arange(count)
    return [take(p, rows[:edge]) for p in data], [take(p, rows[edge:]) for p in data]
