"""Text to what a causal language model trains on and continues."""

import keras
import numpy as np

from keras_nlp.layers.packing import pack
from keras_nlp.tokenizers import Tokenizer
from keras_nlp.tokenizers.text import as_strings
from keras_nlp.tokenizers.tokenizer import LARGEST
from keras_zoo import Preprocessor, tfdata


class CausalLMPreprocessor(Preprocessor):
    """Strings -> `({"token_ids", "padding_mask"}, y, sample_weight)`: each place's target is the next token.

    `token_ids` and `y` are int32 `(B, sequence_length)`, the masks bool; `sample_weight` is the padding mask of the
    targets. One string gives rows without the batch axis.

    Args:
        tokenizer: a `keras_nlp.tokenizers.Tokenizer`.
        sequence_length: the length everything is cut and padded to.
        add_start_token, add_end_token: surround each text with the tokenizer's start and end token. Prompts get the
            start token only.
    """

    tokenizer_class = Tokenizer
    largest = LARGEST

    def __init__(self, tokenizer, sequence_length=1024, add_start_token=True, add_end_token=True):
        if not isinstance(tokenizer, self.tokenizer_class):
            raise ValueError(f"tokenizer must be a {self.tokenizer_class.__name__}; got {type(tokenizer).__name__}.")
        if sequence_length < 1:
            raise ValueError(f"sequence_length must be at least 1; got {sequence_length}.")
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.add_start_token = add_start_token
        self.add_end_token = add_end_token

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        """As the class says; `y` and `sample_weight` must be None: the targets come from the text itself."""
        if y is not None or sample_weight is not None:
            raise ValueError("A causal language model takes its targets from the text: pass x alone.")
        strings, single = as_strings(x)
        length = (sequence_length or self.sequence_length) + 1  # one more, since the targets are shifted by one
        token_ids, mask = self.pack(strings, length, self.add_end_token)
        data = ({"token_ids": token_ids[:, :-1], "padding_mask": mask[:, :-1]}, token_ids[:, 1:], mask[:, 1:])
        data = keras.tree.map_structure(lambda a: a[0], data) if single else data
        return keras.utils.pack_x_y_sample_weight(*data)

    def pack(self, strings, length, add_end_token):
        return pack(
            self.tokenizer.encode(strings),
            length,
            self.tokenizer.pad_token_id,
            self.tokenizer.start_token_id if self.add_start_token else None,
            self.tokenizer.end_token_id if add_end_token else None,
        )

    def prompts(self, x):
        """`(rows, single)`: the token ids `generate` continues, unpadded."""
        strings, single = as_strings(x)
        start = [self.tokenizer.start_token_id] if self.add_start_token else []
        return [start + row for row in self.tokenizer.encode(strings)], single

    def generate_preprocess(self, x, sequence_length=None):
        """Prompts as `{"token_ids", "padding_mask"}`, padded to `sequence_length`; in tf.data too."""
        if tfdata.is_graph_tensor(x):
            return tfdata.call_in_graph(lambda x: self.generate_preprocess(x, sequence_length), x)
        strings, single = as_strings(x)
        token_ids, mask = self.pack(strings, sequence_length or self.sequence_length, add_end_token=False)
        data = {"token_ids": token_ids, "padding_mask": mask}
        return keras.tree.map_structure(lambda a: a[0], data) if single else data

    def score_preprocess(self, x):
        """`(token_ids, padding_mask)` `(B, T)`, T the longest text's length with its start and end tokens."""
        rows = self.tokenizer.encode(as_strings(x)[0])
        extra = self.add_start_token + self.add_end_token
        length = min(max(map(len, rows), default=0) + extra, self.sequence_length)
        return self.pack(as_strings(x)[0], length, self.add_end_token)

    def generate_postprocess(self, x):
        """A token dictionary back to text, without special tokens: a string for one row, a list for a batch."""
        token_ids, mask = (np.asarray(tfdata.to_numpy(x[name])) for name in ("token_ids", "padding_mask"))
        pairs = zip(np.atleast_2d(token_ids), np.atleast_2d(mask).astype(bool), strict=True)
        texts = self.tokenizer.decode([ids[keep].tolist() for ids, keep in pairs], skip_special_tokens=True)
        return texts[0] if token_ids.ndim == 1 else texts
