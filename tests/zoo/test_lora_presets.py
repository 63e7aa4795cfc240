"""Adapters in presets: merged into the weights, or beside them, from where training goes on."""

import json

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_nlp.models import BertTextClassifier, GPT2Backbone, GPT2CausalLM, Task
from keras_nlp.models.bert import FAMILY as BERT
from keras_nlp.models.gpt2 import FAMILY
from keras_nlp.testing import token_batch
from keras_zoo import Backbone, PresetError, lora
from keras_zoo.testing import as_arrays, assert_same, example, outputs, tiny_task

INPUTS = token_batch(GPT2Backbone(**FAMILY.tiny), np.random.default_rng(0), 3)
BESIDE = "model.lora.safetensors"


def adapted(preprocessor=None):
    """A language model whose adapters are not zero."""
    keras.utils.set_random_seed(0)
    lm = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny | {"dropout": 0.0, "num_layers": 1}), preprocessor)
    lm.backbone.enable_lora(2)
    for i, adapter in enumerate(lora.adapters(lm)):
        adapter.b.assign(np.random.default_rng(i).normal(size=adapter.b.shape))
    return lm


def values(weights):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in weights}


def assert_same_values(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_beside_the_weights(tmp_path, preprocessor):
    """What is loaded has the same adapters on the same weights, computes the same, and learns in the same places."""
    lm = adapted(preprocessor)
    lm.save_to_preset(tmp_path, merge_lora=False)
    stored = load_file(tmp_path / "model.safetensors")
    assert_same_values(values(lora.plain_weights(lm)), {name: stored[name] for name in stored})
    again = Task.from_preset(tmp_path)
    assert_same_values(values(again.weights), values(lm.weights))
    assert {w.path for w in again.trainable_weights} == {w.path for w in lm.trainable_weights}
    assert_same(as_arrays(again(INPUTS)), as_arrays(lm(INPUTS)), 0)
    base, before = values(lora.plain_weights(again)), values(again.trainable_weights)
    again.compile(keras.optimizers.Adam(0.05), weighted_metrics=[])
    again.fit(["the king and the sea"], epochs=1, verbose=0)
    assert_same_values(values(lora.plain_weights(again)), base)
    assert all((value != before[path]).any() for path, value in values(again.trainable_weights).items())
    again.save_to_preset(tmp_path, merge_lora=False)  # where it was loaded from
    assert_same(as_arrays(Task.from_preset(tmp_path)(INPUTS)), as_arrays(again(INPUTS)), 0)


@pytest.mark.once
def test_the_backbone_alone_has_them_too(tmp_path):
    lm = adapted()
    lm.backbone.save_to_preset(tmp_path, merge_lora=False)
    backbone = Backbone.from_preset(tmp_path)
    assert len(lora.adapters(backbone)) == 2
    assert_same(as_arrays(backbone(INPUTS)), as_arrays(lm.backbone(INPUTS)), 0)
    assert not lora.adapters(Backbone.from_preset(tmp_path, load_weights=False))
    backbone.merge_lora_weights()
    assert_same(as_arrays(backbone(INPUTS)), as_arrays(lm.backbone(INPUTS)))


@pytest.mark.once
def test_merged_into_the_weights(tmp_path):
    """By default, in every layout; nothing of an earlier save with adapters beside stays."""
    lm = adapted()
    lm.save_to_preset(tmp_path, merge_lora=False)
    for format in ("keras_zoo", "transformers", "keras_hub"):
        lm.save_to_preset(tmp_path, format=format)
        again = Task.from_preset(tmp_path, preprocessor=None)
        assert not lora.adapters(again) and not (tmp_path / BESIDE).exists()
        assert_same(as_arrays(again(INPUTS)), as_arrays(lm(INPUTS)))
    lm.save_to_preset(tmp_path, merge_lora=False)
    lm.backbone.merge_lora_weights()
    lm.save_to_preset(tmp_path, merge_lora=False)  # there are none any more
    assert not (tmp_path / BESIDE).exists()
    with pytest.raises(ValueError, match=r"does not take \['merge_lora'\]; it takes max_shard_size"):
        lm.save_to_preset(tmp_path, format="keras_hub", merge_lora=False)


@pytest.mark.once
@pytest.mark.parametrize("merge", [True, False])
def test_the_head_travels_along(tmp_path, merge):
    """Of a classifier that was fine-tuned, and KerasHub's layout as well."""
    task = tiny_task(BertTextClassifier, BERT)
    task.backbone.enable_lora(2)
    for i, adapter in enumerate(lora.adapters(task)):
        adapter.b.assign(np.random.default_rng(i).normal(size=adapter.b.shape))
    task.save_to_preset(tmp_path, merge_lora=merge)
    inputs = example(BERT)
    assert_same(outputs(Task.from_preset(tmp_path), inputs), outputs(task, inputs), 1e-5 if merge else 0)


@pytest.mark.once
def test_the_card_and_the_metadata_say_so(tmp_path):
    lm = adapted()
    for merge, words in ((True, "merged into the weights"), (False, "beside the weights")):
        lm.save_to_preset(tmp_path, merge_lora=merge)
        text = (tmp_path / "README.md").read_text()
        assert f"With low-rank adapters of rank 2, {words}." in text
        origin = json.loads((tmp_path / "metadata.json").read_text())["origin"]
        assert origin["lora"] == f"adapters of rank 2, {words}"
    lm.backbone.merge_lora_weights()
    lm.save_to_preset(tmp_path)
    assert "adapters of rank 2, merged into the weights" in (tmp_path / "README.md").read_text()


@pytest.mark.once
def test_adapters_that_do_not_fit(tmp_path):
    lm = adapted()
    lm.save_to_preset(tmp_path, merge_lora=False)
    (tmp_path / BESIDE).write_bytes(b"hello")
    with pytest.raises(PresetError, match="not a whole safetensors file"):
        Task.from_preset(tmp_path)
    other = GPT2Backbone(**FAMILY.tiny)
    other.enable_lora(3)
    other.save_lora_weights(tmp_path / BESIDE)
    with pytest.raises(PresetError, match="does not fit GPT2Backbone"):
        Task.from_preset(tmp_path)
