"""Presets that tests spoil, and the real client of the Hugging Face Hub pointed at a server on the loopback."""

import json
import shutil

import pytest

from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor
from keras_nlp.models.gpt2 import FAMILY


@pytest.fixture(scope="session")
def saved(tokenizer, tmp_path_factory):
    """A tiny language model in two layouts."""
    folder = tmp_path_factory.mktemp("saved")
    model = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny), GPT2CausalLMPreprocessor(tokenizer, sequence_length=12))
    model.save_to_preset(folder / "native")
    model.save_to_preset(folder / "transformers", format="transformers")
    return folder


@pytest.fixture
def native(saved, tmp_path):
    """A copy of it in our own layout."""
    return shutil.copytree(saved / "native", tmp_path / "native")


@pytest.fixture
def transformers(saved, tmp_path):
    """And in that of transformers."""
    return shutil.copytree(saved / "transformers", tmp_path / "transformers")


@pytest.fixture
def use_hub(tmp_path, monkeypatch):
    """`use_hub(hub)` has `huggingface_hub` in this process ask `hub`, with an empty cache and no token."""
    from huggingface_hub import constants

    def use(hub, token=None):
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path / "zoo"))
        if token is None:
            monkeypatch.delenv("HF_TOKEN", raising=False)
        else:
            monkeypatch.setenv("HF_TOKEN", token)
        return hub

    return use


@pytest.fixture
def repository(tmp_path):
    """`repository(name, files)` is a folder with files of these names and contents (JSON of what is no text)."""

    def make(name, files):
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, str | bytes) else json.dumps(content)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / name

    return make
