"""KerasHub's folders with something wrong in them: a clear word, and nothing followed, executed or allocated."""

import re
import shutil

import h5py
import numpy as np
import pytest
from keras_hub_golden import copied, edit

from keras_nlp.models import Backbone, BertBackbone, BertTokenizer, GPT2Backbone, GPT2CausalLM, GPT2Tokenizer, Task
from keras_zoo import PresetError

pytestmark = pytest.mark.once
QUERY = "layers/transformer_encoder/_self_attention_layer/query_dense/vars/0"
POOLER = "layers/dense/vars/0"


@pytest.fixture
def folder_of(tmp_path):
    """`folder_of(case)` is a copy of a folder that KerasHub saved."""
    return lambda case: copied(case, tmp_path)


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
    "external link": (
        put(POOLER, link(h5py.ExternalLink("/etc/passwd", "x"))),
        "layers/dense/vars is a group with links as Keras makes none",
    ),
    "soft link": (
        put(POOLER, link(h5py.SoftLink("/" + QUERY))),
        "dense/vars/0 is a soft link; only what lies in the file",
    ),
    "link to a group": (
        put("layers/dense", link(h5py.ExternalLink("other.h5", "/"))),
        "layers is a group with links as Keras makes none",
    ),
    "virtual": (put(POOLER, virtual), "virtual or in other files"),
    "external storage": (put(POOLER, external), "virtual or in other files"),
    "compressed": (put(POOLER, data(SQUARE, compression="gzip")), "stored in chunks, compressed"),
    "unallocated": (put(POOLER, unallocated((10**12,))), r"\(1000000000000,\) takes 4000000000000 bytes at no place"),
    "objects": (put(POOLER, data(["a", "b"], dtype=h5py.string_dtype())), "is of the type <text>; weights are"),
    "opaque": (put(POOLER, data(SQUARE.view("V4"))), "is of the type <4 bytes>"),
    "records": (put(POOLER, data(np.zeros(3, "f4,i4"))), "weights are whole numbers or floats"),
    "nothing": (put(POOLER, lambda g, k: g.create_dataset(k, data=h5py.Empty("f4"))), "weights are whole numbers"),
    "a named type": (put(POOLER, link(np.dtype("float64"))), "neither a group nor a data set"),
    "two names": (lambda file: file.__setitem__("layers/copy", file[POOLER]), "(copy|vars/0) is there under two names"),
    "cycle": (put(POOLER, cycle), "is there under two names"),
    "deep": (put(POOLER, deep), "or below 32 groups"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_weight_files_that_are_refused(folder_of, case):
    folder = folder_of("bert_text_classifier")
    change, message = BAD_FILES[case]
    with h5py.File(folder / "model.weights.h5", "a") as file:
        change(file)
    with pytest.raises(PresetError, match=message) as error:
        Task.from_preset(folder)
    assert "model.weights" in str(error.value)


def test_sizes_that_both_sides_claim(folder_of):
    """A configuration and a file that agree on a matrix of 64 GB, of which the file holds nothing."""
    folder = folder_of("gpt2_causal_lm")
    edit(folder / "config.json", lambda d: d["config"].update(vocabulary_size=2 * 10**9))
    with h5py.File(folder / "model.weights.h5", "a") as file:
        put("layers/reversible_embedding/vars/0", unallocated((2 * 10**9, 8)))(file)
    with pytest.raises(PresetError, match="takes 64000000000 bytes at no place; the file ends at"):
        GPT2Backbone.from_preset(folder)


@pytest.mark.parametrize("name", ["model.weights.h5", "task.weights.h5"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, -1], ids=["empty", "seven bytes", "half", "all but one byte"])
def test_truncated_files(folder_of, name, kept):
    path = folder_of("bert_text_classifier") / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
    with pytest.raises(PresetError, match=rf"{name} is not a whole HDF5 file"):
        Task.from_preset(path.parent)


def test_files_that_are_not_there(folder_of):
    folder = folder_of("bert_text_classifier")
    (folder / "task.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"2 missing from the file:\n    task\.weights/layers/dense/vars/0"):
        Task.from_preset(folder)
    assert type(Backbone.from_preset(folder)) is BertBackbone
    shutil.rmtree(folder / "assets")
    with pytest.raises(PresetError, match="preprocessor=None"):
        Task.from_preset(folder)
    (folder / "model.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"expected model\.weights\.h5 or model\.weights\.json"):
        Backbone.from_preset(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PresetError, match=r"holds no tokenizer\.json"):
        BertTokenizer.from_preset(folder)


@pytest.mark.parametrize("shard", ["../secret.weights.h5", "/etc/passwd", "gone.weights.h5", 7, ["a", 7], None])
def test_shard_indices_cannot_reach_outside(folder_of, shard):
    folder = folder_of("bert_backbone_sharded")
    edit(folder / "model.weights.json", lambda d: d["weight_map"].update({"/layers/dense/vars": shard}))
    with pytest.raises(PresetError, match=r"model\.weights\.json (names the shard|is not a shard index)"):
        Backbone.from_preset(folder)


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


@pytest.mark.parametrize("case", BAD_JSON)
def test_configurations_that_are_refused(folder_of, case):
    folder = folder_of("bert_text_classifier")
    name, change, message = BAD_JSON[case]
    edit(folder / f"{name}.json", change)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


def test_modules_in_files_are_not_looked_at(folder_of):
    """Names of modules, and the class_name beside the registered one, may say what they like."""
    folder = folder_of("gpt2_causal_lm")
    for path in folder.glob("*.json"):
        path.write_text(re.sub(r'"(module|class_name)": "keras_hub[^"]*"', r'"\1": "antigravity"', path.read_text()))
    assert type(Task.from_preset(folder)) is GPT2CausalLM
    assert type(GPT2Tokenizer.from_preset(folder)) is GPT2Tokenizer
