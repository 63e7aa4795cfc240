"""Presets made to do harm: each attack is a `PresetError`. Torch's files are attacked in test_hostile_files."""

import json
import os
import re

import keras
import numpy as np
import pytest
from hostile_presets import edit, entry, refused, safetensors

from keras_nlp.models import Backbone, BertBackbone, GPT2Backbone, Preprocessor, Task, Tokenizer
from keras_zoo import PresetError
from keras_zoo.errors import LONGEST_MESSAGE
from keras_zoo.formats import files, safetensors_file, settings

pytestmark = pytest.mark.once


def setting(**values):
    return lambda data: data["config"].update(values)


# What would run: objects that Keras revives, in place of any argument.


def objects(marker):
    called = {"module": "os", "class_name": "system", "config": {"command": f"touch {marker}"}, "registered_name": None}
    code = {"class_name": "__lambda__", "config": {"value": keras.src.utils.python_utils.func_dump(lambda x: x)[0]}}
    reads = {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
    torch = {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "gASV"}}
    function = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}
    return {"called": called, "code": code, "reads": reads, "torch": torch, "function": function}


PLACES = {
    "backbone": ("config.json", "layer_norm_epsilon"),
    "task": ("task.json", "trainable"),
    "preprocessor": ("preprocessor.json", "add_start_token"),
    "tokenizer": ("assets/tokenizer/config.json", "add_prefix_space"),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", objects(""))
def test_objects_are_not_revived(native, tmp_path, kind, place, nested):
    name, argument = PLACES[place]
    found = objects(tmp_path / "marker")[kind]
    edit(native / name, setting(**{argument: [{"a": found}] if nested else found}))
    refused(Task.from_preset, native, "objects are not revived from a file's word")
    assert not (tmp_path / "marker").exists()


def test_tokens_that_are_called_like_what_keras_writes():
    settings.check_settings({"unsplittable_tokens": {"module": False, "class_name": True}}, "a file")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("task.json", {"backbone": "anything"}),
        ("task.json", {"preprocessor": None}),
        ("preprocessor.json", {"tokenizer": "anything"}),
        ("assets/tokenizer/config.json", {"vocabulary": "/etc/passwd"}),
        ("assets/tokenizer/config.json", {"merges": "/etc/passwd"}),
    ],
)
def test_parts_that_come_from_elsewhere(native, name, values):
    """A path in a configuration would let a preset read any file into a vocabulary, which is saved and uploaded."""
    edit(native / name, setting(**values))
    refused(Task.from_preset, native, "which comes from another file or from the user")


