"""Many prompts: batches, their order, progress, and what happens when memory runs out."""

import warnings

import keras
import numpy as np
import pytest
from uncached import rows_of, small_lm, tokens

from keras_nlp.samplers import BeamSampler, GreedySampler, RandomSampler

pytestmark = pytest.mark.compiles_much

PROMPTS = ["the king", "an", "the queen went to the sea", "of", "the moon and the", "a", "stars", "old man", "", "so"]
OPTIONS = {"max_new_tokens": 5, "sampler": "greedy"}


@pytest.fixture(scope="module")
def texts(lm):
    """The prompts' texts from one batch."""
    return lm.generate(PROMPTS, **OPTIONS)


@pytest.mark.parametrize("batch_size", [4, 1])
def test_order_and_batches(lm, texts, batch_size):
    seen = []
    found = lm.generate(PROMPTS, batch_size=batch_size, callback=lambda *batch: seen.append(batch), **OPTIONS)
    assert found == texts
    sizes = [4, 4, 2] if batch_size == 4 else [1] * 10
    assert [len(numbers) for numbers, _ in seen] == sizes
    assert sorted(i for numbers, _ in seen for i in numbers) == list(range(10))
    for numbers, outputs in seen:
        assert outputs == [texts[i] for i in numbers]
    lengths = [len(lm.preprocessor.tokenizer(PROMPTS[i])) for numbers, _ in seen for i in numbers]
    assert lengths == sorted(lengths, reverse=True)


def test_callback(lm, texts):
    """As what is asked for: strings with or without their prompts, one for a string, lists of ids, lists of beams."""
    seen = []

    def callback(numbers, outputs):
        seen.append((list(numbers), outputs))

    lm.generate(PROMPTS[0], callback=callback, **OPTIONS)
    assert seen.pop() == ([0], [texts[0]])
    bare = lm.generate(PROMPTS[:2], callback=callback, strip_prompt=True, **OPTIONS)
    numbers, outputs = seen.pop()
    assert [bare[i] for i in numbers] == outputs and bare[0] == texts[0].removeprefix(PROMPTS[0])
    rows = [[1, 2, 3], [4], [5, 6]]
    small = small_lm()
    whole = rows_of(small.generate(tokens(*rows), callback=callback, return_logprobs=True, batch_size=2, **OPTIONS))
    assert [numbers for numbers, _ in seen] == [[0, 2], [1]]
    assert [outputs for _, outputs in seen] == [[whole[0], whole[2]], [whole[1]]]


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_bad_batch_size(lm, batch_size):
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        lm.generate(PROMPTS, batch_size=batch_size, **OPTIONS)


def test_batches_draw_by_themselves(lm):
    """The same prompt in each batch becomes another text in each, the same ones for the same seed."""
    options = {"max_new_tokens": 8, "sampler": RandomSampler(temperature=3.0), "batch_size": 2, "stop_token_ids": None}
    found = lm.generate(["the"] * 6, seed=1, **options)
    assert len(set(found)) == 6
    assert lm.generate(["the"] * 6, seed=1, **options) == found
    assert lm.generate(["the"] * 6, seed=2, **options) != found


def test_progress(lm, capsys):
    def shown(**options):
        lm.generate(PROMPTS, **OPTIONS, **options)
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    assert "10/10" in shown(verbose=True, batch_size=4)
    assert "10/10" in shown(verbose=True)
    assert shown(verbose=False, batch_size=4) == shown(batch_size=4) == shown() == ""  # no terminal here


# Memory.

ERRORS = [
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 34359738368 bytes."),  # JAX
    RuntimeError("{{function_node __wrapped__}} ResourceExhaustedError: OOM when allocating tensor"),  # TensorFlow
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB."),  # torch
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
    MemoryError(),
]


def without_memory(monkeypatch, lm, sampler, most, error):
    """From now on `prefill` of the loop fails with `error` for more than `most` rows; returns the sizes it sees."""
    loop, sizes = lm.loop(sampler), []
    prefill = loop.prefill

    def limited(weights, prompt, *args):
        sizes.append(prompt.shape[0])
        if prompt.shape[0] > most:
            raise error
        return prefill(weights, prompt, *args)

    monkeypatch.setattr(loop, "prefill", limited)
    return sizes


