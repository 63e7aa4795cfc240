"""WordPiece with the original vocabulary of bert-base-uncased, eagerly and in tf.data."""

import pickle
import unicodedata

import numpy as np
import pytest
import transformers
from awkward import awkward_strings
from plain_word_piece import PlainWordPiece

from keras_nlp.models import BertTokenizer, Tokenizer
from keras_nlp.tokenizers import WordPieceTokenizer
from keras_zoo import PresetError, registry

VOCABULARY = registry.presets_folder() / "nlp/bert/vocabulary.txt"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MORE = ["[MASK] and [SEP]", "[mask]", "un##able ##able", "x" * 100, "y" * 101, "Ångström ǅ ß İ ﬁ", "a\u0301\u0327b"]


def texts():
    return [*awkward_strings(), *MORE]


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def pair(request):
    """`(ours, transformers')` with the same settings."""
    ours = BertTokenizer(VOCABULARY, lowercase=request.param)
    vocabulary = {token: i for i, token in enumerate(ours.vocabulary)}
    return ours, transformers.BertTokenizer(vocabulary, do_lower_case=request.param)


def test_ids_equal_the_reference_on_awkward_strings(pair):
    ours, theirs = pair
    assert ours.tokenize(texts()) == theirs(texts(), add_special_tokens=False)["input_ids"]


@pytest.mark.once
def test_ids_equal_the_definition_on_awkward_strings(pair):
    """transformers runs on the same engine; this witness does not. They know unassigned code points of other years."""
    ours, _ = pair
    plain = PlainWordPiece(ours.vocabulary, ours.lowercase, SPECIAL)
    assigned = [text for text in texts() if not any(unicodedata.category(c) == "Cn" for c in text)]
    assert len(assigned) > 800
    for text in assigned:
        assert ours(text) == plain(text), repr(text)


def test_known_ids():
    """Published with BERT itself."""
    tokenizer = Tokenizer.from_preset("bert_base_en_uncased")
    assert tokenizer("Hello, world!") == [7592, 1010, 2088, 999]
    assert tokenizer("unaffable") == [14477, 20961, 3468]
    assert [tokenizer.start_token_id, tokenizer.end_token_id, tokenizer.pad_token_id] == [101, 102, 0]
    assert (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.vocabulary_size()) == (103, 100, 30522)


def test_tf_data_gives_the_same(pair):
    tf = pytest.importorskip("tensorflow")
    ours, theirs = pair
    expected = theirs(texts(), add_special_tokens=False)["input_ids"]
    dataset = tf.data.Dataset.from_tensor_slices(texts())
    assert [row for batch in dataset.batch(128).map(ours) for row in batch.to_list()] == expected
    assert [row.numpy().tolist() for row in dataset.take(50).map(ours)] == expected[:50]
    short = BertTokenizer(VOCABULARY, lowercase=ours.lowercase, sequence_length=6)
    (batch,) = dataset.take(40).batch(40).map(short)
    np.testing.assert_array_equal(batch, short(texts()[:40]))
    assert batch.shape == (40, 6)


def test_detokenize(pair):
    ours, _ = pair
    rows = [[101, 7592, 1010, 2088, 999, 102], [14477, 20961, 3468], []]
    assert ours.detokenize(rows, skip_special_tokens=True) == ["hello, world!", "unaffable", ""]
    assert ours.detokenize(rows[0]) == "[CLS] hello, world! [SEP]"


def test_saved_and_pickled(pair, tmp_path):
    ours, _ = pair
    ours.save_to_preset(tmp_path)
    for again in (Tokenizer.from_preset(tmp_path), pickle.loads(pickle.dumps(ours))):
        assert type(again) is BertTokenizer and again.lowercase == ours.lowercase
        assert again.tokenize(MORE) == ours.tokenize(MORE)


def test_special_tokens_in_strings():
    plain = BertTokenizer(VOCABULARY, lowercase=True, special_tokens_in_strings=False)
    assert plain("[SEP]") == [plain.token_to_id(t) for t in ("[", "sep", "]")]


def test_words_keep_their_numbers():
    tokenizer = BertTokenizer(VOCABULARY, lowercase=True)
    ids, words = tokenizer.encode_words([["Unaffable", "people,", "hello"]])[0]
    assert ids == [14477, 20961, 3468, 2111, 1010, 7592] and words == [0, 0, 0, 1, 1, 2]


def test_a_vocabulary_of_ones_own():
    tokenizer = WordPieceTokenizer(["[UNK]", "the", "qu", "##ick", "the quick"], sequence_length=4)
    np.testing.assert_array_equal(tokenizer("the quick"), [1, 2, 3, 0])
    assert WordPieceTokenizer(tokenizer.vocabulary, split=False).tokenize(["the quick", "quick"]) == [[4], [2, 3]]
    assert tokenizer.id_to_token(3) == "##ick" and tokenizer.token_to_id("nothing") is None


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["[UNK]", "[CLS]", "a"], r"lacks the special tokens \['\[MASK\]', '\[PAD\]', '\[SEP\]'\]"),
        ({"[UNK]": 0, "a": 2}, "'a' has the id 2; expected 1"),
        ({"[UNK]": 0, "a": "one"}, "whole number"),
        ([], "empty"),
        (["[UNK]", 3], r"strings; got \[3\]"),
        ("no/such/file.txt", "cannot be read"),
    ],
)
def test_bad_vocabularies(vocabulary, message):
    with pytest.raises(PresetError, match=message):
        BertTokenizer(vocabulary)


def test_bad_text():
    tokenizer = BertTokenizer(VOCABULARY)
    with pytest.raises(ValueError, match="Expected text at position 1; got 3"):
        tokenizer(["good", 3])
    with pytest.raises(ValueError, match="None"):
        tokenizer([None])
