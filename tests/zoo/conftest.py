"""Presets that tests spoil."""

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
