"""Small models, and what a text ought to be: from the whole of it in one pass, with nothing in common with the loop.

Greedy text needs one pass, not one for each token: each token must be the best one given those before it.
"""

import functools
import tempfile

import keras
import numpy as np
import torch
import transformers

from keras_nlp.models import GPT2Backbone, GPT2CausalLM

ROWS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 1], [2, 2]]


@functools.cache
def small_lm(seed=1, vocabulary=12, noise=0.0, context=200):
    """A network of random weights whose text varies, the same on each backend; `noise` makes another one like it."""
    dims = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    lm = GPT2CausalLM(GPT2Backbone(vocabulary_size=vocabulary, max_sequence_length=context, **dims))
    random, other = np.random.default_rng(seed), np.random.default_rng(99)
    for weight in lm.weights:
        scale = {"kernel": 1.0, "embeddings": 0.5}.get(weight.name)
        if scale:
            weight.assign(random.normal(0, scale, weight.shape) + noise * other.normal(0, scale, weight.shape))
    return lm


@functools.cache
def transformers_pair():
    """A random transformers GPT-2 with clear choices, and the same network as ours."""
    torch.manual_seed(3)
    config = transformers.GPT2Config(vocab_size=30, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn_like(parameter) * (0.5 if "wte" in name or "wpe" in name else 1.0))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return model, GPT2CausalLM.from_preset(folder, preprocessor=None)


def texts_of_transformers(prompt, **options):
    """What the transformers model writes behind one prompt without drawing: lists of token ids, the best first."""
    mask = torch.ones(1, len(prompt), dtype=torch.int64)
    options |= {"do_sample": False, "early_stopping": False}
    written = transformers_pair()[0].generate(torch.tensor([prompt]), attention_mask=mask, **options)
    return written[:, len(prompt) :].tolist()


def tokens(*rows, width=None):
    width = width or max(map(len, rows))
    token_ids = np.array([row + [0] * (width - len(row)) for row in rows], "int32")
    return {"token_ids": token_ids, "padding_mask": np.arange(width) < np.array([[len(r)] for r in rows])}


def rows_of(outputs):
    """The rows of a token dictionary, without padding."""
    pairs = zip(outputs["token_ids"], outputs["padding_mask"], strict=True)
    return [ids[mask].tolist() for ids, mask in pairs]


def logits_of(lm, rows, width=48):
    """For each row the logits `(T, V)` of what follows each of its tokens; one shape, so that JAX compiles once."""
    padded = [*rows, *[rows[0]] * (-len(rows) % 16)]
    logits = keras.ops.convert_to_numpy(lm(tokens(*padded, width=width))).astype("float64")
    return [x[: len(row)] for x, row in zip(logits, rows, strict=False)]


def check_greedy(lm, prompts, texts, stops=(), process=lambda logits, text, prompt: logits, width=48):
    """Each token of `texts`, which begin with their prompts, is the best one; each text ends with the first stop token.

    `process(logits (V,), the text so far, the prompt)` changes the logits before.
    """
    for row, prompt, logits in zip(texts, prompts, logits_of(lm, texts, width), strict=True):
        assert row[: len(prompt)] == prompt
        best = [
            int(process(logits[place - 1].copy(), row[:place], prompt).argmax())
            for place in range(len(prompt), len(row))
        ]
        assert row[len(prompt) :] == best
        assert not set(row[len(prompt) : -1]) & set(stops)


def printable(lm):
    """Options under which each token is a whole character or several, so that no piece of a stream waits for the next.

    The byte-level tokenizer of `tiny_byte_pair` has tokens that are parts of characters.
    """
    decode, size = lm.preprocessor.tokenizer.decode, lm.backbone.vocabulary_size
    texts = decode([[i] for i in range(size)], skip_special_tokens=True)
    return {"bad_token_ids": [i for i, text in enumerate(texts) if not (text and text.isascii())]}


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def check_frequencies(observed, probabilities):
    """Chi-square of counts at the 1 in 10,000 level; what is rare counts as one."""
    assert observed[probabilities == 0].sum() == 0
    expected = probabilities / probabilities.sum() * observed.sum()
    often = expected >= 5
    expected = np.append(expected[often], expected[~often].sum())
    observed = np.append(observed[often], observed[~often].sum())
    kept = expected > 0
    freedom = max(kept.sum() - 1, 1)
    statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    # The quantile by Wilson and Hilferty; 3.719 is the normal distribution's.
    assert statistic < freedom * (1 - 2 / (9 * freedom) + 3.719 * (2 / (9 * freedom)) ** 0.5) ** 3