def test_paths_in_a_tokenizer_file(transformers, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a b\n")
    (transformers / "merges.txt").unlink()
    vocabulary = json.loads((transformers / "vocab.json").read_text())
    data = {"model": {"type": "BPE", "vocab": vocabulary, "merges": str(secret)}}
    (transformers / "tokenizer.json").write_text(json.dumps(data))
    refused(Tokenizer.from_preset, transformers, "merges are no list")
    edit(transformers / "tokenizer.json", lambda d: d["model"].update(vocab=str(secret), merges=[]))
    refused(Tokenizer.from_preset, transformers, "does not describe a byte-pair tokenizer")


# Sizes: what a few lines claim is refused before it is made, with weights and without.

SIZES = [
    {"hidden_dim": 10**12},
    {"hidden_dim": 2**31 - 2},
    {"vocabulary_size": 10**10},
    {"vocabulary_size": 2**31 - 2},
    {"num_layers": 10**6},
    {"num_layers": 513},
    {"max_sequence_length": 10**12},
    {"max_sequence_length": 2**31 - 1},
    {"intermediate_dim": 2**31 - 1},
    {"num_heads": 10**400},
    {"layer_norm_epsilon": 1e300},
    {"layer_norm_epsilon": "small"},
    {"layer_norm_epsilon": -1},
    {"trainable": "no"},
    {"dropout": [0.1] * 200_000},
]


@pytest.mark.parametrize("load_weights", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{next(iter(sizes))}")
def test_sizes_of_networks(native, sizes, load_weights):
    edit(native / "config.json", setting(**sizes))
    message = "no number (between|above)|neither true|another shape|no file fills|layers|missing|more than 100000 items"
    refused(Task.from_preset, native, message, load_weights=load_weights)


def test_a_head_that_no_file_fills(tmp_path):
    """Ten billion classes of a bare backbone's new head are the user's word; a file's word goes no further."""
    folder = tmp_path / "classifier"
    folder.mkdir()
    backbone = {"vocabulary_size": 30, "num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    described = {"class_name": "BertBackbone", "registered_name": "keras_zoo>BertBackbone", "config": backbone}
    (folder / "config.json").write_text(json.dumps(described))
    task = {"class_name": "BertTextClassifier", "config": {"num_classes": 2**31 - 1}}
    (folder / "task.json").write_text(json.dumps(task))
    options = {"load_weights": False, "preprocessor": None}
    refused(Task.from_preset, folder, r"bytes that no file fills, most of them for logits/kernel", **options)
    refused(Task.from_preset, folder, r"holds no weights", preprocessor=None)
    assert type(Backbone.from_preset(folder, load_weights=False)) is BertBackbone


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"stackwise_num_blocks": [10**6, 1, 1, 1]}, "1000003 layers; a file may have up to 512"),
        ({"input_conv_filters": [8] * 600, "input_conv_kernel_sizes": [3] * 600}, "600 layers"),
        ({"stackwise_num_filters": [2**30, 1, 1, 1]}, "that no file fills"),
        ({"image_shape": [10**9, 10**10, 3]}, "no number between"),
    ],
)
def test_sizes_of_networks_for_images(tmp_path, config, message):
    stacks = {"stackwise_num_filters": [8] * 4, "stackwise_num_blocks": [1] * 4, "stackwise_num_strides": [1, 2, 2, 2]}
    whole = {"input_conv_filters": [8], "input_conv_kernel_sizes": [7], "block_type": "basic_block"} | stacks
    names = {"class_name": "ResNetBackbone", "registered_name": "keras_zoo>ResNetBackbone"}
    (tmp_path / "config.json").write_text(json.dumps(names | {"config": whole | config}))
    refused(Backbone.from_preset, tmp_path, message, load_weights=False)


@pytest.mark.parametrize("size", [2**24 + 1, 10**12, 10**400, 0, -1, 12.0, "12", True])
def test_lengths_of_rows(native, size):
    """A preprocessor makes rows of that length of every text."""
    edit(native / "preprocessor.json", setting(sequence_length=size))
    refused(Preprocessor.from_preset, native, "sequence_length=")
    if size == 2**24 + 1:
        assert Preprocessor.from_preset(native, sequence_length=size).sequence_length == size  # a caller's own word
    edit(native / "assets/tokenizer/config.json", setting(sequence_length=size))
    refused(Tokenizer.from_preset, native, "sequence_length=")


@pytest.mark.parametrize("argument", ["image_size", "resize_to"])
def test_sizes_of_images(tmp_path, argument):
    config = {"image_size": [224, 224], "resize_to": 256} | {argument: [100_000, 100_000]}
    described = {"class_name": "ResNetImageClassifierPreprocessor", "registered_name": "keras_zoo>", "config": config}
    (tmp_path / "preprocessor.json").write_text(json.dumps(described))
    refused(Preprocessor.from_preset, tmp_path, rf"{argument}=.*files may ask for whole numbers up to 8192")


@pytest.mark.parametrize("dtype", ["string", "complex64", "int32", "int8_from_float32", "float99", "", 16, ["float32"]])
def test_dtypes(native, dtype):
    edit(native / "config.json", setting(dtype=dtype))
    refused(Task.from_preset, native, "dtype must be the name of a policy, one of float32, ")
    assert Backbone.from_preset(native, dtype="bfloat16").compute_dtype == "bfloat16"  # a caller's own word


def test_a_failure_leaves_nothing_behind(native, monkeypatch):
    """Variables of a model that could not be filled do not wait for the next model."""
    reads = iter(range(5))

    def read(self):
        if next(reads, None) is None:
            raise PresetError("gone")
        return whole(self)

    whole = safetensors_file.Tensor.read
    monkeypatch.setattr(safetensors_file.Tensor, "read", read)
    refused(Task.from_preset, native, "gone")
    monkeypatch.undo()
    assert type(Task.from_preset(native).backbone) is GPT2Backbone


