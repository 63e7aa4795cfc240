"""The base class of every tokenizer."""

from keras_nlp.layers.packing import pack
from keras_nlp.tokenizers.text import as_id_rows, as_strings, check_ids
from keras_zoo import presets, tfdata
from keras_zoo.config import Configured
from keras_zoo.errors import PresetError

LARGEST = {"sequence_length": 2**24}  # tokens in a row that a preset's file may ask for


class Tokenizer(Configured):
    """Strings to token ids and back.

    The same object works eagerly and inside tf.data, with one engine, so there is one tokenization. A subclass gives
    `encode(strings) -> list of int lists`, `decode(rows, skip_special_tokens) -> list of str`, `vocabulary_size()`,
    `token_to_id`, `id_to_token`, and `save_assets(folder)` / `load_assets(folder)` for its vocabulary files.

    Attributes: `special_tokens`, `{name: token}`, where a name such as `"end_token"` also gives `end_token` and
    `end_token_id`; `sequence_length`, to which rows are cut or padded with `pad_token_id`, None for rows as they are.
    """

    _config_root = True
    largest = LARGEST  # see `keras_zoo.Preprocessor`
    asset_arguments = ()  # constructor arguments that live in asset files rather than in a preset's configuration

    def __init__(self, special_tokens, sequence_length=None):
        self.sequence_length = sequence_length
        self.special_tokens = special_tokens
        self.pad_token_id = 0
        self.check_tokens(special_tokens.values())
        for name, token in special_tokens.items():
            setattr(self, name, token)
            setattr(self, f"{name}_id", self.token_to_id(token))

    def check_tokens(self, tokens):
        """Raises `PresetError` where the vocabulary lacks a token that must be found in a text whole."""
        lacking = sorted({token for token in tokens if self.token_to_id(token) is None})
        if lacking:
            raise PresetError(f"The vocabulary of {type(self).__name__} lacks the special tokens {lacking}.")

    @property
    def special_token_ids(self):
        return sorted({self.token_to_id(token) for token in self.special_tokens.values()})

    def tokenize(self, inputs):
        """One string -> a list of ids; a list or array of strings -> a list of such lists.

        With `sequence_length` set: int32 arrays `(T,)` or `(B, T)`. Inside tf.data: an int32 tensor or `RaggedTensor`.
        """
        if tfdata.is_graph_tensor(inputs):
            if self.sequence_length is None:
                return tfdata.call_ragged_in_graph(lambda batch: self.encode(as_strings(batch)[0]), inputs)
            return tfdata.call_in_graph(self.tokenize, inputs)
        strings, single = as_strings(inputs)
        rows = self.encode(strings)
        if self.sequence_length is not None:
            rows, _ = pack(rows, self.sequence_length, self.pad_token_id)
        return rows[0] if single else rows

    def __call__(self, inputs):
        return self.tokenize(inputs)

    def detokenize(self, inputs, skip_special_tokens=False):
        """Ids of one text -> a str; a batch (lists, arrays, ragged tensor) -> a list of str."""
        rows, single = as_id_rows(inputs)
        check_ids(rows, self.vocabulary_size())
        texts = self.decode(rows, skip_special_tokens)
        return texts[0] if single else texts

    @classmethod
    def from_preset(cls, preset, offline=False, **overrides):
        """The tokenizer of a preset: a name, a folder or a `hf://` address; `overrides` replace its arguments.

        No weights are fetched; with `offline=True` nothing is, and what is in the cache is taken.
        """
        return presets.load_tokenizer(cls, preset, overrides, offline)

    def save_to_preset(self, folder, format="keras_zoo"):
        """Writes the tokenizer's configuration and vocabulary into `folder`; the rest of a preset there stays.

        `format` is `"keras_zoo"` or `"keras_hub"`.
        """
        presets.save(folder, tokenizer=self, format=format)
