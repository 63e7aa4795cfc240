"""Low-rank adapters: what trains, what is written, what a file may hold, and the way back to a plain model."""

import json
import struct

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_nlp.generation.weights import plain_kernels
from keras_nlp.models import GPT2Backbone, GPT2CausalLM
from keras_nlp.models.gpt2 import FAMILY
from keras_nlp.testing import token_batch
from keras_zoo import Backbone, PresetError, lora

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog", "the mat and the log"]
INPUTS = token_batch(GPT2Backbone(**FAMILY.tiny), np.random.default_rng(0), 3)


def backbone(**overrides):
    keras.utils.set_random_seed(0)
    return GPT2Backbone(**FAMILY.tiny | {"dropout": 0.0} | overrides)


def adapted(rank=2, targets=None, **overrides):
    """A backbone whose adapters are not zero."""
    model = backbone(**overrides)
    model.enable_lora(rank, targets)
    for i, adapter in enumerate(lora.adapters(model)):
        adapter.b.assign(np.random.default_rng(i).normal(size=adapter.b.shape))
    return model


def values(weights):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in weights}


def out(model):
    return keras.ops.convert_to_numpy(keras.ops.cast(model(INPUTS), "float32"))


def same(found, expected):
    return found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in found)


# What trains.


def test_fit_changes_the_adapters_alone(preprocessor):
    lm = GPT2CausalLM(backbone(), preprocessor)
    lm.backbone.enable_lora(4)
    assert {w.path.split("/", 1)[1] for w in lm.trainable_weights} == {
        f"attention/{name}/lora_kernel_{half}" for name in ("query", "value") for half in "ab"
    }
    lm.compile(keras.optimizers.Adam(0.05), weighted_metrics=[])
    base, adapters = values(lora.plain_weights(lm)), values(lm.trainable_weights)
    losses = lm.fit(TEXTS, batch_size=2, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert same(values(lora.plain_weights(lm)), base)
    assert all((value != adapters[path]).any() for path, value in values(lm.trainable_weights).items())


def test_no_gradient_is_left_over_from_the_step_before():
    """torch keeps gradients where the model does not know of a parameter; so adapters are added to one that trained."""
    found = []
    for fresh in (False, True):
        lm = GPT2CausalLM(backbone(num_layers=1))
        lm.compile(keras.optimizers.SGD(0.0), weighted_metrics=[], run_eagerly=True)
        lm.train_on_batch(INPUTS, INPUTS["token_ids"])
        lm.backbone.enable_lora(2)
        for adapter in lora.adapters(lm):
            adapter.a.assign(np.random.default_rng(1).normal(size=adapter.a.shape))
        for step in range(3):
            if fresh or not step:
                lm = GPT2CausalLM(lm.backbone)
                lm.compile(keras.optimizers.SGD(1.0), weighted_metrics=[], run_eagerly=True)
            lm.train_on_batch(INPUTS, INPUTS["token_ids"])
        found.append(values(lm.trainable_weights))
    for path, value in found[0].items():
        np.testing.assert_allclose(value, found[1][path], atol=1e-6)


def test_a_head_outside_the_backbone_trains():
    network = backbone()
    model = keras.Model(network.input, keras.layers.Dense(2, name="head")(network.output))
    network.enable_lora(2, ["query"])
    assert {w.path.split("/")[0] for w in model.trainable_weights} == {f"transformer_layer_{i}" for i in (0, 1)} | {
        "head"
    }


@pytest.mark.parametrize(
    ("targets", "count"),
    [
        (None, 4),
        (["query_dense", "query"], None),
        (["output"], 2),
        (["transformer_layer_1/*"], 6),
        (["*/attention/*", "query"], 8),
        (["token_embedding", "feedforward_*"], None),
        (["token_embedding", "*/feedforward_*"], 5),
    ],
    ids=str,
)
def test_targets(targets, count):
    model = backbone()
    if count is None:  # one of the names fits nothing
        with pytest.raises(ValueError, match=r"Its layers are token_embedding, .*inside them are .*query, key"):
            model.enable_lora(2, targets)
        assert not lora.adapters(model) and len(model.trainable_weights) == len(model.weights)
        return
    before = out(model)
    model.enable_lora(2, targets)
    assert len(lora.adapters(model)) == count and len(model.trainable_weights) == 2 * count
    np.testing.assert_array_equal(out(model), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "rank must be a whole number of at least 1; got 0"),
        ((2.0,), "got 2.0"),
        ((True,), "got True"),
        ((2, "query"), "must be a list of names .* got 'query'"),
        ((2, []), r"got \[\]"),
        ((2, ["attention"]), "'attention' names no layer that can be adapted. Of the layers these can: query, key"),
    ],
    ids=str,
)
def test_what_cannot_be_enabled(arguments, message):
    model = backbone()
    with pytest.raises(ValueError, match=message):
        model.enable_lora(*arguments)
    assert len(model.trainable_weights) == len(model.weights)


