"""The base class of layers that turn token rows of unequal length into arrays."""

import keras
import numpy as np

from keras_nlp.tokenizers.text import as_rows
from keras_zoo import tfdata
from keras_zoo.config import Configured


class TokenLayer(Configured):
    """Token rows in, arrays out, eagerly and inside tf.data.

    `layer(inputs)` takes lists, arrays, eager or ragged tensors: a row, or a batch of rows; a tuple of them where the
    layer takes several. A subclass gives `pack(segments, **kwargs)`, which takes a list of batches of rows, each a
    list of lists, and returns a structure of arrays `(B, …)`. A single row gives arrays without the batch axis.
    """

    _config_root = True

    def __call__(self, inputs, **kwargs):
        segments = inputs if isinstance(inputs, tuple) else (inputs,)
        if not segments:
            raise ValueError(f"{type(self).__name__} takes at least one batch of token rows; got an empty tuple.")
        if tfdata.any_graph_tensor(*segments):
            return self.call_in_graph(segments, kwargs)
        rows, single = zip(*map(rows_of, segments), strict=True)
        if len(set(single)) > 1 or len(set(map(len, rows))) > 1:
            raise ValueError(f"All segments must be one row each or batches of one size; got {[len(r) for r in rows]}.")
        outputs = self.pack(list(rows), **kwargs)
        return keras.tree.map_structure(lambda x: x[0], outputs) if single[0] else outputs

    def call_in_graph(self, segments, kwargs):
        single = segments[0].shape.rank == 1
        segments = tuple(x[None] for x in segments) if single else tuple(segments)
        outputs = tfdata.call_in_graph(
            lambda parts: self.pack([as_rows(part)[0] for part in parts], **kwargs), segments
        )
        return keras.tree.map_structure(lambda x: x[0], outputs) if single else outputs


def rows_of(segment):
    """`as_rows`, but that what is empty is one row without tokens and no batch without rows."""
    array = segment if isinstance(segment, list | tuple) else tfdata.to_numpy(segment)
    empty = getattr(array, "ndim", 1) == 1 and hasattr(array, "__len__") and len(array) == 0
    return ([[]], True) if empty else as_rows(segment)


def as_values(value, name):
    """A special token or several as a list: `None` -> `[]`, `5` -> `[5]`."""
    if value is None:
        return []
    if isinstance(value, int | str | np.integer):
        return [value]
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name} must be an id, a token, a list of them or None; got {value!r}.")
    return list(value)


def filled(shape, pad_value, rows):
    """An array of padding with the dtype that the rows want: int32, or strings as objects."""
    example = next((row[0] for row in rows if row), pad_value)
    text = isinstance(example, str | bytes)
    if pad_value is None:
        pad_value = "" if text else 0
    return np.full(shape, pad_value, object if text else "int32")
