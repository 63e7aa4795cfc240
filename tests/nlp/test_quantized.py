"""Weights in 8 bits: what becomes of the layers, of the text and of the perplexity."""

import keras
import numpy as np
import pytest

from keras_nlp.models import GPT2CausalLM

PRESET = "gpt2_tiny_en_prose"
PROSE = """
In the morning the old man went down to the river, and his daughter went with him, for she would not be left alone in
the house. They had not gone far when they met a boy who drove three white goats before him. Where do you come from,
said the old man, and whose are the goats? The boy answered that he came from beyond the hills, where the king had his
castle, and that the goats were his own, since his father had died in the winter and left him nothing else. Then the
girl took pity on him, and gave him half of the bread that she carried in her basket. He thanked her and said, I will
not forget this, and if ever you are in need, call three times upon the wind, and I shall hear it. So they parted, and
the old man laughed, but the girl looked after the boy until he was out of sight. When the summer was over there came
a great storm, and the river rose above its banks and took away the bridge and the mill, and at last it stood before
the door of the house. The people were afraid and fled to the church upon the hill, and all night long they heard the
water and the wind. Then the girl remembered what the boy had said to her, and she went out into the darkness alone.
"""


def perplexity(lm, parts):
    loss = keras.ops.convert_to_numpy(lm.score(parts, scoring_mode="loss"))
    return float(np.exp(loss.sum() / (loss > 0).sum()))


@pytest.fixture(scope="module")
def quantized():
    """The embedded preset in 8 bits, and its perplexity before."""
    lm = GPT2CausalLM.from_preset(PRESET)
    before = lm.generate("The king", max_new_tokens=4, sampler="greedy")
    figure = perplexity(lm, parts())
    lm.quantize("int8")
    return lm, figure, before


def parts():
    return [" ".join(PROSE.split()[i : i + 60]) for i in range(0, 240, 60)]


def test_only_weights_are_rounded(quantized):
    lm, _, _ = quantized
    block = lm.backbone.transformer_layers[0]
    for layer in (block.feedforward_output, block.attention.query_dense, lm.backbone.token_embedding):
        assert layer.inputs_quantizer is None
    for layer in (block.feedforward_output, block.attention.query_dense):
        assert keras.backend.standardize_dtype(layer.kernel.dtype) == "int8"
    assert keras.backend.standardize_dtype(lm.backbone.token_embedding.embeddings.dtype) == "int8"


def test_perplexity(quantized):
    lm, before, _ = quantized
    assert abs(perplexity(lm, parts()) / before - 1) < 0.01


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_written_is_scored_alike(quantized, count):
    """Generation has products of its own for 8-bit weights."""
    lm, _, before = quantized
    prompts = ["The king", "In the morning they", "She"][:count]
    texts, logprobs = lm.generate(prompts, max_new_tokens=12, sampler="greedy", return_logprobs=True)
    assert texts[0] != before[: len("The king")]
    for text, written in zip(texts, logprobs, strict=True):
        ids = lm.preprocessor.prompts(text)[0][0]
        loss = keras.ops.convert_to_numpy(lm.score(np.array([ids]), scoring_mode="loss"))[0]
        np.testing.assert_allclose(written, -loss[len(ids) - 1 - len(written) : len(ids) - 1], atol=0.05)