@pytest.mark.parametrize("error", ERRORS, ids=["jax", "tensorflow", "cuda", "cpu", "python"])
def test_out_of_memory(lm, texts, monkeypatch, error):
    sizes = without_memory(monkeypatch, lm, GreedySampler(), 2, error)
    seen = []
    with pytest.warns(UserWarning, match="Memory ran out for a batch of 4 prompts; going on with 2 at a time"):
        found = lm.generate(PROMPTS, batch_size=4, callback=lambda *batch: seen.append(batch), **OPTIONS)
    assert found == texts and max(sizes) == 4
    assert [len(numbers) for numbers, _ in seen] == [2] * 5 and sizes.count(4) == 1  # one attempt is enough
    for numbers, outputs in seen:
        assert outputs == [texts[i] for i in numbers]


def test_out_of_memory_again_and_again(lm, texts, monkeypatch):
    """Halved until it fits, odd sizes too."""
    sizes = without_memory(monkeypatch, lm, GreedySampler(), 1, ERRORS[0])
    with pytest.warns(UserWarning, match="batch of 3") as record:
        assert lm.generate(PROMPTS, batch_size=5, **OPTIONS) == texts
    assert any("batch of 5 prompts; going on with 3" in str(w.message) for w in record) and sizes.count(1) == 10


def test_halves_draw_by_themselves(lm, monkeypatch):
    sampler = RandomSampler(temperature=3.0)
    without_memory(monkeypatch, lm, sampler, 2, ERRORS[0])
    with pytest.warns(UserWarning, match="Memory ran out"):
        found = lm.generate(["the"] * 6, max_new_tokens=8, sampler=sampler, batch_size=4, stop_token_ids=None, seed=1)
    assert len(set(found)) == 6


@pytest.mark.parametrize(
    ("error", "most"),
    [(RuntimeError("shapes do not fit"), 2), (ValueError("memory"), 2), (KeyboardInterrupt(), 2), (ERRORS[0], 0)],
    ids=["another", "value", "interrupt", "one prompt"],
)
def test_other_errors_are_raised(lm, monkeypatch, error, most):
    """And so is that a single prompt does not fit."""
    without_memory(monkeypatch, lm, GreedySampler(), most, error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if most == 0 else "error")
        with pytest.raises(type(error)) as caught:
            lm.generate(PROMPTS[:4], batch_size=4, **OPTIONS)
    assert caught.value is error


# Data sets, whose batches are batches of their own.


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


def test_data_sets_are_numbered_throughout(tf, lm, texts):
    seen = []
    dataset = tf.data.Dataset.from_tensor_slices(PROMPTS).batch(4)
    assert lm.generate(dataset, callback=lambda *batch: seen.append(batch), **OPTIONS) == texts
    assert sorted(i for numbers, _ in seen for i in numbers) == list(range(10))
    for numbers, outputs in seen:
        assert outputs == [texts[i] for i in numbers]


def test_data_sets_with_log_probabilities(tf, lm):
    dataset = tf.data.Dataset.from_tensor_slices(PROMPTS[:6]).batch(4)
    expected, numbers = lm.generate(PROMPTS[:6], return_logprobs=True, **OPTIONS)
    found = lm.generate(dataset, return_logprobs=True, **OPTIONS)
    assert isinstance(found, tuple) and found[0] == expected
    for a, b in zip(found[1], numbers, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_data_sets_of_token_dictionaries_with_all_beams(tf):
    lm, rows = small_lm(), [[1, 2], [3, 4, 5], [6], [7, 8], [9], [1]]
    options = {"max_new_tokens": 4, "sampler": BeamSampler(3, return_all_beams=True)}
    dataset = tf.data.Dataset.from_tensor_slices(tokens(*rows)).batch(4)
    expected, found = lm.generate(tokens(*rows), **options), lm.generate(dataset, **options)
    np.testing.assert_array_equal(found["token_ids"], expected["token_ids"])
    np.testing.assert_array_equal(found["padding_mask"], expected["padding_mask"])
    assert keras.ops.shape(found["token_ids"]) == (6, 3, 7)
