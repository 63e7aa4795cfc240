"""Folders in transformers' layout that differ from the usual: what is read otherwise, and what is refused."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from test_bert_parity import HEADS, as_numpy, batch, compare, load, reference, theirs

from keras_nlp.models import (
    Backbone,
    BertBackbone,
    BertMaskedLM,
    BertTextClassifier,
    BertTextEmbedder,
    BertTextEmbedderPreprocessor,
    BertTokenizer,
    Task,
)
from keras_nlp.models.bert import FAMILY
from keras_nlp.testing import tiny_word_piece
from keras_zoo import PresetError


def test_a_masked_lm_with_a_decoder_of_its_own(tmp_path):
    """transformers' decoder may be another matrix than the embedding, here it is that; the backbone loads."""
    model = reference("BertForMaskedLM", tie_word_embeddings=False)
    model.save_pretrained(tmp_path / "untied")
    for cls in (Task, BertMaskedLM):
        with pytest.raises(PresetError, match=r"cls\.predictions\.decoder\.weight differs from bert\.embeddings"):
            cls.from_preset(tmp_path / "untied", preprocessor=None)
    hidden = Backbone.from_preset(tmp_path / "untied")(batch())["sequence_output"]
    expected = theirs(model.base_model, batch()).last_hidden_state
    torch.testing.assert_close(torch.tensor(as_numpy(hidden))[0], expected[0], atol=1e-4, rtol=0)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.copy_(model.bert.embeddings.word_embeddings.weight)
    model.save_pretrained(tmp_path / "bias")
    with pytest.raises(PresetError, match=r"cls\.predictions\.decoder\.bias differs from cls\.predictions\.bias"):
        Task.from_preset(tmp_path / "bias", preprocessor=None)
    with torch.no_grad():
        model.cls.predictions.bias.copy_(model.cls.predictions.decoder.bias)
    model.save_pretrained(tmp_path / "same")
    compare(Task.from_preset(tmp_path / "same", preprocessor=None), model)


def without(folder, *patterns):
    """Takes tensors out of a folder."""
    path = folder / "model.safetensors"
    kept = {name: value for name, value in load_file(path).items() if not any(p in name for p in patterns)}
    save_file(kept, path, metadata={"format": "pt"})


def test_a_classifier_without_its_pooled_layer(tmp_path):
    """It computes by that layer, so the folder must have it; a model with a new head starts one of its own."""
    reference("BertForSequenceClassification").save_pretrained(tmp_path)
    for pattern in ("pooler.dense.bias", "pooler"):
        without(tmp_path, pattern)
        for cls in (Task, BertTextClassifier):
            with pytest.raises(PresetError, match=r"missing from the file:\n    bert\.pooler\.dense\.bias"):
                cls.from_preset(tmp_path, preprocessor=None)
        if pattern == "pooler":  # none of it is there
            assert Backbone.from_preset(tmp_path)(batch())["pooled_output"].shape == (4, 24)
            assert BertMaskedLM.from_preset(tmp_path, preprocessor=None).mlm_head is not None
        else:
            with pytest.raises(PresetError, match=r"1 missing from the file"):
                Backbone.from_preset(tmp_path)


@pytest.mark.parametrize("name", ["BertModel", "BertForMaskedLM", "BertForTokenClassification"])
def test_folders_of_others_may_lack_the_pooled_layer(tmp_path, name):
    """A new classifier takes a new one; half of one is never taken."""
    reference(name, **HEADS[name]).save_pretrained(tmp_path)
    without(tmp_path, "pooler")
    assert BertTextClassifier.from_preset(tmp_path, preprocessor=None, num_classes=3)(batch()).shape == (4, 3)
    assert load(tmp_path) is not None
    bias = {("" if name == "BertModel" else "bert.") + "pooler.dense.bias": torch.zeros(24)}
    save_file(load_file(tmp_path / "model.safetensors") | bias, tmp_path / "model.safetensors")
    with pytest.raises(PresetError, match=r"1 missing from the file:\n    (bert\.)?pooler\.dense\.weight"):
        load(tmp_path)


