"""Token rows of unequal length as one array with a padding mask."""

import numpy as np


def pack(rows, sequence_length, pad_value=0, start_value=None, end_value=None):
    """Int lists -> `(token_ids, padding_mask)`, int32 and bool arrays `(B, sequence_length)`, padded on the right.

    Start and end values, where given, surround each row; a row too long loses tokens at its end, never the end value.
    """
    start = [] if start_value is None else [start_value]
    end = [] if end_value is None else [end_value]
    room = sequence_length - len(start) - len(end)
    if room < 0:
        raise ValueError(f"sequence_length={sequence_length} has no room for the start and end tokens.")
    token_ids = np.full((len(rows), sequence_length), pad_value, "int32")
    padding_mask = np.zeros((len(rows), sequence_length), "bool")
    for i, row in enumerate(rows):
        row = [*start, *row[:room], *end]
        token_ids[i, : len(row)] = row
        padding_mask[i, : len(row)] = True
    return token_ids, padding_mask
