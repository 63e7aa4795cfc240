"""Folders and weights made to do harm: each attack is a `PresetError`. More of the kind is in test_hostile_presets."""

import json
import os
import shutil
import time

import pytest
from hostile_presets import entry, refused, safetensors

from keras_nlp.models import Backbone, GPT2Backbone, Task
from keras_nlp.models.gpt2 import FAMILY
from keras_zoo import PresetError
from keras_zoo.formats.safetensors_file import open_tensors, read_header

pytestmark = pytest.mark.once


# Weights.


HEADERS = {
    "10 TB": ({"a": entry([10**12, 10], 0, 4 * 10**13)}, "the file ends at"),
    "the same bytes a thousand times": ({str(i): entry([250], 0, 1000) for i in range(1000)}, "they overlap"),
    "more than numbers can say": ({"a": entry([2**62, 2**62, 0], 0, 0)}, "which no array can have"),
    "a negative size": ({"a": entry([-1, -4], 0, 4)}, "no whole numbers"),
    "a size that is none": ({"a": entry([True], 0, 4)}, "no whole numbers"),
    "ends before it begins": ({"a": entry([1], 8, 4)}, "should take 4 bytes"),
    "huge offsets": ({"a": entry([1], 10**400, 10**400 + 4)}, "no whole numbers"),
    "many dimensions": ({"a": entry([1] * 1000, 0, 4)}, "which no array can have"),
    "an unknown dtype": ({"a": entry([1], 0, 4, "F13")}, "has the dtype 'F13'"),
    "a dtype that is none": ({"a": entry([1], 0, 4, ["F32"])}, "unhashable"),
    "an entry that is none": ({"a": 3}, "not subscriptable"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_safetensors_headers(tmp_path, case):
    entries, message = HEADERS[case]
    path = safetensors(tmp_path / "model.safetensors", entries, 1000)
    refused(read_header, path, message)


def test_safetensors_keys_twice(tmp_path):
    one = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    refused(read_header, safetensors(tmp_path / "m", None, 4, b"{" + one + b"," + one + b"}"), "the key 'a' twice")
    refused(read_header, safetensors(tmp_path / "m", None, 4, b"[" * 10**6), "nested deeper")


def test_tensors_named_like_patterns(native):
    """A name with a star in it does not excuse other tensors."""
    entries = {name: entry([1], 4 * i, 4 * i + 4) for i, name in enumerate("*ab")}
    safetensors(native / "model.safetensors", entries, 12)
    refused(Task.from_preset, native, r"3 in the file but not in the model:\n    \*\n    a\n    b")


def test_tensors_named_by_long_numbers(native):
    safetensors(native / "model.safetensors", {"9" * 5000 + str(i): entry([1], 4 * i, 4 * i + 4) for i in range(9)}, 36)
    refused(Task.from_preset, native, "9 in the file but not in the model")


def test_two_shards_with_one_tensor(tmp_path):
    for name in ("a.safetensors", "b.safetensors"):
        safetensors(tmp_path / name, {"x": entry([1], 0, 4)}, 4)
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(open_tensors, tmp_path, r"holds \['x'\], which another shard .* holds as well")


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "a\0b", "b" * 5000, "", ".", "..", "sub/a", 3, {}])
def test_shards_elsewhere(native, name):
    (native / "model.safetensors").rename(native.parent / "a.safetensors")
    (native / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    refused(Task.from_preset, native, r"index\.json (names the shard|is not a shard index)|cannot have a file")


def test_files_that_change_while_they_are_read(native, monkeypatch):
    tensors = read_header(native / "model.safetensors")
    name = max(tensors, key=lambda name: tensors[name].offset)
    os.truncate(native / "model.safetensors", 2000)
    with pytest.raises(PresetError, match="ended while it was read"):
        tensors[name].read()
    (native / "model.safetensors").unlink()
    with pytest.raises(PresetError, match="cannot be read: No such file"):
        tensors[name].read()


# Links and what is no file.


def outside(path, tmp_path):
    """Moves a file out of its preset; a link is left in its place."""
    target = tmp_path / "elsewhere"
    shutil.move(path, target)
    path.symlink_to(target)


FILES = ("config.json", "task.json", "preprocessor.json", "model.safetensors")
VOCABULARY = ("config.json", "vocabulary.json", "merges.txt")


@pytest.mark.parametrize("name", [*FILES, *(f"assets/tokenizer/{name}" for name in VOCABULARY)])
def test_links_that_lead_out(native, tmp_path, name):
    outside(native / name, tmp_path)
    refused(Task.from_preset, native, "is a symbolic link to .*elsewhere.*, outside of the preset's folder")


@pytest.mark.parametrize("name", ["assets", "assets/tokenizer"])
def test_folders_that_lead_out(native, tmp_path, name):
    outside(native / name, tmp_path)
    refused(Task.from_preset, native, "outside of the preset's folder")


def test_links_in_a_circle(native):
    (native / "task.json").unlink()
    (native / "task.json").symlink_to("task.json")
    refused(Backbone.from_preset, native, "cannot be read")


def test_links_within(native):
    (native / "weights").mkdir()
    (native / "model.safetensors").rename(native / "weights" / "1")
    (native / "model.safetensors").symlink_to("weights/1")
    native.parent.joinpath("alias").symlink_to(native)  # the folder's own name is the user's
    assert type(Backbone.from_preset(native.parent / "alias")) is GPT2Backbone


def test_the_cache_of_the_hub(native, tmp_path):
    """Snapshots consist of links to blobs beside them; other links from there lead out."""
    home = tmp_path / "hub" / "models--owner--name"
    blobs, snapshot = home / "blobs", home / "snapshots" / "0123"
    snapshot.parent.mkdir(parents=True)
    blobs.mkdir()
    shutil.move(native, snapshot)
    for i, path in enumerate(sorted(p for p in snapshot.rglob("*") if p.is_file())):
        path.rename(blobs / str(i))
        path.symlink_to(os.path.relpath(blobs / str(i), path.parent))
    assert type(Task.from_preset(snapshot).backbone) is GPT2Backbone
    secret = tmp_path / "secret"
    shutil.move(blobs, tmp_path / "real")
    blobs.symlink_to(tmp_path / "real")
    refused(Task.from_preset, snapshot, "outside of the preset's folder")
    (snapshot / "config.json").unlink()
    secret.write_text("{}")
    (snapshot / "config.json").symlink_to(secret)
    refused(Task.from_preset, snapshot, "outside of the preset's folder")


@pytest.mark.parametrize("name", ["config.json", "task.json", "model.safetensors", "assets/tokenizer/merges.txt"])
def test_pipes_and_devices(native, name):
    """A pipe would be waited for, a device has no end. They count as not there."""
    path = native / name
    path.unlink()
    os.mkfifo(path)
    begin = time.monotonic()
    if name == "task.json":
        assert type(Backbone.from_preset(native)) is GPT2Backbone
    else:
        refused(Task.from_preset, native, "holds no|is a folder without|cannot be read|lacks")
    path.unlink()
    path.symlink_to("/dev/zero")
    if name != "task.json":
        refused(Task.from_preset, native, "outside of the preset's folder")
    assert time.monotonic() - begin < 10


def test_pipes_that_are_opened(tmp_path):
    """Where a path is given outright, as to load_lora_weights."""
    os.mkfifo(tmp_path / "adapters.safetensors")
    backbone = GPT2Backbone(**FAMILY.tiny)
    refused(backbone.load_lora_weights, tmp_path / "adapters.safetensors", "is not a regular file")
