"""Masked language models, embedders and token classifiers on raw texts."""

import keras
import numpy as np
import pytest

from keras_nlp.models import (
    BertBackbone,
    BertMaskedLM,
    BertMaskedLMPreprocessor,
    BertTextEmbedder,
    BertTextEmbedderPreprocessor,
    BertTokenClassifier,
    BertTokenClassifierPreprocessor,
    BertTokenizer,
    MaskedLM,
    TextEmbedder,
    TokenClassifier,
)
from keras_nlp.models.bert import FAMILY
from keras_nlp.testing import tiny_word_piece

TEXTS = ["the king and the queen went to the sea", "an old man", "", "of the moon and of the stars", "he sang"] * 3
LENGTH = 20


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_word_piece(BertTokenizer)


def backbone(**arguments):
    keras.utils.set_random_seed(0)
    backbone = BertBackbone(**FAMILY.tiny | {"dropout": 0.0} | arguments)
    for weight in backbone.weights:
        weight.assign(weight * 8 if weight.name == "kernel" else weight)
    return backbone


@pytest.fixture(scope="module")
def masked_lm(tokenizer):
    return BertMaskedLM(backbone(), BertMaskedLMPreprocessor(tokenizer, LENGTH, mask_selection_length=6))


@pytest.fixture(scope="module")
def embedder(tokenizer):
    return BertTextEmbedder(backbone(), BertTextEmbedderPreprocessor(tokenizer, LENGTH))


@pytest.fixture(scope="module")
def tagger(tokenizer):
    names = ["O", "B-PER", "I-PER", "B-LOC"]
    return BertTokenClassifier(backbone(), None, BertTokenClassifierPreprocessor(tokenizer, LENGTH), class_names=names)


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_masked_lm_inputs(masked_lm, tokenizer):
    tf = pytest.importorskip("tensorflow")
    (from_tf_data,) = tf.data.Dataset.from_tensor_slices(TEXTS).batch(len(TEXTS)).map(masked_lm.preprocessor)
    for x, y, weights in (masked_lm.preprocessor(TEXTS), from_tf_data):
        x, y, weights = keras.tree.map_structure(np.asarray, (x, y, weights))
        assert x["token_ids"].shape == (len(TEXTS), LENGTH) and x["mask_positions"].shape == y.shape == (len(TEXTS), 6)
        restored = x["token_ids"].copy()
        for i in range(len(TEXTS)):
            places = x["mask_positions"][i][weights[i] == 1]
            restored[i, places] = y[i][weights[i] == 1]
        plain = [[tokenizer.cls_token_id, *tokenizer(text), tokenizer.sep_token_id] for text in TEXTS]
        for row, expected in zip(restored, plain, strict=True):
            assert row[: len(expected)].tolist() == expected[:LENGTH] and not row[len(expected) :].any()
    with pytest.raises(ValueError, match="takes its targets from the text"):
        masked_lm.preprocessor(TEXTS, np.zeros(len(TEXTS)))


