"""One text a row: start token, tokens, end token, padding."""

import numpy as np

from keras_nlp.layers.token_layer import TokenLayer, as_values, filled
from keras_zoo.config import serializable


@serializable
class StartEndPacker(TokenLayer):
    """Token rows of any length -> an array `(B, sequence_length)` with start and end tokens.

    Rows too long lose tokens at their end, never the end value. Ids give int32, tokens that are strings give strings.

    Args:
        sequence_length: the length of every row.
        start_value, end_value: an id or token, a list of them, or None for none.
        pad_value: fills what is left; None for 0 or `""`.
        return_padding_mask: also return a bool array, True where a token is real.
        padding_side: `"right"` or `"left"`.

    `layer(rows, sequence_length=None, add_start_value=True, add_end_value=True)`; a row alone gives `(T,)`.
    """

    def __init__(
        self,
        sequence_length,
        start_value=None,
        end_value=None,
        pad_value=None,
        return_padding_mask=False,
        padding_side="right",
    ):
        if padding_side not in ("right", "left"):
            raise ValueError(f"padding_side must be 'right' or 'left'; got {padding_side!r}.")
        self.sequence_length = sequence_length
        self.start_value = start_value
        self.end_value = end_value
        self.pad_value = pad_value
        self.return_padding_mask = return_padding_mask
        self.padding_side = padding_side

    def pack(self, segments, sequence_length=None, add_start_value=True, add_end_value=True):
        if len(segments) != 1:
            raise ValueError(f"StartEndPacker takes one batch of rows; got {len(segments)}. See MultiSegmentPacker.")
        length = sequence_length or self.sequence_length
        start = as_values(self.start_value, "start_value") if add_start_value else []
        end = as_values(self.end_value, "end_value") if add_end_value else []
        room = length - len(start) - len(end)
        if room < 0:
            raise ValueError(f"sequence_length={length} has no room for {len(start) + len(end)} special tokens.")
        rows = [[*start, *row[:room], *end] for row in segments[0]]
        tokens = filled((len(rows), length), self.pad_value, rows)
        mask = np.zeros((len(rows), length), "bool")
        for i, row in enumerate(rows):
            place = slice(length - len(row), None) if self.padding_side == "left" else slice(len(row))
            tokens[i, place], mask[i, place] = row, True
        return (tokens, mask) if self.return_padding_mask else tokens
