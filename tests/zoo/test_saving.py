"""Saving is all or nothing: a full disk, an interrupt, a kill, another layout, the folder that was loaded from."""

import json
import os
import resource
import shutil
import signal
import sys

import keras
import numpy as np
import pytest

from keras_nlp.models import GPT2CausalLM, Preprocessor, Task
from keras_zoo import PresetError, saving

pytestmark = pytest.mark.once
FORMATS = ("keras_zoo", "transformers", "keras_hub")


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def embeddings(model):
    return keras.ops.convert_to_numpy(model.backbone.token_embedding.embeddings)


@pytest.fixture
def folder(lm, tmp_path):
    lm.save_to_preset(tmp_path / "preset")
    return tmp_path / "preset"


@pytest.fixture
def changed(lm):
    """The same model with other weights."""
    model = GPT2CausalLM(type(lm.backbone).from_config(lm.backbone.get_config()), lm.preprocessor)
    model.backbone.token_embedding.embeddings.assign(np.full((300, 16), 0.5))
    return model


@pytest.fixture
def small_disk():
    """A limit on the size of files, at which writing fails in the operating system as on a full disk."""
    if sys.platform != "linux":
        pytest.skip("a limit on file sizes is set here as Linux has it")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk(lm, folder, small_disk, format):
    """Whatever the library raises that writes the weights."""
    before = everything(folder)
    with pytest.raises(PresetError, match=r"could not be written: .*File too large(.|\n)*untouched"):
        lm.save_to_preset(folder, format=format)
    with pytest.raises(PresetError, match="File too large"):
        lm.save_to_preset(folder.parent / "new", format=format)
    assert everything(folder) == before and [path.name for path in folder.parent.iterdir()] == ["preset"]


@pytest.mark.parametrize("step", range(0, 18, 3))
def test_an_interrupt_is_undone(changed, folder, monkeypatch, step):
    before, move, count = everything(folder), os.replace, iter(range(100))

    def interrupted(source, target):
        if next(count) == step:
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        changed.save_to_preset(folder)
    assert everything(folder) == before


class Killed(BaseException):
    """After it nothing more is done to any file, as when the process is gone."""


@pytest.mark.parametrize("step", range(0, 19, 2))
def test_a_kill_leaves_the_old_the_new_or_none(lm, changed, folder, monkeypatch, step):
    """Before any of the renames: what can be loaded is one of the two models, whole; the old one is not lost."""
    move, count, dead = os.replace, iter(range(100)), []

    def killed(source, target):
        if dead or next(count) == step:
            dead.append(True)
            raise Killed
        move(source, target)

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(saving.Path, "unlink", lambda *args: None)
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
    old = everything(folder)
    if step < 18:
        with pytest.raises(Killed):
            changed.save_to_preset(folder)
    else:
        changed.save_to_preset(folder)
    monkeypatch.undo()
    if not (folder / "config.json").exists():
        with pytest.raises(PresetError, match=r"A save was killed half-way; .*\.saving-\w+/\.old"):
            Task.from_preset(folder)
        (backup,) = folder.glob(".saving-*/.old")
        kept = everything(folder) | everything(backup)
        assert all(kept[path] == content for path, content in old.items())
        return
    found = embeddings(Task.from_preset(folder))
    assert any(np.array_equal(found, embeddings(model)) for model in (lm, changed))


@pytest.mark.parametrize("before", FORMATS)
@pytest.mark.parametrize("after", FORMATS)
def test_into_the_folder_that_was_loaded_from(lm, tmp_path, before, after):
    """In its own layout and in another one, of which nothing that contradicts the new one stays."""
    lm.save_to_preset(tmp_path, format=before, max_shard_size=2e-5)
    (tmp_path / "tokenizer.json").touch() if before == "transformers" else None
    (tmp_path / "notes.txt").write_text("mine")
    model = Task.from_preset(tmp_path) if before != "transformers" else lm
    model.save_to_preset(tmp_path, format=after)
    again = Task.from_preset(tmp_path)
    np.testing.assert_array_equal(embeddings(again), embeddings(lm))
    assert again.preprocessor.tokenizer("the sea") == lm.preprocessor.tokenizer("the sea")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    kinds = {path.suffix for path in tmp_path.iterdir() if path.name.startswith("model")}
    assert kinds == {".h5"} if after == "keras_hub" else kinds == {".safetensors"}
    bare = GPT2CausalLM(lm.backbone, preprocessor=None)
    bare.save_to_preset(tmp_path, format=before)
    if before != after:
        assert not (tmp_path / "preprocessor.json").exists() and not (tmp_path / "tokenizer.json").exists()
    assert Task.from_preset(tmp_path, preprocessor=None).preprocessor is None


def test_a_part_beside_a_model_of_another_layout(lm, tmp_path):
    """A preprocessor saved into a preset's folder replaces the preset's own."""
    lm.save_to_preset(tmp_path)
    other = type(lm.preprocessor)(lm.preprocessor.tokenizer, sequence_length=11)
    other.save_to_preset(tmp_path)
    assert Preprocessor.from_preset(tmp_path).sequence_length == 11
    assert json.loads((tmp_path / "config.json").read_text())["class_name"] == "GPT2Backbone"


@pytest.mark.parametrize("place", ["hf://me/model", ""])
def test_a_place_that_is_no_folder(lm, tmp_path, monkeypatch, place):
    """An address is not taken for a folder `hf:`, nor an empty text for the working directory."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PresetError, match=r"is saved into a folder; got .*upload_preset"):
        lm.save_to_preset(place)
    assert not list(tmp_path.iterdir())
