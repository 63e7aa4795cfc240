"""Logit processors against their definitions in plain Python."""

from collections import Counter

import keras
import numpy as np
import pytest
from uncached import ROWS, check_greedy, rows_of, small_lm, texts_of_transformers, tokens, transformers_pair

from keras_nlp.generation import State
from keras_nlp.samplers import BeamSampler, NoRepeatNGram
from keras_nlp.samplers.processors import counts, new_places, real_places

pytestmark = pytest.mark.compiles_much

STOP = 5


def repetition(penalty):
    def process(logits, text, prompt):
        for token in set(text):
            logits[token] *= penalty if logits[token] < 0 else 1 / penalty
        return logits

    return process


def presence(penalty):
    return lambda logits, text, prompt: logits - penalty * np.isin(np.arange(len(logits)), text[len(prompt) :])


def frequency(penalty):
    def process(logits, text, prompt):
        for token, count in Counter(text[len(prompt) :]).items():
            logits[token] -= penalty * count
        return logits

    return process


def following(text, size):
    """The tokens that would make the text's last `size` tokens occur a second time."""
    grams = [text[i : i + size] for i in range(len(text) - size + 1)]
    return [gram[-1] for gram in grams if gram[:-1] == text[len(text) - size + 1 :]]


def no_repeat(size):
    def process(logits, text, prompt):
        logits[following(text, size)] = -np.inf
        return logits

    return process


def bad(token_ids):
    def process(logits, text, prompt):
        logits[token_ids] = -np.inf
        return logits

    return process


def min_new(count):
    def process(logits, text, prompt):
        if len(text) - len(prompt) < count:
            logits[STOP] = -np.inf
        return logits

    return process


PLAIN = {
    "repetition_penalty": repetition,
    "presence_penalty": presence,
    "frequency_penalty": frequency,
    "no_repeat_ngram_size": no_repeat,
    "bad_token_ids": bad,
    "min_new_tokens": min_new,
}


@pytest.mark.parametrize(
    "options",
    [
        {"repetition_penalty": 1.7},
        {"repetition_penalty": 0.6},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.8},
        {"no_repeat_ngram_size": 2},
        {"bad_token_ids": [0, 3, 3]},
        {"min_new_tokens": 9},
        {"repetition_penalty": 1.2, "frequency_penalty": 0.3, "no_repeat_ngram_size": 3, "min_new_tokens": 9},
    ],
    ids=lambda options: " ".join(options),
)
def test_greedy_text(options):
    """In a batch of unequal prompts, which are padded; with a stop token where its processor is there."""
    lm, prompts, new = small_lm(), [[1, 2, 1, 2], [4], [5, 6, 7, 8, 9, 1], [2, 2]], 14
    stops = [STOP] if "min_new_tokens" in options else []
    options = options | {"max_new_tokens": new, "sampler": "greedy", "stop_token_ids": stops}

    def process(logits, text, prompt):
        for name, make in PLAIN.items():
            if name in options:
                logits = make(options[name])(logits, text, prompt)
        return logits

    found = rows_of(lm.generate(tokens(*prompts), **options))
    check_greedy(lm, prompts, found, stops, process)
    lengths = [len(row) - len(prompt) for row, prompt in zip(found, prompts, strict=True)]
    assert lengths == [new] * 4 or (stops and 9 < min(lengths) < new)
    for name in PLAIN:
        options.pop(name, None)
    assert rows_of(lm.generate(tokens(*prompts), **options)) != found


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_ngrams_of_random_texts(size):
    """Short texts, shorter than an n-gram too, whose padding holds tokens like any other."""
    random = np.random.default_rng(0)
    count, index = 64, 12
    texts = random.integers(0, 3, (count, 20)).astype("int32")
    start = random.integers(0, index, count).astype("int32")
    fields = dict.fromkeys(State._fields)
    tensors = {"tokens": texts, "start": start, "index": np.int32(index), "prompt": np.int32(9)}
    state = State(**fields | {name: keras.ops.convert_to_tensor(x) for name, x in tensors.items()})
    logits = keras.ops.zeros((count, 3), "float32")
    found = keras.ops.convert_to_numpy(NoRepeatNGram(size)(logits, state))
    expected = np.zeros((count, 3))
    for row, text, first in zip(expected, texts.tolist(), start, strict=True):
        row[following(text[first:index], size)] = -np.inf
    np.testing.assert_array_equal(found, expected)
    assert np.isinf(expected).any() and not np.isinf(expected).all()


