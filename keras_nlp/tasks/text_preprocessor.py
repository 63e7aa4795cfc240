"""Texts and pairs of texts to what an encoder reads."""

import warnings

import keras

from keras_nlp.layers import MultiSegmentPacker
from keras_nlp.tokenizers import Tokenizer
from keras_nlp.tokenizers.text import as_strings
from keras_nlp.tokenizers.tokenizer import LARGEST
from keras_zoo import Preprocessor, tfdata

COLUMNS = ("text", "text_pair")


class TextPreprocessor(Preprocessor):
    """Strings -> `{"token_ids", "padding_mask", "segment_ids"}`, each `(B, sequence_length)`.

    `token_ids` and `segment_ids` are int32, `padding_mask` is bool. Taken are

    - a string or a batch of strings;
    - texts of several segments: a tuple of batches, `(firsts, seconds)`, or a list of pairs, `[(first, second), …]`;
    - a dictionary with `"text"` and perhaps `"text_pair"`.

    One string or one pair gives rows without the batch axis. A text that is too long is cut, with a warning once.

    Args:
        tokenizer: a `keras_nlp.tokenizers.Tokenizer`.
        sequence_length: the length everything is cut and padded to.
        truncate: how the segments of a text share the room: `"round_robin"` or `"waterfall"`; see
            `keras_nlp.layers.MultiSegmentPacker`.
    """

    tokenizer_class = Tokenizer
    largest = LARGEST
    most_segments = 2  # as many as the network has embeddings for

    def __init__(self, tokenizer, sequence_length=512, truncate="round_robin"):
        if not isinstance(tokenizer, self.tokenizer_class):
            raise ValueError(f"tokenizer must be a {self.tokenizer_class.__name__}; got {type(tokenizer).__name__}.")
        if sequence_length < 4:
            raise ValueError(f"sequence_length must be at least 4, for special tokens and text; got {sequence_length}.")
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.truncate = truncate
        self.packer = MultiSegmentPacker(
            sequence_length,
            tokenizer.start_token_id,
            tokenizer.end_token_id,
            pad_value=tokenizer.pad_token_id,
            truncate=truncate,
        )

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        segments, single = as_segments(x)
        features = self.pack(self.encode(segments), sequence_length)
        features = keras.tree.map_structure(lambda a: a[0], features) if single else features
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)

    def encode(self, segments):
        """Segments, each a list of strings, as token rows."""
        if len(segments) > self.most_segments:
            raise ValueError(f"A text has at most {self.most_segments} segments; got {len(segments)}.")
        return [self.tokenizer.encode(strings) for strings in segments]

    def pack(self, rows, sequence_length=None):
        """Token rows, a list of them for each segment, as the arrays that the network reads."""
        length = sequence_length or self.sequence_length
        if any(n > length for n in self.lengths(rows)):
            warnings.warn(  # the same words for every text, so that Python says it once
                "A text has more tokens than sequence_length and was cut. Further ones are cut without a word.",
                stacklevel=2,
            )
        token_ids, segment_ids, mask = self.packer.pack_with_mask(rows, sequence_length=length)
        return {"token_ids": token_ids, "padding_mask": mask, "segment_ids": segment_ids}

    def lengths(self, rows):
        """How many tokens each text has, special tokens included, before anything is cut."""
        return [sum(map(len, texts)) + 1 + len(texts) for texts in zip(*rows, strict=True)]


def as_segments(x):
    """`(segments, single)`: one list of strings for each segment; see `TextPreprocessor`."""
    if isinstance(x, dict):
        if "text" not in x or set(x) - set(COLUMNS):
            raise ValueError(f"A dictionary of texts has the keys {COLUMNS}, the second is optional; got {list(x)}.")
        x = tuple(x[name] for name in COLUMNS if name in x)
    elif isinstance(x, list) and x and all(isinstance(row, list | tuple) for row in x):
        widths = {len(row) for row in x}
        if len(widths) > 1 or 0 in widths:
            raise ValueError(f"All rows of a batch have the same number of texts; got rows of {sorted(widths)}.")
        x = tuple(map(list, zip(*x, strict=True)))
    elif getattr(tfdata.to_numpy(x), "ndim", 0) == 2:
        x = tuple(tfdata.to_numpy(x).T)
    parts = [as_strings(part) for part in (x if isinstance(x, tuple) else (x,))]
    segments, single = [strings for strings, _ in parts], {single for _, single in parts}
    if len(single) != 1 or len(set(map(len, segments))) != 1:
        raise ValueError(
            "The segments of a text are strings, or batches of strings of the same size; got "
            f"{', '.join(f'{len(strings)} texts' for strings in segments) or 'an empty tuple'}."
        )
    return segments, single.pop()
