"""WordPiece (Wu et al., 2016; Devlin et al., 2019) on the Rust `tokenizers` library."""

from pathlib import Path

import tokenizers as rust

from keras_nlp.tokenizers.tokenizer import Tokenizer
from keras_nlp.tokenizers.tokenizer_json import read_word_piece
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, read_optional, read_text

VOCABULARY_FILES = ("vocabulary.txt", "vocab.txt")  # KerasHub's name, transformers' name


class WordPieceTokenizer(Tokenizer):
    """Words, then the longest pieces of the vocabulary that make them up, as BERT's own tokenizer does.

    Control characters are dropped and words split at white space and punctuation. A word that the pieces cannot make,
    or one of more than 100 characters, is `oov_token`.

    Args:
        vocabulary: the tokens in the order of their ids, or the path of a text file with one on each line.
        sequence_length: cut and pad every row to this length; None leaves rows as they are.
        lowercase: lower-case the text first.
        strip_accents: remove accents first; None for what `lowercase` says, as in the original BERT.
        split: False takes each string as one word.
        split_on_cjk: take each Chinese character as a word.
        suffix_indicator: what a piece begins with that goes on with a word.
        oov_token: stands for what the vocabulary cannot express.
        special_tokens: `{name: token}`; see `Tokenizer`.
        special_tokens_in_strings: find special tokens in a text whole, as transformers does. With False `"[SEP]"` in
            a text is three words.
        unsplittable_tokens: more tokens that are found in a text whole, such as those added to a fine-tuned model: a
            list, found as they are written, or `{token: normalized}`, where True looks for the token in the text after
            lower-casing and the like, its own letters treated so too. They must be in the vocabulary.
    """

    asset_arguments = ("vocabulary",)

    def __init__(
        self,
        vocabulary,
        sequence_length=None,
        lowercase=False,
        strip_accents=None,
        split=True,
        split_on_cjk=True,
        suffix_indicator="##",
        oov_token="[UNK]",
        special_tokens=None,
        special_tokens_in_strings=True,
        unsplittable_tokens=None,
    ):
        self.vocabulary = read_vocabulary(vocabulary)
        self.ids = {token: i for i, token in enumerate(self.vocabulary)}
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.split = split
        self.split_on_cjk = split_on_cjk
        self.suffix_indicator = suffix_indicator
        self.oov_token = oov_token
        self.special_tokens_in_strings = special_tokens_in_strings
        super().__init__(special_tokens or {}, sequence_length)
        if not isinstance(unsplittable_tokens, dict):
            unsplittable_tokens = dict.fromkeys(unsplittable_tokens or (), False)
        special = set(self.special_tokens.values())
        self.unsplittable_tokens = {t: bool(n) for t, n in unsplittable_tokens.items() if t not in special}
        self.check_tokens([oov_token, *self.unsplittable_tokens])
        self.engine = self.build_engine()

    def build_engine(self):
        engine = rust.Tokenizer(
            rust.models.WordPiece(self.ids, unk_token=self.oov_token, continuing_subword_prefix=self.suffix_indicator)
        )
        engine.normalizer = rust.normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.split_on_cjk,
            strip_accents=self.strip_accents,
            lowercase=self.lowercase,
        )
        if self.split:
            engine.pre_tokenizer = rust.pre_tokenizers.BertPreTokenizer()
        engine.decoder = rust.decoders.WordPiece(prefix=self.suffix_indicator)
        if self.special_tokens_in_strings:
            engine.add_special_tokens([rust.AddedToken(t, normalized=False) for t in self.special_tokens.values()])
        engine.add_tokens([rust.AddedToken(t, normalized=n) for t, n in self.unsplittable_tokens.items()])
        return engine

    def encode(self, strings):
        return [e.ids for e in self.engine.encode_batch_fast(strings, add_special_tokens=False)]

    def encode_words(self, texts):
        """Lists of words -> for each text its ids, and for each of these the number of the word it belongs to."""
        encodings = self.engine.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
        return [(encoding.ids, encoding.word_ids) for encoding in encodings]

    def decode(self, rows, skip_special_tokens):
        special = set(self.special_token_ids) if skip_special_tokens else ()
        tokens = [[self.vocabulary[i] for i in row if i not in special] for row in rows]
        return [self.engine.decoder.decode(row) for row in tokens]

    def vocabulary_size(self):
        return len(self.vocabulary)

    def get_vocabulary(self):
        return self.vocabulary

    def token_to_id(self, token):
        return self.ids.get(token)

    def id_to_token(self, id):
        return self.vocabulary[id]

    def save_assets(self, folder):
        """Writes `vocabulary.txt`."""
        self.write_assets(Path(folder), VOCABULARY_FILES[0])

    def write_assets(self, folder, vocabulary_name):
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{token}\n" for token in self.vocabulary)
        (folder / vocabulary_name).write_text(text, encoding="utf-8", newline="\n")

    @classmethod
    def load_assets(cls, folder):
        """The asset arguments from a folder: a vocabulary file, or one `tokenizer.json`; and what was added there."""
        folder = Path(folder)
        vocabulary = next(filter(None, (file_in(folder, name) for name in VOCABULARY_FILES)), None)
        whole = file_in(folder, "tokenizer.json")
        if vocabulary is not None:
            added = read_optional(folder, "added_tokens.json")
            return assets(read_vocabulary(vocabulary), {token: (i, True) for token, i in added.items()})
        if whole is not None:
            return assets(*read_word_piece(whole))
        raise PresetError(
            f"{folder} holds no WordPiece tokenizer: expected vocabulary.txt, vocab.txt or tokenizer.json. Pass "
            "preprocessor=None to load the model alone."
        )


def read_vocabulary(vocabulary):
    """Tokens in the order of their ids, from a list, `{token: id}` or a file with one on each line."""
    if isinstance(vocabulary, dict):
        return extended([], vocabulary)
    if not isinstance(vocabulary, list | tuple):
        lines = read_text(vocabulary).split("\n")  # a token may be another line break
        vocabulary = [line.rstrip("\r") for line in (lines if lines[-1] else lines[:-1])]
    if wrong := [token for token in vocabulary if not isinstance(token, str)]:
        raise PresetError(f"A vocabulary holds strings; got {wrong[:3]}.")
    if not vocabulary:
        raise PresetError("The vocabulary is empty.")
    return list(vocabulary)


def extended(vocabulary, ids):
    """`vocabulary` with the tokens of `{token: id}` behind it; the ids must be those that follow."""
    vocabulary, known = list(vocabulary), set(vocabulary)
    new = [(i, token) for token, i in ids.items() if token not in known]
    if not all(isinstance(i, int) for i, _ in new):
        raise PresetError("A vocabulary must map each token to its id, a whole number.")
    for i, token in sorted(new):
        if i != len(vocabulary):
            raise PresetError(f"The token {token!r} has the id {i!r}; expected {len(vocabulary)}: ids leave no gap.")
        vocabulary.append(token)
    return vocabulary


def assets(vocabulary, added):
    """The asset arguments by a vocabulary and `{added token: (id, normalized)}`; those are found in a text whole."""
    vocabulary = extended(read_vocabulary(vocabulary), {token: i for token, (i, _) in added.items()})
    unsplittable = {token: normalized for token, (_, normalized) in added.items()}
    return {"vocabulary": vocabulary} | ({"unsplittable_tokens": unsplittable} if unsplittable else {})