def test_masked_lm_learns(tokenizer):
    model = BertMaskedLM(backbone(), BertMaskedLMPreprocessor(tokenizer, LENGTH, mask_selection_length=6))
    model.compile(keras.optimizers.Adam(3e-3))
    losses = model.fit(TEXTS, batch_size=5, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_candidates(masked_lm, tokenizer):
    """They are the best of the network's own logits at the mask, in every text, by their probability."""
    texts = ["the king and the [MASK] went to the [MASK]", "[MASK] old man", "he sang of the [MASK] and the stars"]
    found = masked_lm.predict(texts, top_k=3, verbose=0)
    assert [len(masks) for masks in found] == [2, 1, 1]
    for text, masks in zip(texts, found, strict=True):
        ids = [tokenizer.cls_token_id, *tokenizer(text), tokenizer.sep_token_id]
        places = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
        row = np.array([ids])
        x = {"token_ids": row, "padding_mask": np.ones_like(row), "segment_ids": np.zeros_like(row)}
        logits = as_numpy(masked_lm(x | {"mask_positions": np.array([places])}))[0]
        logits = logits[:, : tokenizer.vocabulary_size()]
        for best, candidates in zip(logits, masks, strict=True):
            assert [c["token_id"] for c in candidates] == np.argsort(-best)[:3].tolist()
            expected = np.exp(best - best.max()) / np.exp(best - best.max()).sum()
            np.testing.assert_allclose([c["probability"] for c in candidates], np.sort(expected)[::-1][:3], atol=1e-5)
            assert [c["token"] for c in candidates] == [tokenizer.id_to_token(c["token_id"]) for c in candidates]
    first = found[1][0][0]
    assert first["text"] == tokenizer.detokenize([first["token_id"], *tokenizer("old man")])
    with pytest.raises(ValueError, match=r"must hold '\[MASK\]' .* those at \[1\]"):
        masked_lm.predict(["a [MASK]", "nothing"], verbose=0)
    with pytest.raises(ValueError, match="top_k must lie in"):
        masked_lm.predict(texts, top_k=0, verbose=0)
    with pytest.raises(ValueError, match=r"at \[1\] are cut to 20 tokens .* lose '\[MASK\]'"):
        masked_lm.predict(["a [MASK]", "[MASK] " + "the sea " * 30 + "[MASK]"], verbose=0)
    assert len(masked_lm.predict(["[MASK] " + "the sea " * 30], verbose=0)[0]) == 1
    assert masked_lm.predict([], verbose=0) == []
    with pytest.raises(TypeError, match="takes batch_size, verbose, top_k; got topk"):
        masked_lm.predict(texts, topk=3)


@pytest.mark.parametrize("pooling_mode", ["mean", "cls", "max"])
def test_embeddings(embedder, pooling_mode):
    """By hand from the encoder's outputs, each text alone; in the order given whatever the batch size."""
    model = BertTextEmbedder(embedder.backbone, embedder.preprocessor, pooling_mode, normalize=pooling_mode != "max")
    expected = []
    for text in TEXTS[:5]:
        x = {name: array[None] for name, array in model.preprocessor(text).items()}
        hidden = as_numpy(model.backbone(x)["sequence_output"])[0][x["padding_mask"][0]]
        vector = {"mean": hidden.mean(0), "cls": hidden[0], "max": hidden.max(0)}[pooling_mode]
        expected.append(vector if pooling_mode == "max" else vector / np.linalg.norm(vector))
    expected = np.stack(expected * 3)
    for batch_size in (None, 4):
        vectors = model.embed(TEXTS, batch_size=batch_size)
        assert vectors.dtype == "float32"
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(model.embed(TEXTS[0]), expected[0], atol=1e-5)
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), expected, atol=1e-5)
    assert model.embed([]).shape == (0, FAMILY.tiny["hidden_dim"])
    np.testing.assert_allclose(model.embed(tuple(TEXTS[:2])), expected[:2], atol=1e-5)  # two texts, no pair


def test_embedder_folders(embedder, tmp_path):
    """Its own layout and sentence-transformers' keep pooling, normalisation and length."""
    model = BertTextEmbedder(embedder.backbone, embedder.preprocessor, "cls", normalize=False)
    model.save_to_preset(tmp_path / "own")
    model.save_to_preset(tmp_path / "theirs", format="transformers")
    for folder in ("own", "theirs"):
        again = TextEmbedder.from_preset(tmp_path / folder)
        assert (again.pooling_mode, again.normalize, again.preprocessor.sequence_length) == ("cls", False, LENGTH)
        np.testing.assert_allclose(again.embed(TEXTS), model.embed(TEXTS), atol=1e-6)
    (tmp_path / "theirs/modules.json").write_text('[{"type": "a.Transformer"}, {"type": "a.Dense"}]')
    with pytest.raises(ValueError, match=r"lists \['Transformer', 'Dense'\]"):
        TextEmbedder.from_preset(tmp_path / "theirs")
    (tmp_path / "theirs/modules.json").write_text('[{"type": "a.Transformer"}, {"type": "a.Pooling", "path": "../.."}]')
    with pytest.raises(ValueError, match=r"names the folder '\.\./\.\.', without a config\.json"):
        TextEmbedder.from_preset(tmp_path / "theirs")


def test_bad_embedder_calls(embedder):
    with pytest.raises(ValueError, match=r"pooling_mode must be one of .*'sum'"):
        BertTextEmbedder(embedder.backbone, pooling_mode="sum")
    with pytest.raises(ValueError, match="needs a preprocessor"):
        BertTextEmbedder(embedder.backbone).embed(TEXTS)
    with pytest.raises(ValueError, match="Expected text at position 1; got 7"):
        embedder.embed(["a", 7])


WORDS = [["the", "unkind", "king", "sang"], ["old", "donkey"], []]
WORD_LABELS = [[0, 1, 2, 0], [3, -100], []]


