"""Folders written as KerasHub's: file by file what KerasHub wrote, and what cannot be said there is refused."""

import json
import weakref

import h5py
import keras
import numpy as np
import pytest
from keras_hub_golden import copied, edit

from keras_nlp.models import (
    BertBackbone,
    BertMaskedLM,
    BertTextClassifier,
    BertTextClassifierPreprocessor,
    BertTokenClassifier,
    BertTokenizer,
    GPT2Tokenizer,
    Preprocessor,
    Task,
)
from keras_nlp.models.bert import FAMILY
from keras_nlp.testing import tiny_word_piece
from keras_zoo import PresetError, presets, weights
from keras_zoo.formats import hdf5_file

pytestmark = pytest.mark.once
CASES = ["bert_text_classifier", "bert_masked_lm", "bert_text_embedder", "gpt2_causal_lm"]
PARTS = ("config", "task", "preprocessor", "tokenizer")


def bert(activation="gelu_approximate", **overrides):
    return BertBackbone(**FAMILY.tiny | {"activation": activation} | overrides)


def essence(found):
    """What KerasHub builds by a serialised object: not the module, which only its files' writer has, nor defaults."""
    if not isinstance(found, dict):
        return found
    if "registered_name" in found and "config" in found:
        left_out = {"name", "trainable", "config_file", "vocabulary", "split_on_cjk"}
        left_out |= {"dtype"} if "Backbone" not in found["class_name"] else set()
        config = {key: essence(value) for key, value in found["config"].items() if key not in left_out}
        return {"registered_name": found["registered_name"], "config": config}
    return {key: essence(value) for key, value in found.items()}


def datasets(folder, name):
    return {key: tensor.read() for key, tensor in hdf5_file.read_header(folder / name).items()}


@pytest.mark.parametrize("case", CASES)
def test_what_keras_hub_saved_is_written_again(tmp_path, case):
    """The same objects, the same tensors to the last bit, the same vocabulary."""
    folder, again = copied(case, tmp_path), tmp_path / "again"
    Task.from_preset(folder).save_to_preset(again, format="keras_hub")
    for part in PARTS:
        before, after = (json.loads((at / f"{part}.json").read_text()) for at in (folder, again))
        assert essence(after) == essence(before)
    for path in folder.rglob("*"):
        if path.parent.name == "tokenizer":
            texts = [(at / path.relative_to(folder)).read_text().strip() for at in (folder, again)]
            texts[1] = texts[1].removeprefix("#version: 0.2\n")  # which both libraries pass over
            before, after = map(json.loads if path.suffix == ".json" else str, texts)
            assert after == before
        if path.suffix == ".h5":
            before, after = datasets(folder, path.name), datasets(again, path.name)
            assert set(after) == set(before)
            for name in set(before) - {"optimizer/vars/1"}:  # the learning rate
                np.testing.assert_array_equal(after[name], before[name])
                assert after[name].dtype == before[name].dtype
    metadata = [json.loads((at / "metadata.json").read_text()) for at in (folder, again)]
    assert set(metadata[0]) <= set(metadata[1])
    assert all(metadata[0][key] == metadata[1][key] for key in ("parameter_count", "tasks"))


@pytest.mark.parametrize("merged", [False, True])
def test_shards(tmp_path, merged):
    """Each below the limit, and an index of which a part's variables may be in two; as one file again without them."""
    model = bert()
    model.save_to_preset(tmp_path, format="keras_hub", max_shard_size=7.764e-6)
    index = json.loads((tmp_path / "model.weights.json").read_text())
    files = sorted(path.name for path in tmp_path.glob("*.h5"))
    assert len(files) == 4 and files[0] == "model_00000.weights.h5"
    sizes = [sum(tensor.nbytes for tensor in hdf5_file.read_header(tmp_path / name).values()) for name in files]
    assert max(sizes) <= 7764 and sum(sizes) == index["metadata"]["total_size"]
    for group, places in index["weight_map"].items():
        for place in [places] if isinstance(places, str) else places:
            with h5py.File(tmp_path / place) as file:
                assert len(file[group])
    assert any(isinstance(places, list) for places in index["weight_map"].values())
    assert_same_weights(BertBackbone.from_preset(tmp_path), model)
    model.save_to_preset(tmp_path, format="keras_hub" if merged else "keras_zoo")
    kept = ["model.weights.h5"] if merged else ["model.safetensors"]
    assert sorted(path.name for path in tmp_path.glob("*model*")) == kept
    assert_same_weights(BertBackbone.from_preset(tmp_path), model)


def assert_same_weights(a, b):
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(x), keras.ops.convert_to_numpy(y))


