"""Folders that KerasHub saved: the same tokens and outputs as KerasHub's own, on every backend."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras_hub_golden import GOLDEN, copied, edit, golden

from keras_nlp.models import (
    Backbone,
    BertBackbone,
    BertMaskedLM,
    BertMaskedLMPreprocessor,
    BertTextClassifier,
    BertTextClassifierPreprocessor,
    BertTextEmbedder,
    BertTokenizer,
    CausalLM,
    GPT2Backbone,
    GPT2CausalLM,
    Preprocessor,
    Task,
)
from keras_zoo import PresetError, registry
from keras_zoo.formats import hdf5_file
from keras_zoo.formats.files import read_json
from keras_zoo.sources.choice import needed


@pytest.fixture
def folder_of(tmp_path):
    """`folder_of(case)` is a copy of a folder that KerasHub saved."""
    return lambda case: copied(case, tmp_path)


def inputs(expected):
    return {name.removeprefix("inputs_"): x for name, x in expected.items() if name.startswith("inputs_")}


def close(ours, theirs):
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), theirs, atol=1e-5)


@pytest.mark.parametrize("case", ["bert_text_classifier", "bert_backbone_sharded"])
def test_bert_backbone(folder_of, case):
    """In one file and in shards."""
    expected = golden(case)
    model = Backbone.from_preset(folder_of(case))
    assert type(model) is BertBackbone and model.activation == "gelu_approximate"
    outputs = model(inputs(expected))
    real = inputs(expected)["padding_mask"] == 1
    close(outputs["sequence_output"][real], expected["sequence_output"][real])
    close(outputs["pooled_output"], expected["pooled_output"])


@pytest.mark.once
def test_one_layer_in_two_shards(folder_of):
    """The case above has a layer whose kernel is in one shard and whose bias is in the next."""
    folder = folder_of("bert_backbone_sharded")
    files = json.loads((folder / "model.weights.json").read_text())["weight_map"].values()
    assert any(len(names) == 2 for names in files if isinstance(names, list))
    places = {name: tensor.path.name for name, tensor in hdf5_file.open_tensors(folder).items()}
    layers = {name.rpartition("/")[0] for name in places}
    assert any(places[f"{layer}/0"] < places[f"{layer}/1"] for layer in layers if f"{layer}/1" in places)


@pytest.mark.filterwarnings("ignore:A text has more tokens")
def test_text_classifier_on_strings(folder_of):
    """Lower case, accents, special tokens in a text, unknown words, a text that is cut, pairs."""
    expected = golden("bert_text_classifier")
    model = Task.from_preset(folder_of("bert_text_classifier"))
    assert type(model) is BertTextClassifier and type(model.preprocessor) is BertTextClassifierPreprocessor
    assert (model.num_classes, model.activation, model.dropout) == (3, "softmax", 0.2)
    assert (model.preprocessor.sequence_length, model.preprocessor.truncate) == (12, "waterfall")
    texts = expected["texts"].tolist()
    np.testing.assert_array_equal(model.preprocessor(texts)["token_ids"], expected["token_ids"])
    close(model.predict(texts, verbose=0), expected["probabilities"])
    pairs = model.preprocessor((expected["firsts"].tolist(), expected["seconds"].tolist()))
    np.testing.assert_array_equal(pairs["token_ids"], expected["pair_token_ids"])
    np.testing.assert_array_equal(pairs["segment_ids"], expected["pair_segment_ids"])


def test_masked_lm(folder_of):
    expected = golden("bert_masked_lm")
    model = Task.from_preset(folder_of("bert_masked_lm"))
    assert type(model) is BertMaskedLM
    close(model(inputs(expected)), expected["logits"])
    assert (model.preprocessor.mask_selection_rate, model.preprocessor.mask_selection_length) == (0.3, 3)


@pytest.mark.filterwarnings("ignore:A text has more tokens")
def test_text_embedder(folder_of):
    """Its tokenizer keeps case, removes accents and finds special tokens in a text."""
    expected = golden("bert_text_embedder")
    model = Task.from_preset(folder_of("bert_text_embedder"))
    assert type(model) is BertTextEmbedder and (model.pooling_mode, model.normalize) == ("max", False)
    texts = expected["texts"].tolist()
    np.testing.assert_array_equal(model.preprocessor(texts)["token_ids"], expected["token_ids"])
    close(model.embed(texts), expected["vectors"])


def test_causal_lm(folder_of):
    expected = golden("gpt2_causal_lm")
    model = CausalLM.from_preset(folder_of("gpt2_causal_lm"))
    assert type(model) is GPT2CausalLM
    assert (model.preprocessor.sequence_length, model.preprocessor.add_end_token) == (24, False)
    batch = model.preprocessor.generate_preprocess(expected["prompts"].tolist())
    np.testing.assert_array_equal(batch["token_ids"], expected["token_ids"])
    real = expected["padding_mask"].astype(bool)
    np.testing.assert_array_equal(batch["padding_mask"], real)
    close(keras.ops.convert_to_numpy(model(batch))[real][:, ::8], expected["logits"][real])


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:A text has more tokens")
def test_older_names(folder_of):
    """KerasNLP's package, its class names, and folders without preprocessor.json."""
    folder = folder_of("bert_text_classifier")
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace("keras_hub>", "keras_nlp>"))
    edit(folder / "task.json", lambda d: d.update(registered_name="keras_nlp>BertClassifier"))
    edit(folder / "preprocessor.json", lambda d: d.update(registered_name="keras_nlp>BertPreprocessor"))
    expected = golden("bert_text_classifier")
    model = Task.from_preset(folder)
    close(model.predict(expected["texts"].tolist()[:2], verbose=0), expected["probabilities"][:2])
    (folder / "preprocessor.json").unlink()
    edit(
        folder / "tokenizer.json",
        lambda d: [d["config"].pop(k) for k in ("strip_accents", "special_tokens_in_strings")],
    )
    assert Preprocessor.from_preset(folder).sequence_length == 16  # the context
    rows = Preprocessor.from_preset(folder, sequence_length=12)(expected["texts"].tolist())["token_ids"]
    np.testing.assert_array_equal(rows, expected["token_ids"])