def test_order_of_calls(tmp_path):
    model = backbone()
    for call in (model.merge_lora_weights, lambda: model.save_lora_weights(tmp_path / "x.safetensors")):
        with pytest.raises(ValueError, match=r"There are no adapters to .* enable_lora or load_lora_weights"):
            call()
    model.enable_lora(2)
    for call in (lambda: model.enable_lora(4), model.freeze, model.unfreeze):
        with pytest.raises(ValueError, match=r"has 4 of rank 2\. Call merge_lora_weights"):
            call()
    with pytest.raises(ValueError, match=r"must end with \.safetensors; got .*x\.lora\.h5"):
        model.save_lora_weights(tmp_path / "x.lora.h5")
    assert not list(tmp_path.iterdir())
    model.merge_lora_weights()
    model.enable_lora(4)  # again, with another rank


def test_a_layer_that_refuses_leaves_none_adapted():
    model = backbone()
    model.transformer_layers[1].attention.value_dense.kernel_constraint = keras.constraints.NonNeg()
    with pytest.raises(ValueError, match="constraint"):
        model.enable_lora(2)
    assert not lora.adapters(model) and len(model.trainable_weights) == len(model.weights)


# Merging and writing text.


@pytest.mark.parametrize("targets", [None, ["*"]], ids=str)
def test_merged_is_the_same_and_plain(targets):
    model = adapted(targets=targets)
    before, plain = out(model), backbone()
    assert abs(before - out(plain)).max() > 0.1
    assert model.count_params() > plain.count_params() == lora.count_plain(model)
    model.merge_lora_weights()
    np.testing.assert_allclose(out(model), before, atol=1e-5)
    assert (
        [w.path for w in model.weights] == [w.path for w in model.trainable_weights] == [w.path for w in plain.weights]
    )


def test_generate_reads_adapters():
    lm = GPT2CausalLM(backbone())
    kernels = len(plain_kernels(lm))
    before, _ = written(lm)
    lm.backbone.enable_lora(2, ["*"])
    assert not plain_kernels(lm)
    for i, adapter in enumerate(lora.adapters(lm)):
        adapter.b.assign(np.random.default_rng(i).normal(size=adapter.b.shape))
    tokens, logprobs = written(lm)
    assert (tokens != before).any()
    lm.backbone.merge_lora_weights()
    assert len(plain_kernels(lm)) == kernels
    merged = written(lm)
    np.testing.assert_array_equal(merged[0], tokens)
    np.testing.assert_allclose(merged[1], logprobs, atol=1e-4)


def written(lm):
    """What `generate` writes, and its log-probabilities, which are those of the network called as a whole."""
    found = lm.generate(
        {"token_ids": [[5, 6, 7]]}, max_new_tokens=8, sampler="greedy", stop_token_ids=None, return_logprobs=True
    )
    loss = keras.ops.convert_to_numpy(lm.score(found["token_ids"], scoring_mode="loss"))
    np.testing.assert_allclose(found["logprobs"][:, 3:], -loss[:, 2:-1], atol=1e-3)
    return found["token_ids"], found["logprobs"]


@pytest.mark.compiles_much
def test_eight_bits_under_adapters(tmp_path):
    lm = GPT2CausalLM(adapted())
    before = out(lm)
    lm.quantize("int8")
    rounded = out(lm)
    assert 0 < abs(rounded - before).max() < 0.05 * abs(before).max()
    with pytest.raises(ValueError, match=r"attention/query is quantised and has an adapter: call merge_lora_weights"):
        lm.save_to_preset(tmp_path / "preset")
    assert not (tmp_path / "preset").exists()
    lm.backbone.merge_lora_weights()
    assert abs(out(lm) - before).max() < 0.05 * abs(before).max() and not lora.adapters(lm)


# Presets and Keras' own files.


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_presets_keep_the_dtype(tmp_path, dtype):
    model = adapted(dtype=dtype)
    model.save_to_preset(tmp_path)
    again = Backbone.from_preset(str(tmp_path))
    assert {w.dtype for w in again.weights} == {model.variable_dtype}
    expected = lora.adapters(model)[0].merged()
    found = next(w for w in again.weights if w.path == lora.adapters(model)[0].base.path)
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (found, expected))
    )
    assert json.loads((tmp_path / "metadata.json").read_text())["parameter_count"] == again.count_params()
    assert f"{again.count_params():,} parameters" in (tmp_path / "README.md").read_text()


def test_keras_file(tmp_path, preprocessor):
    lm = GPT2CausalLM(adapted(), preprocessor)
    lm.save(tmp_path / "lm.keras")
    again = keras.saving.load_model(tmp_path / "lm.keras")
    assert [w.path for w in again.weights] == [w.path for w in lora.plain_weights(lm)]
    np.testing.assert_allclose(out(again), out(lm), atol=1e-5)


