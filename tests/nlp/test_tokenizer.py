"""Byte-pair encoding with the original GPT-2 vocabulary, eagerly and in tf.data."""

import pickle

import numpy as np
import pytest
import transformers
from awkward import awkward_strings
from plain_bpe import PlainBytePair

from keras_nlp.models import GPT2Tokenizer
from keras_zoo import PresetError, registry


@pytest.fixture(scope="module")
def reference(gpt2_tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    gpt2_tokenizer.write_assets(folder, "vocab.json")
    return transformers.GPT2Tokenizer.from_pretrained(folder)


def test_ids_equal_the_reference_on_awkward_strings(gpt2_tokenizer, reference):
    texts = awkward_strings()
    assert gpt2_tokenizer.tokenize(texts) == reference(texts)["input_ids"]


@pytest.mark.once
def test_ids_equal_the_definition_on_awkward_strings(gpt2_tokenizer):
    """transformers runs on the same engine; this witness does not."""
    plain = PlainBytePair(gpt2_tokenizer.vocabulary, gpt2_tokenizer.merges)
    for text in awkward_strings():
        assert gpt2_tokenizer(text) == plain(text), repr(text)


def test_known_ids(gpt2_tokenizer):
    """Values published with GPT-2 itself, so that the reference above is not the only witness."""
    assert gpt2_tokenizer("Hello world") == [15496, 995]
    assert gpt2_tokenizer("<|endoftext|>") == [50256] == [gpt2_tokenizer.end_token_id]
    assert gpt2_tokenizer.vocabulary_size() == 50257
    assert gpt2_tokenizer.id_to_token(50256) == "<|endoftext|>" and gpt2_tokenizer.token_to_id("!") == 0


def test_round_trip_is_exact(gpt2_tokenizer, tokenizer):
    texts = awkward_strings()
    for each in (gpt2_tokenizer, tokenizer):
        assert each.detokenize(each.tokenize(texts)) == texts


def test_tf_data_gives_the_same(gpt2_tokenizer):
    tf = pytest.importorskip("tensorflow")
    texts = awkward_strings(200)
    eager = gpt2_tokenizer.tokenize(texts)
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    batched = [row for batch in dataset.batch(64).map(gpt2_tokenizer) for row in batch.to_list()]
    single = [row.numpy().tolist() for row in dataset.map(gpt2_tokenizer)]
    assert batched == single == eager
    assert gpt2_tokenizer.detokenize(tf.ragged.constant(eager[:5])) == texts[:5]


def test_sequence_length(gpt2_tokenizer, tmp_path):
    tf = pytest.importorskip("tensorflow")
    tokenizer = GPT2Tokenizer(gpt2_tokenizer.vocabulary, gpt2_tokenizer.merges, sequence_length=4)
    expected = np.array([[15496, 995, 0, 0], [64, 275, 269, 288]], "int32")
    texts = ["Hello world", "a b c d e f"]
    np.testing.assert_array_equal(tokenizer(texts), expected)
    np.testing.assert_array_equal(tokenizer(texts[0]), expected[0])
    (batch,) = tf.data.Dataset.from_tensor_slices(texts).batch(2).map(tokenizer)
    np.testing.assert_array_equal(batch, expected)
    assert batch.shape == (2, 4)
    tokenizer.save_to_preset(tmp_path / "saved")
    again = GPT2Tokenizer.from_preset(tmp_path / "saved")
    np.testing.assert_array_equal(again(texts), expected)
    assert GPT2Tokenizer.from_preset(tmp_path / "saved", sequence_length=None)("Hello world") == [15496, 995]


def test_added_tokens(gpt2_tokenizer, reference, tmp_path):
    """Tokens that a fine-tuned model added are found whole, as transformers finds them, in both directions."""
    reference = type(reference).from_pretrained(save(reference, tmp_path / "plain"))
    reference.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    reference.add_tokens(["zzyzx"])
    ours = GPT2Tokenizer(**GPT2Tokenizer.load_assets(save(reference, tmp_path / "added")))
    text = "<|user|>hi zzyzx<|endoftext|>"
    assert ours(text) == reference(text)["input_ids"] and ours.detokenize(ours(text)) == text
    ours.save_to_preset(tmp_path / "ours")
    assert GPT2Tokenizer.from_preset(tmp_path / "ours")(text) == ours(text)
    with pytest.raises(ValueError, match="lacks the special tokens"):
        GPT2Tokenizer(gpt2_tokenizer.vocabulary, gpt2_tokenizer.merges, unsplittable_tokens=["<|user|>"])


def save(tokenizer, folder):
    tokenizer.save_pretrained(folder)
    return folder


def test_input_forms(gpt2_tokenizer):
    one, many = [15496, 995], [[15496, 995], [17250]]
    assert gpt2_tokenizer(b"Hello world") == gpt2_tokenizer(np.array("Hello world")) == one
    for inputs in (
        ["Hello world", b"Hi"],
        ("Hello world", "Hi"),
        np.array(["Hello world", "Hi"]),
        np.array([b"Hello world", b"Hi"], object),
    ):
        assert gpt2_tokenizer(inputs) == many
    assert gpt2_tokenizer([]) == [] == gpt2_tokenizer.detokenize([])
    assert gpt2_tokenizer.detokenize(np.array(one)) == gpt2_tokenizer.detokenize(one) == "Hello world"
    assert gpt2_tokenizer.detokenize([[50256, 17250]], skip_special_tokens=True) == ["Hi"]
    assert pickle.loads(pickle.dumps(gpt2_tokenizer))("Hello world") == one


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "Expected a string"),
        ([None], "at position 0"),
        (["fine", 7], "at position 1"),
        (b"\xff\xfe", "not UTF-8"),
        (["ok", b"\x80"], "position 1 are not UTF-8"),
        ("\ud800", "lone surrogate"),
        (np.array([["a"]]), "1-D batch"),
    ],
)
def test_bad_input(gpt2_tokenizer, inputs, message):
    with pytest.raises(ValueError, match=message):
        gpt2_tokenizer(inputs)


def test_bad_ids(gpt2_tokenizer):
    with pytest.raises(ValueError, match=r"must lie in \[0, 50257\)"):
        gpt2_tokenizer.detokenize([1, 50257])


def test_bad_vocabularies(tmp_path):
    with pytest.raises(ValueError, match="lacks the special tokens"):
        GPT2Tokenizer({"a": 0}, [])
    with pytest.raises(PresetError, match="its own id"):
        GPT2Tokenizer({"a": 0, "<|endoftext|>": 5}, [])
    with pytest.raises(PresetError, match="two tokens"):
        GPT2Tokenizer({"a": 0, "<|endoftext|>": 1}, ["a b c"])
    with pytest.raises(PresetError, match="do not fit together"):
        GPT2Tokenizer({"a": 0, "<|endoftext|>": 1}, ["a b"])
    for text in ("{}", '{"model": {"merges": []}}', '{"model": {"vocab": {}, "merges": []}, "added_tokens": [{}]}'):
        (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(PresetError, match="does not describe a byte-pair tokenizer"):
            GPT2Tokenizer.load_assets(tmp_path)
    (tmp_path / "vocabulary.json").write_text("{")
    with pytest.raises(PresetError, match="cannot be read"):
        GPT2Tokenizer(tmp_path / "vocabulary.json", [])


def test_vocabulary_of_published_presets_is_embedded():
    tokenizer = GPT2Tokenizer.from_preset("gpt2_medium_en")
    assert tokenizer.vocabulary_size() == registry.records()["gpt2_medium_en"]["config"]["vocabulary_size"]
