"""Byte-level byte-pair encoding (Sennrich et al., 2016; Radford et al., 2019) on the Rust `tokenizers` library."""

import json
from pathlib import Path

import tokenizers as rust

from keras_nlp.tokenizers.tokenizer import Tokenizer
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, read_json, read_optional, read_text

VOCABULARY_FILES = ("vocabulary.json", "vocab.json")  # KerasHub's name, transformers' name


class BytePairTokenizer(Tokenizer):
    """Byte-level BPE, exact on every Unicode string: `detokenize(tokenize(s)) == s`.

    Args:
        vocabulary: `{token: id}`, or the path of a JSON file that holds it. Ids are `0 … size - 1`.
        merges: a list of `"left right"`, most frequent first, or the path of a `merges.txt`.
        sequence_length: cut and pad every row to this length; None leaves rows as they are.
        add_prefix_space: put a space before the text, so that its first word reads like any other.
        unsplittable_tokens: tokens that are found in the text whole, beside the special ones.
    """

    asset_arguments = ("vocabulary", "merges")

    def __init__(
        self,
        vocabulary,
        merges,
        sequence_length=None,
        add_prefix_space=False,
        unsplittable_tokens=None,
        special_tokens=None,
    ):
        self.vocabulary = read_vocabulary(vocabulary)
        self.merges = read_merges(merges)
        self.add_prefix_space = add_prefix_space
        special_tokens = special_tokens or {}
        self.unsplittable_tokens = list(dict.fromkeys([*special_tokens.values(), *(unsplittable_tokens or ())]))
        self.engine = self.build_engine(set(special_tokens.values()))
        super().__init__(special_tokens, sequence_length)

    def build_engine(self, special):
        try:
            model = rust.models.BPE(self.vocabulary, [tuple(m.split(" ")) for m in self.merges])
        except Exception as error:  # the Rust library raises a bare Exception
            raise PresetError(f"The vocabulary and the merges do not fit together: {error}") from None
        engine = rust.Tokenizer(model)
        engine.pre_tokenizer = rust.pre_tokenizers.ByteLevel(add_prefix_space=self.add_prefix_space)
        engine.decoder = rust.decoders.ByteLevel()
        self.check_tokens(self.unsplittable_tokens)
        added = [rust.AddedToken(t, special=t in special, normalized=False) for t in self.unsplittable_tokens]
        engine.add_special_tokens([token for token in added if token.special])  # each call looks through all again
        engine.add_tokens([token for token in added if not token.special])
        return engine

    def encode(self, strings):
        return [e.ids for e in self.engine.encode_batch_fast(strings, add_special_tokens=False)]

    def decode(self, rows, skip_special_tokens):
        return self.engine.decode_batch(rows, skip_special_tokens=skip_special_tokens)

    def vocabulary_size(self):
        return len(self.vocabulary)

    def get_vocabulary(self):
        return self.vocabulary

    def token_to_id(self, token):
        return self.vocabulary.get(token)

    def id_to_token(self, id):
        return self.engine.id_to_token(id)

    def save_assets(self, folder):
        """Writes `vocabulary.json` and `merges.txt`."""
        self.write_assets(Path(folder), VOCABULARY_FILES[0])

    def write_assets(self, folder, vocabulary_name):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / vocabulary_name).write_text(json.dumps(self.vocabulary, ensure_ascii=False), encoding="utf-8")
        text = "".join(f"{m}\n" for m in ["#version: 0.2", *self.merges])
        (folder / "merges.txt").write_text(text, encoding="utf-8", newline="\n")

    @classmethod
    def load_assets(cls, folder):
        """The asset arguments from a folder: vocabulary and merges, or one `tokenizer.json`."""
        folder = Path(folder)
        vocabulary = next(filter(None, (file_in(folder, name) for name in VOCABULARY_FILES)), None)
        merges, whole = file_in(folder, "merges.txt"), file_in(folder, "tokenizer.json")
        if vocabulary is not None and merges is not None:
            return assets(read_json(vocabulary), read_merges(merges), read_optional(folder, "added_tokens.json"))
        if whole is not None:
            return read_tokenizer_json(whole)
        raise PresetError(
            f"{folder} holds no byte-pair tokenizer: expected vocabulary.json (or vocab.json) with merges.txt, or "
            "tokenizer.json. Pass preprocessor=None to load the model alone."
        )


def read_vocabulary(vocabulary):
    if not isinstance(vocabulary, dict):
        vocabulary = read_json(vocabulary)
    if sorted(map(str, vocabulary.values())) != sorted(map(str, range(len(vocabulary)))):
        raise PresetError("A vocabulary must map each token to its own id, from 0 to its size - 1.")
    return vocabulary


def read_merges(merges):
    if not isinstance(merges, list | tuple):
        merges = read_text(merges).split("\n")
        merges = [m.rstrip("\r") for m in merges if m.strip() and not m.startswith("#version")]
    merges = [m if isinstance(m, str) else " ".join(m) for m in merges]
    wrong = [m for m in merges if m.count(" ") != 1]
    if wrong:
        raise PresetError(f"Each merge must be two tokens with one space between; got {wrong[:3]}.")
    return list(merges)


def read_tokenizer_json(path):
    """Vocabulary and merges out of the file format of the `tokenizers` library."""
    data = read_json(path)
    try:
        added = {token["content"]: token["id"] for token in data.get("added_tokens", ())}
        model = data["model"]
        if not isinstance(model["merges"], list):
            raise TypeError("merges are no list")
        return assets(model["vocab"], model["merges"], added)
    except (KeyError, TypeError, AttributeError) as error:
        raise PresetError(f"{path} does not describe a byte-pair tokenizer: {error!r:.200}") from None


def assets(vocabulary, merges, added):
    """The asset arguments; `added` tokens, as a fine-tuned model has them, are found in a text whole."""
    found = {"vocabulary": read_vocabulary(vocabulary | added), "merges": read_merges(merges)}
    return found | ({"unsplittable_tokens": list(added)} if added else {})


def merges_of(engine):
    """The merges of a byte-pair tokenizer of the Rust library, as `"left right"`."""
    merges = json.loads(engine.to_str())["model"]["merges"]
    return [m if isinstance(m, str) else " ".join(m) for m in merges]
