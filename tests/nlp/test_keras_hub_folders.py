"""Folders that KerasHub saved: the same outputs as KerasHub's own, and what is refused.

The folders and the outputs are made by `tools/golden/keras_hub_folders.py`.
"""

import json
import re
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

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
    GPT2Tokenizer,
    Preprocessor,
    Task,
)
from keras_zoo import PresetError, registry
from keras_zoo.formats import hdf5_file
from keras_zoo.sources import WANTED

GOLDEN = Path(__file__).parent.parent / "golden" / "keras_hub"
SHARED = GOLDEN / "bert_text_classifier" / "model.weights.h5"  # of all tasks of BERT
QUERY = "layers/transformer_encoder/_self_attention_layer/query_dense/vars/0"
POOLER = "layers/dense/vars/0"


@pytest.fixture
def folder_of(tmp_path):
    """`folder_of(case)` is a copy of the folder, as KerasHub saved it."""

    def copy(case):
        folder = tmp_path / case
        shutil.copytree(GOLDEN / case, folder)
        if not list(folder.glob("model*")):
            shutil.copy(SHARED, folder)
        return folder

    return copy


def golden(case):
    return dict(np.load(GOLDEN / f"{case}.npz"))


def inputs(expected):
    return {name.removeprefix("inputs_"): x for name, x in expected.items() if name.startswith("inputs_")}


def close(ours, theirs):
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), theirs, atol=1e-5)


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


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
    from huggingface_hub.utils import filter_repo_objects

    for case in ("bert_text_classifier", "bert_backbone_sharded", "gpt2_causal_lm"):
        files = [str(p.relative_to(GOLDEN / case)) for p in (GOLDEN / case).rglob("*") if p.is_file()]
        assert list(filter_repo_objects(files, allow_patterns=WANTED)) == files
    assert not list(filter_repo_objects(["tf_model.h5"], allow_patterns=WANTED))


def drop(name):
    return lambda file: file.pop(name)


def put(name, make):
    """Replaces a data set by what `make(group, key)` puts there."""

    def change(file):
        del file[name]
        group, _, key = name.rpartition("/")
        make(file[group], key)

    return change


def virtual(group, key):
    layout = h5py.VirtualLayout(shape=(8, 8), dtype="float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", shape=(8, 8))
    group.create_virtual_dataset(key, layout)


def external(group, key):
    group.create_dataset(key, (8, 8), "float32", external=[("/etc/passwd", 0, 256)])


def unallocated(shape):
    return lambda group, key: group.create_dataset(key, shape, "float32")


def data(values, **options):
    return lambda group, key: group.create_dataset(key, data=values, **options)


def link(target):
    return lambda group, key: group.__setitem__(key, target)


def cycle(group, key):
    group[key] = group.file["layers"]


def deep(group, key):
    group.create_group("/".join(["deeper"] * 100))


