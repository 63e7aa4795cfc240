"""The key-value cache of a decoder."""

import keras
from keras import ops


class KeyValueCache:
    """Each layer's keys and values up to a capacity, and where the next tokens go.

    Args:
        arrays: one `(key, value)` a layer, each `(B, heads, capacity, head_dim)`, or `(heads, capacity, head_dim)` of
            one row inside a compiled loop. They are never stacked: one write touches one layer's new rows and nothing
            else.
        index: where the first of the coming tokens is written: one scalar, since prompts end at a common place, or
            `(B,)` where rows advance by themselves, as in speculative decoding.
        start: `(B,)` int32, the place of each row's first real token.
    """

    def __init__(self, arrays, index, start):
        self.arrays = list(arrays)
        self.index = index
        self.start = start

    @property
    def capacity(self):
        return self.arrays[0][0].shape[-2]

    @property
    def by_row(self):
        return len(getattr(self.index, "shape", ())) == 1

    @property
    def filled(self):
        """How far keys are attended to: where places are plain numbers, as in eager torch, no more than is filled."""
        return self.capacity if hasattr(self.index, "shape") else None

    def place(self, length):
        """`positions (B, length)` and `visible (B, 1, length, S)` of the coming `length` tokens."""
        query = ops.reshape(self.index, (-1, 1)) + ops.arange(length, dtype="int32")  # (B or 1, T)
        key = ops.arange(self.filled or self.index + length, dtype="int32")  # (S,)
        positions = ops.maximum(query - self.start[:, None], 0)
        visible = (key <= query[:, :, None]) & (key >= self.start[:, None, None])
        return positions, visible[:, None]

    def layer(self, number):
        return LayerCache(self, number)


class LayerCache:
    """One layer's part of a `KeyValueCache`, as attention sees it."""

    def __init__(self, cache, number):
        self.cache, self.number = cache, number

    def update(self, key, value):
        """Writes `(B, N, T, H)` keys and values at the cache's index; returns all that are to be attended to."""
        pair = [self.write(old, new) for old, new in zip(self.cache.arrays[self.number], (key, value), strict=True)]
        self.cache.arrays[self.number] = tuple(pair)
        pair = [array if len(array.shape) == 4 else array[None] for array in pair]
        filled = self.cache.filled or self.cache.index + key.shape[2]
        return pair if filled == self.cache.capacity else [array[:, :, :filled] for array in pair]

    def write(self, old, new):
        index = self.cache.index
        if len(old.shape) == 3:
            return ops.slice_update(old, (0, index, 0), new[0])
        if keras.backend.backend() == "torch":
            return write_in_place(old, new, index)
        if not self.cache.by_row:
            return ops.slice_update(old, (0, 0, index, 0), new)
        return written_by_row(old, new, index, axis=2)


def written_by_row(old, new, index, axis=1):
    """`old` with `new`, `(B, …, T, …)` along `axis`, put at each row's own place `index (B,)`."""
    length, dims = new.shape[axis], len(old.shape)
    place = ops.arange(old.shape[axis], dtype="int32")[None] - index[:, None]  # (B, C), 0 where new begins
    shape = [-1 if i == 0 else old.shape[axis] if i == axis else 1 for i in range(dims)]
    inside = ops.reshape((place >= 0) & (place < length), shape)
    fresh = ops.take_along_axis(new, ops.reshape(ops.clip(place, 0, length - 1), shape), axis=axis)
    return ops.where(inside, fresh, old)


def without_row_axis(arrays):
    """Caches of one row without their first axis: XLA would copy them four times a step on account of it."""
    return [(key[0], value[0]) for key, value in arrays]


def with_row_axis(arrays):
    return [(key[None], value[None]) for key, value in arrays]


def reordered(arrays, row):
    """Caches whose rows are those at `row (R,)`; without their row axis there is only the one."""
    if len(arrays[0][0].shape) == 3:
        return arrays
    return [(ops.take(key, row, axis=0), ops.take(value, row, axis=0)) for key, value in arrays]


def write_in_place(old, new, index):
    """torch writes into the cache itself; `index` is a number, a scalar or one place a row."""
    import torch

    length = new.shape[2]
    if not hasattr(index, "shape"):
        old[:, :, index : index + length] = new
    elif index.ndim == 0:
        old.index_copy_(2, index + torch.arange(length, device=old.device), new)
    else:
        rows = torch.arange(old.shape[0], device=old.device)[:, None]
        places = index[:, None] + torch.arange(length, device=old.device)  # (B, T)
        places = places.clamp(max=old.shape[2] - 1)  # of rows that are done, which nobody reads
        old[rows, :, places] = new.transpose(1, 2)
    return old