def change(path, **values):
    path.write_text(json.dumps((json.loads(path.read_text()) if path.is_file() else {}) | values))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("config.json", {"id2label": {"a": "b"}}, r"id2label must map the number .* got \{'a': 'b'\}"),
        ("config.json", {"id2label": ["a", "b"]}, r"id2label must map .* got \['a', 'b'\]"),
        ("config.json", {"id2label": {"1": "a", "2": "b"}}, r"the classes 0 to n - 1; got \[1, 2\]"),
        ("config.json", {"id2label": None, "num_labels": "x"}, "wrong type: .*'x'"),
        ("config.json", {"classifier_dropout": "x"}, "classifier_dropout in config.json must be a number from 0 to 1"),
        ("config.json", {"layer_norm_eps": "a"}, "layer_norm_eps in config.json must be a number above 0 .* got 'a'"),
        ("config.json", {"layer_norm_eps": 0}, "layer_norm_eps in config.json must be a number above 0"),
        ("config.json", {"hidden_size": 24.0}, "hidden_size in config.json must be a whole number above 0; got 24.0"),
        ("config.json", {"num_hidden_layers": True}, "num_hidden_layers in config.json must be a whole number"),
        ("config.json", {"num_hidden_layers": 10**9}, r"has 1000000000 layers, its weights \d+ tensors"),
        ("config.json", {"hidden_dropout_prob": 2}, "hidden_dropout_prob in config.json must be a number from 0 to 1"),
        ("tokenizer_config.json", {"model_max_length": "a"}, "wrong type: .*'a'"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(tmp_path, name, values, message):
    reference("BertForSequenceClassification").save_pretrained(tmp_path)
    change(tmp_path / name, **values)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(tmp_path, preprocessor=None)


@pytest.mark.parametrize(
    "values", [{"n_inner": "a"}, {"n_layer": 10**9}, {"layer_norm_epsilon": -1.0}, {"n_embd": None}], ids=str
)
def test_values_that_do_not_fit_gpt2(tmp_path, values):
    config = transformers.GPT2Config(vocab_size=120, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    Task.from_preset(tmp_path, preprocessor=None)
    change(tmp_path / "config.json", **values)
    with pytest.raises(PresetError, match=r"in config\.json must be a|1000000000 layers"):
        Task.from_preset(tmp_path, preprocessor=None)


@pytest.fixture
def embedder(tmp_path):
    """A folder of sentence-transformers with a cased tokenizer, as we write it."""
    words = [*tiny_word_piece(BertTokenizer).vocabulary, "King", "é", "##é"]
    tokenizer = BertTokenizer(words)
    backbone = BertBackbone(**FAMILY.tiny | {"vocabulary_size": len(words)})
    task = BertTextEmbedder(backbone, BertTextEmbedderPreprocessor(tokenizer, sequence_length=16))
    task.save_to_preset(tmp_path / "embedder", format="transformers")
    return tmp_path / "embedder"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompts": {"query": "find: "}, "default_prompt_name": "query"}, "'query': 'find: ' would stand before each"),
        ({"truncate_dim": 8}, "truncate_dim=8 for vectors of 16"),
        ({"truncate_dim": "all"}, "truncate_dim='all'"),
        ({"prompts": ["a"], "default_prompt_name": "query"}, "wrong type"),
    ],
    ids=str,
)
def test_settings_of_sentence_transformers_that_change_vectors(embedder, values, message):
    change(embedder / "config_sentence_transformers.json", **values)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(embedder)


def test_settings_of_sentence_transformers_that_do_not(embedder):
    expected = Task.from_preset(embedder).embed("the king")
    prompts = {"prompts": {"query": "find: ", "document": ""}, "similarity_fn_name": "cosine"}
    for name in (None, "document"):
        path = embedder / "config_sentence_transformers.json"
        change(path, **prompts, default_prompt_name=name, truncate_dim=None if name is None else 16)
        np.testing.assert_array_equal(Task.from_preset(embedder).embed("the king"), expected)


def test_lower_case_by_sentence_transformers(embedder):
    """It lower-cases before the tokenizer, which then keeps the accents that it would have kept."""
    cased = Task.from_preset(embedder).preprocessor.tokenizer
    assert [cased.id_to_token(i) for i in cased("King É")] == ["King", "[UNK]"]
    change(embedder / "sentence_bert_config.json", do_lower_case=True)
    again = Task.from_preset(embedder)
    tokenizer = again.preprocessor.tokenizer
    assert [tokenizer.id_to_token(i) for i in tokenizer("King É")] == ["king", "é"]
    again.save_to_preset(embedder.parent / "again", format="transformers")
    assert Task.from_preset(embedder.parent / "again").preprocessor.tokenizer("King É") == tokenizer("King É")
