"""The key-value cache of a decoder."""

import keras
from keras import ops


class KeyValueCache:
    """Each layer's keys and values up to a capacity, and where the next tokens go.

    Args:
        arrays: one `(key, value)` a layer, each `(B, heads, capacity, head_dim)`. They are never stacked: one write
            touches one layer's new rows and nothing else.
        index: where the first of the coming tokens is written; one scalar, since prompts end at a common place.
        start: `(B,)` int32, the place of each row's first real token.
    """

    def __init__(self, arrays, index, start):
        self.arrays = list(arrays)
        self.index = index
        self.start = start

    @property
    def capacity(self):
        return self.arrays[0][0].shape[2]

    def place(self, length):
        """`positions (B, length)` and `visible (B, 1, length, S)` of the coming `length` tokens."""
        query = self.index + ops.arange(length, dtype="int32")  # (T,)
        key = ops.arange(self.index + length if in_place() else self.capacity, dtype="int32")  # (S,)
        positions = ops.maximum(query[None, :] - self.start[:, None], 0)
        visible = (key[None, :] <= query[:, None])[None] & (key[None, None, :] >= self.start[:, None, None])
        return positions, visible[:, None]

    def layer(self, number):
        return LayerCache(self, number)


class LayerCache:
    """One layer's part of a `KeyValueCache`, as attention sees it."""

    def __init__(self, cache, number):
        self.cache, self.number = cache, number

    def update(self, key, value):
        """Writes `(B, N, T, H)` keys and values at the cache's index; returns all that are to be attended to."""
        arrays, index = self.cache.arrays, self.cache.index
        old_key, old_value = arrays[self.number]
        if in_place():
            end = index + key.shape[2]
            old_key[:, :, index:end] = key
            old_value[:, :, index:end] = value
            return old_key[:, :, :end], old_value[:, :, :end]
        at = (0, 0, index, 0)
        arrays[self.number] = ops.slice_update(old_key, at, key), ops.slice_update(old_value, at, value)
        return arrays[self.number]


def in_place():
    """torch runs eagerly: it writes into the cache itself, and attends to no more than is filled."""
    return keras.backend.backend() == "torch"