def test_memory_is_asked_for_in_one_place(monkeypatch):
    """The limit is a half of what there is; a model below it is made."""
    monkeypatch.setattr(settings, "memory", lambda: 8000)
    settings.check_memory([keras.Variable(np.zeros(1000, "float32"))])
    settings.check_memory([keras.Variable(np.zeros(2000, "float16"))])
    with pytest.raises(PresetError, match=r"4,004 bytes that no file fills, .* Half of this machine's memory, 4,000"):
        settings.check_memory([keras.Variable(np.zeros(1001, "float32"))])


# JSON.

WHOLE = '{"class_name": "GPT2Backbone", "registered_name": "keras_zoo>GPT2Backbone", "config": %s}'
TEXTS = {
    "deep lists": (WHOLE % ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"), "nested deeper than 32"),
    "deep enough to parse": (WHOLE % ('{"a": ' + "[" * 40 + "]" * 40 + "}"), "nested deeper than 32"),
    "many values": (WHOLE % ('{"a": [' + "[]," * 4_000_001 + "[]]}"), "more than 4000000 values"),
    "a long number": (WHOLE % ('{"num_layers": ' + "9" * 100_000 + "}"), "cannot be read"),
    "not a number": (WHOLE % '{"dropout": NaN}', "NaN is no number of JSON"),
    "infinity": (WHOLE % '{"dropout": -Infinity}', "-Infinity is no number of JSON"),
    "an infinity of another kind": (WHOLE % '{"dropout": 1e999}', "no number between"),
    "a key twice": (WHOLE % '{"num_layers": 2, "num_layers": 9}', "the key 'num_layers' twice"),
    "half a character": (WHOLE % r'{"name": "\ud800"}', "surrogates not allowed"),
    "no Unicode": (b'{"class_name": "\xff"}', "codec can't decode"),
    "another encoding": ("{}".encode("utf-16"), "codec can't decode"),
    "a text": ('"config"', "does not hold a JSON object"),
    "nothing": ("", "cannot be read"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_json(tmp_path, case):
    text, message = TEXTS[case]
    (tmp_path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(Backbone.from_preset, tmp_path, message)


def test_large_files_are_not_read(native, monkeypatch):
    """Sparse files of a terabyte, which take no room where they lie."""
    for name in ("config.json", "assets/tokenizer/merges.txt", "assets/tokenizer/vocabulary.json"):
        kept = (native / name).read_bytes()
        os.truncate(native / name, 10**12)
        refused(Task.from_preset, native, "it has 1000000000000 bytes; up to 64000000 are read")
        (native / name).write_bytes(kept)


def test_characters_that_are_two_escapes(tmp_path):
    (tmp_path / "a.json").write_text(r'{"token": "\ud83d\ude00"}')
    assert files.read_json(tmp_path / "a.json") == {"token": "😀"}


# Names in messages.


def test_messages_move_no_cursor(native):
    name = "\x1b[2J\x9b31m\r\u202eevil"
    edit(native / "config.json", lambda d: d.update(class_name=name))
    message = refused(Backbone.from_preset, native, re.escape(r"\x1b[2J"))
    assert message.isprintable()
    entries = {name + str(i): entry([1], 4 * i, 4 * i + 4) for i in range(3)}
    safetensors(native / "model.safetensors", entries, 12)
    edit(native / "config.json", lambda d: d.update(class_name="GPT2Backbone"))
    message = refused(Task.from_preset, native, "in the file but not in the model")
    assert message.replace("\n", "").isprintable()


def test_messages_end(tmp_path):
    described = {"registered_name": "keras_zoo>x", "class_name": "x" * 10**6, "config": {}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    assert len(refused(Backbone.from_preset, tmp_path, "characters more")) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize("name", ["\x1b]0;owned\x07", "a\x00b", "bell\x07"])
def test_names_of_classes_move_no_cursor(tmp_path, name):
    """They are printed by programs that show predictions."""
    task = {"class_name": "BertTextClassifier", "config": {"num_classes": 2, "class_names": ["good", name]}}
    (tmp_path / "config.json").write_text(WHOLE.replace("GPT2", "Bert") % "{}")
    (tmp_path / "task.json").write_text(json.dumps(task))
    refused(Task.from_preset, tmp_path, "a text with control characters")