@pytest.mark.parametrize("cls", [GPT2CausalLM, lambda network: network], ids=["task", "backbone"])
def test_weights_file_keeps_the_adapters(tmp_path, cls):
    """Keras alone would merge them into the matrices and leave both halves zero, where they can learn no more."""
    source, path = cls(adapted()), tmp_path / "x.weights.h5"
    source.save_weights(path)
    again = cls(backbone())
    again.load_weights(path)  # without adapters: merged
    np.testing.assert_allclose(out(again), out(source), atol=1e-5)
    other = cls(backbone())
    getattr(other, "backbone", other).enable_lora(2)
    other.load_weights(path)
    assert same(values(other.weights), values(source.weights))
    plain = cls(backbone())
    plain.save_weights(path)
    other.load_weights(path)  # one without adapters: they start anew
    np.testing.assert_array_equal(out(other), out(plain))
    assert all(keras.ops.convert_to_numpy(x.a).any() for x in lora.adapters(other))


# The file of adapters.


def test_file_round_trip(tmp_path):
    source, path = adapted(3, ["*/attention/*", "token_embedding"]), tmp_path / "new" / "x.safetensors"
    source.save_lora_weights(path)
    assert [p.name for p in path.parent.iterdir()] == ["x.safetensors"]
    tensors = load_file(path)
    assert same(tensors, values(source.trainable_weights))
    plain, present = backbone(), backbone()
    present.enable_lora(3, ["query", "key", "value", "output", "token_embedding"])
    for model in (plain, present):
        model.load_lora_weights(path)
        np.testing.assert_array_equal(out(model), out(source))
        assert {w.path for w in model.trainable_weights} == set(tensors)


def test_file_of_another_backbone(tmp_path):
    path = tmp_path / "x.safetensors"
    adapted(num_layers=1, hidden_dim=8).save_lora_weights(path)
    model = adapted()
    before = values(model.weights)
    with pytest.raises(PresetError) as error:
        model.load_lora_weights(path)
    text = str(error.value)
    assert "4 missing from the file" in text and "transformer_layer_1/attention/query/lora_kernel_a" in text
    assert "query/lora_kernel_a: the file has (8, 2), expected (16, 2)" in text and "4 of another shape" in text
    assert same(values(model.weights), before)
    adapted(num_layers=3).save_lora_weights(path)
    for model in (backbone(), adapted()):
        with pytest.raises(PresetError, match=r"4 in the file but not in the model:\n *transformer_layer_2/attention"):
            model.load_lora_weights(path)
    with pytest.raises(PresetError, match=r"has adapters of rank 2, GPT2Backbone has some of rank 3"):
        adapted(3).load_lora_weights(path)


LAYER = "transformer_layer_0/attention/query"
METADATA = {"format": "keras_zoo_lora", "rank": "2", "target_layer_names": json.dumps([LAYER])}


def arrays(rank=2, dtype="float32"):
    return {f"{LAYER}/lora_kernel_a": np.ones((16, rank), dtype), f"{LAYER}/lora_kernel_b": np.ones((rank, 16), dtype)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        (arrays(), {}, "not one that save_lora_weights has written"),
        (arrays(), {"rank": "0"}, "rank of at least 1"),
        (arrays(), {"rank": "two"}, "rank of at least 1"),
        (arrays(), {"rank": "9" * 5000}, "rank of at least 1"),
        (arrays(), {"rank": str(2**60)}, "2 of another shape"),
        (arrays(), {"target_layer_names": "[" * 100_000}, "target_layer_names, a list of paths"),
        (arrays(), {"target_layer_names": "[1]"}, "a list of paths"),
        (arrays(), {"target_layer_names": '["layer_norm"]'}, r"contradicts itself.*\['layer_norm'\].*query"),
        ({}, {"target_layer_names": "[]"}, "contradicts itself"),
        (arrays(dtype="int32"), METADATA, "no floats.*query/lora_kernel_a.*accepted are float64"),
        ({"layer_norm/gamma": np.ones(16, "float32")}, {"target_layer_names": '["layer_norm"]'}, "not in the model"),
    ],
    ids=str,
)
def test_hostile_contents(tmp_path, tensors, metadata, message):
    path = tmp_path / "x.safetensors"
    save_file(tensors, path, METADATA | metadata if metadata else None)
    refused(path, message)


def refused(path, message):
    model = backbone()
    before = out(model)
    with pytest.raises(PresetError, match=message):
        model.load_lora_weights(path)
    assert not lora.adapters(model) and len(model.trainable_weights) == len(model.weights)
    np.testing.assert_array_equal(out(model), before)


@pytest.mark.once
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95pickle",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 20) + b'{"__metadata__": [1]}'[:20],
    ],
    ids=["empty", "pickle", "HDF5", "long header", "a list", "cut header"],
)
def test_hostile_bytes(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    refused(path, "not a whole safetensors file")


@pytest.mark.once
def test_paths_that_are_no_file(tmp_path):
    refused(tmp_path / "absent.safetensors", r"absent\.safetensors cannot be read: No such file")
    refused(tmp_path, "is not a regular file")
    path = tmp_path / "x.safetensors"
    save_file(arrays(), path, METADATA)
    path.write_bytes(path.read_bytes()[:-8])
    refused(path, "truncated or corrupt")