SQUARE = np.ones((8, 8), "float32")
BAD_FILES = {
    "missing": (drop(POOLER), r"1 missing from the file:\n    model\.weights/layers/dense/vars/0$"),
    "unknown": (
        put(POOLER, lambda g, k: data(SQUARE)(g, "7")),
        r"missing(.|\n)*vars/0\n  1 in the file but not in the model",
    ),
    "flat heads": (put(QUERY, data(SQUARE)), r"query_dense/vars/0: the file has \(8, 8\), expected \(8, 2, 4\)"),
    "turned heads": (put(QUERY, data(SQUARE.reshape(2, 4, 8))), r"the file has \(2, 4, 8\), expected \(8, 2, 4\)"),
    "external link": (put(POOLER, link(h5py.ExternalLink("/etc/passwd", "x"))), "dense/vars/0 is a ExternalLink"),
    "soft link": (
        put(POOLER, link(h5py.SoftLink("/" + QUERY))),
        "dense/vars/0 is a SoftLink; only what lies in the file",
    ),
    "link to a group": (
        put("layers/dense", link(h5py.ExternalLink("other.h5", "/"))),
        "layers/dense is a ExternalLink",
    ),
    "virtual": (put(POOLER, virtual), "virtual or in other files"),
    "external storage": (put(POOLER, external), "virtual or in other files"),
    "compressed": (put(POOLER, data(SQUARE, compression="gzip")), "stored in chunks, compressed"),
    "unallocated": (put(POOLER, unallocated((10**12,))), r"\(1000000000000,\) takes 4000000000000 bytes at None"),
    "objects": (put(POOLER, data(["a", "b"], dtype=h5py.string_dtype())), "is of the type object; weights are"),
    "opaque": (put(POOLER, data(SQUARE.view("V4"))), r"is of the type \|V4"),
    "records": (put(POOLER, data(np.zeros(3, "f4,i4"))), "weights are whole numbers or floats"),
    "nothing": (put(POOLER, lambda g, k: g.create_dataset(k, data=h5py.Empty("f4"))), "weights are whole numbers"),
    "a named type": (put(POOLER, link(np.dtype("float64"))), "neither a group nor a data set"),
    "two names": (lambda file: file.__setitem__("layers/copy", file[POOLER]), "(copy|vars/0) is there under two names"),
    "cycle": (put(POOLER, cycle), "is there under two names"),
    "deep": (put(POOLER, deep), "or below 32 groups"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", BAD_FILES)
def test_weight_files_that_are_refused(folder_of, case):
    folder = folder_of("bert_text_classifier")
    change, message = BAD_FILES[case]
    with h5py.File(folder / "model.weights.h5", "a") as file:
        change(file)
    with pytest.raises(PresetError, match=message) as error:
        Task.from_preset(folder)
    assert "model.weights" in str(error.value)


@pytest.mark.once
def test_sizes_that_both_sides_claim(folder_of):
    """A configuration and a file that agree on a matrix of 32 TB, of which the file holds nothing."""
    folder = folder_of("gpt2_causal_lm")
    edit(folder / "config.json", lambda d: d["config"].update(vocabulary_size=10**12))
    with h5py.File(folder / "model.weights.h5", "a") as file:
        put("layers/reversible_embedding/vars/0", unallocated((10**12, 8)))(file)
    with pytest.raises(PresetError, match="takes 32000000000000 bytes at None; the file ends at"):
        GPT2Backbone.from_preset(folder)


@pytest.mark.once
@pytest.mark.parametrize("name", ["model.weights.h5", "task.weights.h5"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, -1], ids=["empty", "seven bytes", "half", "all but one byte"])
def test_truncated_files(folder_of, name, kept):
    path = folder_of("bert_text_classifier") / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
    with pytest.raises(PresetError, match=rf"{name} is not a whole HDF5 file"):
        Task.from_preset(path.parent)


@pytest.mark.once
def test_files_that_are_not_there(folder_of):
    folder = folder_of("bert_text_classifier")
    (folder / "task.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"2 missing from the file:\n    task\.weights/layers/dense/vars/0"):
        Task.from_preset(folder)
    assert type(Backbone.from_preset(folder)) is BertBackbone
    (folder / "model.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"expected model\.weights\.h5 or model\.weights\.json"):
        Backbone.from_preset(folder)
    shutil.rmtree(folder / "assets")
    with pytest.raises(PresetError, match="preprocessor=None"):
        Task.from_preset(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PresetError, match=r"holds no tokenizer\.json"):
        BertTokenizer.from_preset(folder)


@pytest.mark.once
@pytest.mark.parametrize("shard", ["../secret.weights.h5", "/etc/passwd", "gone.weights.h5", 7, ["a", 7], None])
def test_shard_indices_cannot_reach_outside(folder_of, shard):
    folder = folder_of("bert_backbone_sharded")
    edit(folder / "model.weights.json", lambda d: d["weight_map"].update({"/layers/dense/vars": shard}))
    with pytest.raises(PresetError, match=r"model\.weights\.json (names the shard|is not a shard index)"):
        Backbone.from_preset(folder)


@pytest.mark.once
def test_shards_that_overlap_or_lack_something(folder_of):
    folder = folder_of("bert_backbone_sharded")
    first, second = sorted(folder.glob("model_*.h5"))
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(PresetError, match=r"which another shard of model\.weights\.json holds as well"):
        Backbone.from_preset(folder)
    second.write_bytes(kept)
    edit(folder / "model.weights.json", lambda d: d.update(weight_map={"/vars": second.name}))
    with pytest.raises(PresetError, match=r"missing from the file:\n    model\.weights/layers/embedding/vars/0"):
        Backbone.from_preset(folder)


def named(name):
    return lambda d: d.update(registered_name=name)


def setting(**settings):
    return lambda d: d["config"].update(settings)


FUNCTION = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
QUANTISED = {
    "module": "keras",
    "class_name": "QuantizedDTypePolicy",
    "config": {"mode": "int8"},
    "registered_name": None,
}
BAD_JSON = {
    "an unknown class": ("config", named("keras_hub>ElectraBackbone"), "'ElectraBackbone'.*are known: BertBackbone"),
    "a task for a backbone": ("config", named("keras_hub>BertMaskedLM"), r"none of those expected: BertBackbone\."),
    "an unknown task": (
        "task",
        named("keras_hub>BertTagger"),
        "task.json names the class 'BertTagger'.*BertTextClassifier",
    ),
    "another family's task": ("task", named("keras_hub>GPT2CausalLM"), "task.json names the class 'GPT2CausalLM'"),
    "another package": (
        "task",
        named("os>system"),
        r"task\.json must hold a registered_name.* got the name 'os>system'",
    ),
    "no configuration": (
        "task",
        lambda d: d.update(config=None),
        r"task\.json must hold a registered_name .* and a config",
    ),
    "an unknown preprocessor": ("preprocessor", named("keras_hub>Mine"), "preprocessor.json names the class 'Mine'"),
    "an unknown tokenizer": ("tokenizer", named("keras_hub>Mine"), r"tokenizer\.json names.*expected: BertTokenizer"),
    "a tokenizer that does not split": ("tokenizer", setting(split=False), r"not express: split=False.*split=True"),
    "other suffixes": ("tokenizer", setting(suffix_indicator="@@"), "not express: suffix_indicator='@@'"),
    "an unknown setting": ("config", setting(rotary=True), r"config\.json.* not express: rotary=True"),
    "a function": ("task", setting(activation=FUNCTION), "activation must be a name"),
    "an unknown activation": ("task", setting(activation="gelou"), "does not fit BertTextClassifier"),
    "a quantised model": ("config", setting(dtype=QUANTISED), "config.json: dtype is a name.*QuantizedDTypePolicy"),
    "a missing size": ("config", lambda d: d["config"].pop("hidden_dim"), "does not fit BertBackbone.*hidden_dim"),
    "a size that is none": ("config", setting(num_layers="two"), "does not fit BertBackbone"),
    "another size": (
        "config",
        setting(hidden_dim=16),
        r"(?s)of another shape.*file has \(8, 2, 4\), expected \(16, 2, 8\)",
    ),
    "another number of heads": ("config", setting(num_heads=4), r"file has \(8, 2, 4\), expected \(8, 4, 2\)"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", BAD_JSON)
def test_configurations_that_are_refused(folder_of, case):
    folder = folder_of("bert_text_classifier")
    name, change, message = BAD_JSON[case]
    edit(folder / f"{name}.json", change)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


@pytest.mark.once
def test_modules_in_files_are_not_looked_at(folder_of, monkeypatch):
    """Names of modules, and the class_name beside the registered one, may say what they like."""
    folder = folder_of("gpt2_causal_lm")
    for path in folder.glob("*.json"):
        path.write_text(re.sub(r'"(module|class_name)": "keras_hub[^"]*"', r'"\1": "antigravity"', path.read_text()))
    assert type(Task.from_preset(folder)) is GPT2CausalLM
    assert type(GPT2Tokenizer.from_preset(folder)) is GPT2Tokenizer
