"""Several texts a row: start token, texts with separators between, end token, padding."""

import numpy as np

from keras_nlp.layers.token_layer import TokenLayer, as_values, filled
from keras_zoo.config import serializable

TRUNCATE = ("round_robin", "waterfall")


@serializable
class MultiSegmentPacker(TokenLayer):
    """Token rows of one or more texts -> `(tokens, segment_ids)`, arrays `(B, sequence_length)` (Devlin et al., 2019).

    `start, first text, separator, second text, …, end, padding`. `segment_ids`, int32, is the number of the text that
    a token belongs to; a separator belongs to the text before it, padding is 0.

    Args:
        sequence_length: the length of every row.
        start_value, end_value: an id or token, a list of them, or None for none.
        sep_value: stands after each text but the last; None for `end_value`.
        pad_value: fills what is left; None for 0 or `""`.
        truncate: how texts share the room where they are too long together. `"round_robin"`: one token each in turn;
            `"waterfall"`: the first takes what it needs, then the second, and so on.
        padding_side: `"right"` or `"left"`.

    `layer((first, second), sequence_length=None, add_start_value=True, add_end_value=True)`; single rows give `(T,)`.
    """

    def __init__(
        self,
        sequence_length,
        start_value=None,
        end_value=None,
        sep_value=None,
        pad_value=None,
        truncate="round_robin",
        padding_side="right",
    ):
        if truncate not in TRUNCATE:
            raise ValueError(f"truncate must be one of {TRUNCATE}; got {truncate!r}.")
        if padding_side not in ("right", "left"):
            raise ValueError(f"padding_side must be 'right' or 'left'; got {padding_side!r}.")
        self.sequence_length = sequence_length
        self.start_value = start_value
        self.end_value = end_value
        self.sep_value = sep_value
        self.pad_value = pad_value
        self.truncate = truncate
        self.padding_side = padding_side

    def pack(self, segments, **kwargs):
        return self.pack_with_mask(segments, **kwargs)[:2]

    def pack_with_mask(self, segments, sequence_length=None, add_start_value=True, add_end_value=True):
        """`(tokens, segment_ids, padding_mask)`; the mask is bool, True where a token is real."""
        length = sequence_length or self.sequence_length
        start = as_values(self.start_value, "start_value") if add_start_value else []
        last = as_values(self.end_value, "end_value")
        separator = last if self.sep_value is None else as_values(self.sep_value, "sep_value")
        end = last if add_end_value else []
        room = length - len(start) - len(separator) * (len(segments) - 1) - len(end)
        if room < 0:
            raise ValueError(f"sequence_length={length} has no room for {length - room} special tokens.")
        rows, numbers = [], []
        for texts in zip(*segments, strict=True):
            row, number = list(start), [0] * len(start)
            for i, kept in enumerate(self.lengths([len(text) for text in texts], room)):
                row += [*texts[i][:kept], *(separator if i < len(texts) - 1 else end)]
                number += [i] * (len(row) - len(number))
            rows.append(row)
            numbers.append(number)
        tokens = filled((len(rows), length), self.pad_value, rows)
        segment_ids, mask = np.zeros((len(rows), length), "int32"), np.zeros((len(rows), length), "bool")
        for i, row in enumerate(rows):
            place = slice(length - len(row), None) if self.padding_side == "left" else slice(len(row))
            tokens[i, place], segment_ids[i, place], mask[i, place] = row, numbers[i], True
        return tokens, segment_ids, mask

    def lengths(self, wanted, room):
        """How many tokens each text keeps."""
        if sum(wanted) <= room:
            return wanted
        kept = []
        if self.truncate == "waterfall":
            for n in wanted:
                kept.append(min(n, room - sum(kept)))
            return kept
        # The shortest texts keep all they have as long as that is an even share; the first ones take what is left over.
        kept, order = [0] * len(wanted), sorted(range(len(wanted)), key=lambda i: wanted[i])
        for position, i in enumerate(order):
            share = (room - sum(kept)) // (len(wanted) - position)
            if wanted[i] > share:
                break
            kept[i] = wanted[i]
        else:
            return kept
        open_texts = sorted(order[position:])
        share, extra = divmod(room - sum(kept), len(open_texts))
        for rank, i in enumerate(open_texts):
            kept[i] = share + (rank < extra)
        return kept