@pytest.mark.once
def test_parts_alone(folder_of):
    """A tokenizer and a preprocessor, from a whole folder and from one that holds nothing else."""
    folder = folder_of("bert_masked_lm")
    tokenizer = BertTokenizer.from_preset(folder)
    assert tokenizer.strip_accents and tokenizer.special_tokens_in_strings and not tokenizer.lowercase
    for path in (*folder.glob("*.h5"), folder / "config.json", folder / "task.json"):
        path.unlink()
    preprocessor = Preprocessor.from_preset(folder)
    assert type(preprocessor) is BertMaskedLMPreprocessor and preprocessor.mask_selection_length == 3
    assert BertTextClassifierPreprocessor.from_preset(folder).sequence_length == 12
    (folder / "preprocessor.json").unlink()
    assert BertTokenizer.from_preset(folder)("the sea") == tokenizer("the sea") != []
    with pytest.raises(PresetError, match=r"holds no model: it has no config\.json"):
        Backbone.from_preset(folder)


@pytest.mark.once
def test_another_task_gets_a_new_head(folder_of):
    """The backbone's weights and what the preprocessors share are kept, the folder's head is left out."""
    folder = folder_of("bert_masked_lm")
    model = BertTextClassifier.from_preset(folder, num_classes=2)
    assert model.preprocessor.sequence_length == 12
    theirs = BertMaskedLM.from_preset(folder).backbone
    for a, b in zip(model.backbone.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


@pytest.mark.once
def test_saved_as_ones_own(folder_of, tmp_path):
    """What KerasHub's files leave unsaid, the GELU and the head's epsilon, is kept."""
    expected = golden("bert_masked_lm")
    model = BertMaskedLM.from_preset(folder_of("bert_masked_lm"))
    model.save_to_preset(tmp_path / "native")
    close(BertMaskedLM.from_preset(tmp_path / "native")(inputs(expected)), expected["logits"])
    with pytest.raises(PresetError, match=r"one activation.* backbone has 'gelu_approximate', the head 'gelu'"):
        model.save_to_preset(tmp_path / "transformers", format="transformers")


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16"])
def test_dtype_policies(folder_of, dtype):
    folder = folder_of("gpt2_causal_lm")
    edit(folder / "config.json", lambda d: d["config"]["dtype"]["config"].update(name=dtype))
    assert GPT2Backbone.from_preset(folder).dtype_policy.name == dtype
    edit(folder / "config.json", lambda d: d["config"].update(dtype=dtype))
    assert GPT2Backbone.from_preset(folder).dtype_policy.name == dtype
    assert GPT2Backbone.from_preset(folder, dtype="float32").dtype_policy.name == "float32"
    edit(folder / "config.json", lambda d: d["config"].pop("dtype"))
    assert GPT2Backbone.from_preset(folder).dtype_policy.name == "float32"


@pytest.mark.once
def test_bfloat16_in_the_file(folder_of):
    """Keras writes it as two opaque bytes, with its name as an attribute."""
    folder = folder_of("gpt2_causal_lm")
    exact = keras.ops.convert_to_numpy(GPT2Backbone.from_preset(folder).token_embedding.embeddings)
    name = "layers/reversible_embedding/vars/0"
    with h5py.File(folder / "model.weights.h5", "a") as file:
        rounded = keras.ops.convert_to_numpy(keras.ops.cast(exact, "bfloat16"))
        del file[name]
        file.create_dataset(name, data=rounded.view("V2")).attrs["dtype"] = "bfloat16"
    found = keras.ops.convert_to_numpy(GPT2Backbone.from_preset(folder).token_embedding.embeddings)
    assert not np.array_equal(found, exact)
    np.testing.assert_array_equal(found, rounded.astype("float32"))


@pytest.mark.parametrize("vocabulary", ["embedded", None])
def test_a_published_name_with_a_source_of_keras_hub(folder_of, monkeypatch, vocabulary):
    """Configuration of the record, weights (and the vocabulary that the package does not hold) of KerasHub's folder."""
    folder, expected = folder_of("bert_masked_lm"), golden("bert_masked_lm")
    config = json.loads((folder / "config.json").read_text())["config"]
    record = {
        "family": "bert",
        "class_name": "BertMaskedLM",
        "config": {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}
        | {"activation": "gelu_approximate"},
        "task": {"activation": "gelu", "head_layer_norm_epsilon": 1e-5},
        "preprocessor": {"sequence_length": 9},
        "sources": ["file:///nowhere", f"file://{folder}"],
        "assets": str(folder / "assets" / "tokenizer"),
        "vocabulary": vocabulary,
        "embedded": False,
    }
    monkeypatch.setattr(registry, "records", lambda: {"published": record})
    model = Task.from_preset("published")
    close(model(inputs(expected)), expected["logits"])
    assert model.preprocessor.sequence_length == 9
    assert model.preprocessor.tokenizer.vocabulary == BertTokenizer.from_preset(folder).vocabulary
    assert type(BertBackbone.from_preset("published")) is BertBackbone


@pytest.mark.once
def test_everything_needed_is_fetched():
    for case in ("bert_text_classifier", "bert_backbone_sharded", "gpt2_causal_lm"):
        folder = GOLDEN / case
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert needed([*files, "tf_model.h5"], True, lambda name, folder=folder: read_json(folder / name)) == files