def test_a_function_of_ones_own():
    """It sees the text and what of it is new; two functions do not share a program."""

    def sparing(logits, state):
        """As a frequency penalty on what is new, and a smaller one on the prompt."""
        size = logits.shape[-1]
        return (
            logits
            - 0.5 * counts(state.tokens, new_places(state), size)
            - counts(state.tokens, real_places(state), size)
        )

    def process(logits, text, prompt):
        for token in text:
            logits[token] -= 1
        for token in text[len(prompt) :]:
            logits[token] -= 0.5
        return logits

    lm, options = small_lm(), {"max_new_tokens": 10, "sampler": "greedy"}
    found = rows_of(lm.generate(tokens(*ROWS), logit_processors=sparing, **options))
    check_greedy(lm, ROWS, found, process=process)
    assert rows_of(lm.generate(tokens(*ROWS), logit_processors=[sparing], **options)) == found
    always = [lambda logits, state, t=t: keras.ops.one_hot([t], logits.shape[-1]) + 0 * logits for t in (3, 4)]
    for token, function in zip((3, 4), always, strict=True):
        rows = rows_of(lm.generate(tokens(*ROWS), logit_processors=[function], **options))
        assert all(row[-10:] == [token] * 10 for row in rows)


PROMPTS = [[1, 2, 1, 2], [4], [5, 6, 7, 8, 9, 1, 20, 21], [2, 2]]


@pytest.mark.parametrize(
    ("options", "num_beams"),
    [
        ({"repetition_penalty": 1.5}, 1),
        ({"no_repeat_ngram_size": 2}, 1),
        ({"repetition_penalty": 1.2, "no_repeat_ngram_size": 2}, 3),
    ],
    ids=["repetition", "n-grams", "both with beams"],
)
def test_text_of_transformers(options, num_beams):
    lm, new = transformers_pair()[1], 14
    theirs = {"max_new_tokens": new, "num_beams": num_beams, "pad_token_id": 0, "eos_token_id": None} | options
    expected = [[*prompt, *texts_of_transformers(prompt, **theirs)[0]] for prompt in PROMPTS]
    sampler = "greedy" if num_beams == 1 else BeamSampler(num_beams)
    assert rows_of(lm.generate(tokens(*PROMPTS), max_new_tokens=new, sampler=sampler, **options)) == expected


def test_no_stop_before_the_fewest_new_tokens():
    """A row that would stop at once goes on for as many tokens as it must, and may stop then."""
    lm = small_lm()

    def stopping(logits, state):
        return logits + 100 * keras.ops.one_hot([STOP], logits.shape[-1])

    options = {"max_new_tokens": 12, "sampler": "greedy", "stop_token_ids": STOP}
    for count in (4, 30):
        rows = rows_of(lm.generate(tokens(*ROWS), logit_processors=[stopping], min_new_tokens=count, **options))
        for row, prompt in zip(rows, ROWS, strict=True):
            text = row[len(prompt) :]
            assert len(text) == min(count + 1, 12) and STOP not in text[:-1] and (text[-1] == STOP) == (count == 4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repetition_penalty": 0}, "repetition_penalty must be greater than 0; got 0"),
        ({"repetition_penalty": -1.0}, "repetition_penalty must be greater than 0"),
        ({"no_repeat_ngram_size": 0}, "no_repeat_ngram_size must be a whole number of at least 1; got 0"),
        ({"no_repeat_ngram_size": 1.5}, "no_repeat_ngram_size must be a whole number"),
        ({"bad_token_ids": []}, "bad_token_ids must be token ids"),
        ({"bad_token_ids": [-1]}, "bad_token_ids must be token ids"),
        ({"bad_token_ids": [1.5]}, "bad_token_ids must be token ids"),
        ({"bad_token_ids": [[1]]}, "bad_token_ids must be token ids"),
        ({"bad_token_ids": [3, 12]}, r"bad_token_ids must be token ids in \[0, 12\); got \[3, 12\]"),
        ({"bad_token_ids": list(range(12))}, "fewer than the vocabulary has; got 'all of them'"),
        ({"min_new_tokens": -1}, "min_new_tokens must be a whole number of at least 0; got -1"),
        ({"logit_processors": [3]}, r"A logit processor is a function \(logits, state\) -> logits; got 3"),
        ({"logit_processors": ["repetition_penalty"]}, "A logit processor is a function .*got 'repetition_penalty'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        small_lm().generate(tokens([1]), max_new_tokens=2, **options)


@pytest.mark.once
def test_unknown_options(lm):
    with pytest.raises(TypeError, match=r"generate has no options \['temprature', 'top_q'\].*'bad_token_ids'"):
        lm.generate("the", max_new_tokens=2, temprature=1.0, top_q=2)
    with pytest.raises(TypeError, match=r"no options \['num_beams'\]"):
        list(lm.stream("the", max_new_tokens=2, num_beams=1))
    with pytest.raises(TypeError, match=r"no options \['num_beams'\]"):
        lm.session().generate("the", num_beams=1)