def test_words_keep_their_labels(tagger, tokenizer):
    """The first token of a word has its label, from lists of words, from text, padded in an array, and in tf.data."""
    tf = pytest.importorskip("tensorflow")
    padded = np.array([row + [-100] * (4 - len(row)) for row in WORD_LABELS])
    texts = [" ".join(words) for words in WORDS]
    dataset = tf.data.Dataset.from_tensor_slices((texts, padded)).batch(3)
    (from_tf_data,) = dataset.map(tagger.preprocessor)
    preprocessor = tagger.preprocessor
    for x, y, weights in (
        preprocessor(WORDS, WORD_LABELS),
        preprocessor(texts, WORD_LABELS),
        preprocessor(texts, padded),
        from_tf_data,
    ):
        for i, words in enumerate(WORDS):
            place = 1
            for word, label in zip(words, WORD_LABELS[i], strict=True):
                pieces = tokenizer(word)
                assert np.asarray(x["token_ids"])[i, place : place + len(pieces)].tolist() == pieces
                assert float(weights[i][place]) == (label != -100) and (label == -100 or int(y[i][place]) == label)
                assert not np.asarray(weights)[i, place + 1 : place + len(pieces)].any()
                place += len(pieces)
            assert not np.asarray(weights)[i, place:].any() and float(weights[i][0]) == 0


def test_tagger_learns_and_predicts(tokenizer):
    names = ["O", "B-PER", "I-PER", "B-LOC"]
    model = BertTokenClassifier(backbone(), None, BertTokenClassifierPreprocessor(tokenizer, LENGTH), class_names=names)
    model.compile(keras.optimizers.Adam(3e-3))
    texts = ["the king went to the sea", "an old king sang", "the queen and the king", "the sea"]
    labels = [[0, 1, 0, 0, 0, 3], [0, 1, 2, 0], [0, 1, 0, 0, 1], [0, 3]]
    model.fit(texts, labels, batch_size=4, epochs=60, verbose=0)
    found = model.predict(texts, verbose=0)
    assert [[names.index(word["class_name"]) for word in words] for words in found] == labels
    assert [word["word"] for word in found[1]] == ["an", "old", "king", "sang"]
    assert all(0.25 < word["probability"] <= 1 for words in found for word in words)
    entities = model.entities(texts, verbose=0)
    assert [(e["text"], e["class_name"], e["start"], e["end"]) for e in entities[1]] == [("old king", "PER", 1, 3)]
    assert [e["class_name"] for e in entities[0]] == ["PER", "LOC"]
    named = [[names[label] for label in row] for row in labels]
    np.testing.assert_allclose(
        model.evaluate(texts, named, verbose=0), model.evaluate(texts, labels, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("names", [False, True])
def test_labelled_words_in_tf_data(tagger, names):
    """Dense and ragged labels, by number and by name, are those of the same rows in memory."""
    tf = pytest.importorskip("tensorflow")
    labels = [[b"O", b"B-PER"], [b"B-PER", b"O"]] if names else [[0, 1], [1, 0]]
    texts = ["king sang", "sang king"]
    expected = tagger.preprocess(texts, [[0, 1], [1, 0]])
    for column in (tf.constant(labels), tf.ragged.constant(labels)):
        (batch,) = tf.data.Dataset.from_tensor_slices((texts, column)).batch(2).map(tagger.preprocess)
        np.testing.assert_array_equal(batch[1], expected[1])
        np.testing.assert_array_equal(batch[2], expected[2])


def test_words_without_tokens(tagger):
    """They are left out, and the others keep their places."""
    (words,) = tagger.predict([["\u200b", "king", "", "sang"]], verbose=0)
    assert [(word["word"], word["place"]) for word in words] == [("king", 1), ("sang", 3)]


def test_bad_word_labels(tagger):
    with pytest.raises(ValueError, match="position 1 has 2 words and 1 labels"):
        tagger.fit(WORDS, [[0, 0, 0, 0], [1], []], verbose=0)
    with pytest.raises(ValueError, match=r"Labels must lie in \[0, 4\) for 4 classes; got \[4\]"):
        tagger.fit(WORDS, [[0, 4, 0, 0], [1, 1], []], verbose=0)
    with pytest.raises(ValueError, match=r"Unknown class names \['B-ORG'\]"):
        tagger.fit(WORDS, [["O", "B-ORG", "O", "O"], ["O", "O"], []], verbose=0)


def test_base_classes_find_the_family(masked_lm, embedder, tagger, tmp_path):
    for model, base in ((masked_lm, MaskedLM), (embedder, TextEmbedder), (tagger, TokenClassifier)):
        model.save_to_preset(tmp_path / base.__name__)
        again = base.from_preset(tmp_path / base.__name__)
        assert type(again) is type(model) and again.preprocessor.sequence_length == LENGTH