def test_bfloat16(tmp_path):
    model = bert(dtype="bfloat16")
    model.save_to_preset(tmp_path, format="keras_hub")
    again = BertBackbone.from_preset(tmp_path)
    assert again.dtype_policy.name == "bfloat16"
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file["layers/dense/vars/0"].attrs["dtype"] == "bfloat16"
    for a, b in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (a, b)))


def test_what_has_no_place_there_comes_back_here(tmp_path):
    """Names of classes and the kind of problem, of which KerasHub knows nothing."""
    tokenizer = tiny_word_piece(BertTokenizer)
    preprocessor = BertTextClassifierPreprocessor(tokenizer, sequence_length=12)
    task = BertTextClassifier(bert(), preprocessor=preprocessor, problem="multi_label", class_names=["a", "b"])
    task.save_to_preset(tmp_path, format="keras_hub")
    assert "class_names" not in (tmp_path / "task.json").read_text()
    again = Task.from_preset(tmp_path)
    assert again.class_names == ["a", "b"] and again.problem == "multi_label"
    edit(tmp_path / "metadata.json", lambda d: d.update(task=["a"]))
    assert Task.from_preset(tmp_path).class_names is None
    edit(tmp_path / "metadata.json", lambda d: d.update(task={"class_names": ["one"]}))
    with pytest.raises(PresetError, match="class_names must be 2 different names"):
        Task.from_preset(tmp_path)


def test_parts_alone(tmp_path):
    tokenizer = BertTokenizer(tiny_word_piece(BertTokenizer).vocabulary, lowercase=True, strip_accents=None)
    tokenizer.save_to_preset(tmp_path / "tokenizer", format="keras_hub")
    again = BertTokenizer.from_preset(tmp_path / "tokenizer")
    assert again.strip_accents is True and again.vocabulary == tokenizer.vocabulary
    BertTextClassifierPreprocessor(tokenizer, 9).save_to_preset(tmp_path / "preprocessor", format="keras_hub")
    assert Preprocessor.from_preset(tmp_path / "preprocessor").sequence_length == 9
    assert not (tmp_path / "preprocessor" / "README.md").exists()


def added():
    vocabulary = tiny_word_piece(BertTokenizer).vocabulary
    return BertTokenizer([*vocabulary, "<new>"], unsplittable_tokens=["<new>"])


class Longer(BertBackbone):
    """With an argument of its own."""

    def __init__(self, *args, factor=2, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor


REFUSED = {
    "exact gelu": (lambda: bert("gelu"), r"cannot express activation='gelu' \(there it is always 'gelu_approximate'\)"),
    "epsilon": (lambda: bert(layer_norm_epsilon=1e-6), "layer_norm_epsilon=1e-06"),
    "a masked LM's own head": (lambda: BertMaskedLM(bert()), "activation='gelu_approximate'.*head_layer_norm_epsilon"),
    "a task of ours": (lambda: BertTokenClassifier(bert(), num_classes=2), "KerasHub has no BertTokenClassifier"),
    "words that are added": (added, "BertTokenizer cannot express unsplittable_tokens="),
    "an argument of one's own": (
        lambda: Longer(**FAMILY.tiny),
        r"arguments that BertBackbone does not take: \['factor",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(tmp_path, kind):
    make, message = REFUSED[kind]
    with pytest.raises(PresetError, match=message):
        make().save_to_preset(tmp_path / "folder", format="keras_hub")
    assert not (tmp_path / "folder").exists()


def test_options(tmp_path):
    with pytest.raises(ValueError, match=r"does not take \['weights_dtype'\]; it takes max_shard_size"):
        bert().save_to_preset(tmp_path / "folder", format="keras_hub", weights_dtype="float16")
    with pytest.raises(ValueError, match="max_shard_size must be greater than 0"):
        bert().save_to_preset(tmp_path / "folder", format="keras_hub", max_shard_size=0)


def test_one_tensor_at_a_time(tmp_path, monkeypatch):
    """No more than one is held: each is gone when the next is computed."""
    alive, most, read = [], [], weights.Stored.read

    def watched(tensor):
        array = read(tensor).view(Watched)
        alive.append(weakref.ref(array))
        most.append(sum(reference() is not None for reference in alive))
        return array

    class Watched(np.ndarray):
        """An array that weak references can name."""

    monkeypatch.setattr(weights.Stored, "read", watched)
    model = bert()
    model.save_to_preset(tmp_path, format="keras_hub")
    assert len(most) == len(model.weights) and max(most) == 1


def test_gpt2s_tokenizer(tmp_path, tokenizer):
    tokenizer.save_to_preset(tmp_path, format="keras_hub")
    again = GPT2Tokenizer.from_preset(tmp_path)
    assert again.get_config() == tokenizer.get_config()
    assert presets.open_preset(tmp_path).family.name == "gpt2"
