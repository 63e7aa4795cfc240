"""Fixtures that many tests share; everything is tiny, and made once a session."""

import gc
import os
import sys
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import keras
import numpy as np
import pytest

from keras_nlp.models import (
    BertBackbone,
    BertTextEmbedder,
    BertTextEmbedderPreprocessor,
    BertTokenizer,
    GPT2Backbone,
    GPT2CausalLM,
    GPT2CausalLMPreprocessor,
    GPT2Tokenizer,
)
from keras_nlp.models.gpt2 import FAMILY
from keras_nlp.testing import tiny_byte_pair, tiny_word_piece
from keras_zoo.registry import presets_folder

# torchvision's compiled operators may be missing where torch is a build of its own; its Python part needs none of them.
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))


def pytest_collection_modifyitems(items):
    """What does not depend on the backend runs in one process; what compiles much, compiled once and eagerly once."""
    backend = keras.backend.backend()
    for item in items:
        if backend != "jax" and item.get_closest_marker("once"):
            item.add_marker(pytest.mark.skip(reason="does not depend on the backend; runs under JAX"))
        if backend == "tensorflow" and item.get_closest_marker("compiles_much"):
            item.add_marker(pytest.mark.skip(reason="runs under JAX and torch; the contracts cover TensorFlow"))
    gc.collect()
    gc.freeze()  # what has been imported stays: no collection need look through it again
    gc.set_threshold(20_000, 50, 50)


@pytest.fixture(scope="session", autouse=True)
def cache_of_presets(tmp_path_factory):
    """Nothing is kept in the user's own."""
    os.environ["KERAS_ZOO_CACHE"] = str(tmp_path_factory.mktemp("keras_zoo"))


@pytest.fixture(scope="module", autouse=True)
def programs():
    """JAX keeps each program that it has compiled, in memory mappings of which Linux gives a process 65,530 in all."""
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tokenizer():
    return tiny_byte_pair(GPT2Tokenizer)


@pytest.fixture(scope="session")
def gpt2_tokenizer():
    """The original vocabulary of 50,257 tokens."""
    return GPT2Tokenizer(**GPT2Tokenizer.load_assets(presets_folder() / "nlp" / "gpt2"))


@pytest.fixture(scope="session")
def preprocessor(tokenizer):
    return GPT2CausalLMPreprocessor(tokenizer, sequence_length=24)


@pytest.fixture(scope="session")
def lm(preprocessor):
    """A tiny language model with a preprocessor, scaled up so that its choices are decided."""
    keras.utils.set_random_seed(0)
    lm = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny), preprocessor)
    for weight in lm.weights:
        weight.assign(weight * 8 if weight.name == "kernel" or "embedding" in weight.path else weight)
    return lm


@pytest.fixture(scope="session")
def bare_lm(lm):
    """The same network without a preprocessor."""
    return GPT2CausalLM(lm.backbone, preprocessor=None)


@pytest.fixture
def run(capsys):
    """`run(*arguments)` gives status, standard output and standard error of a command in this process."""

    from keras_zoo.cli import main

    def run(*arguments):
        try:
            status = main([str(x) for x in arguments])
        except SystemExit as left:
            status = left.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """A folder with a tiny embedder, and what loads from it."""
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8, "max_sequence_length": 16}
    backbone = BertBackbone(120, activation="gelu_approximate", **sizes)  # the one that every layout can say
    folder = tmp_path_factory.mktemp("presets") / "embedder"
    preprocessor = BertTextEmbedderPreprocessor(tiny_word_piece(BertTokenizer), sequence_length=16)
    BertTextEmbedder(backbone, preprocessor).save_to_preset(folder)
    return folder, BertTextEmbedder.from_preset(folder)
