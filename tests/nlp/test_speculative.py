"""Speculative decoding: a draft changes how fast the text comes, never which text, nor how often."""

import itertools

import keras
import numpy as np
import pytest
from test_samplers import left
from uncached import ROWS, check_frequencies, logits_of, printable, rows_of, small_lm, softmax, tokens

from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_nlp.models.gpt2 import FAMILY
from keras_nlp.samplers import BeamSampler, ContrastiveSampler, RandomSampler, Sampler, TopPSampler

pytestmark = pytest.mark.compiles_much

DRAFTS = {
    "like it": lambda: small_lm(noise=0.05),
    "itself": small_lm,
    "unlike it": lambda: small_lm(seed=5),
}
NEW = 20


@pytest.fixture(params=DRAFTS, scope="module")
def draft(request):
    return DRAFTS[request.param]()


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_greedy_text_of_one_prompt(draft, row):
    lm, options = small_lm(), {"max_new_tokens": NEW, "sampler": "greedy"}
    expected = lm.generate(tokens(ROWS[row]), **options)
    found = lm.generate(tokens(ROWS[row]), draft=draft, draft_tokens=2, **options)
    assert rows_of(found) == rows_of(expected)


def test_greedy_text_of_unequal_prompts(draft):
    """Rows advance by themselves; one that ends early does not end the others."""
    lm, options = small_lm(), {"max_new_tokens": NEW, "sampler": "greedy"}
    expected = rows_of(lm.generate(tokens(*ROWS), **options))
    options |= {"draft": draft, "draft_tokens": 2}
    assert rows_of(lm.generate(tokens(*ROWS), **options)) == expected
    stop = expected[0][9]
    cut = [row[: row.index(stop, len(p)) + 1] if stop in row[len(p) :] else row for row, p in zip(expected, ROWS)]
    assert len({len(row) - len(p) for row, p in zip(cut, ROWS)}) > 1
    assert rows_of(lm.generate(tokens(*ROWS), stop_token_ids=stop, **options)) == cut
    by_length = rows_of(lm.generate(tokens(*ROWS), **options | {"max_new_tokens": None, "max_length": 12}))
    assert by_length == [row[:12] for row in expected]


def test_default_number_of_drafted_tokens():
    lm, options = small_lm(), {"max_new_tokens": NEW, "sampler": "greedy"}
    found = lm.generate(tokens(ROWS[0]), draft=small_lm(noise=0.05), **options)
    assert rows_of(found) == rows_of(lm.generate(tokens(ROWS[0]), **options))


def test_how_much_of_a_draft_is_kept():
    """All of the model's own, so that a step writes one token more than was drafted; of another's less."""
    lm, written = small_lm(), {}
    for name, make in DRAFTS.items():
        request, loop = lm.request(ROWS, max_new_tokens=NEW, sampler="greedy", draft=make(), draft_tokens=2)
        states = request.run(loop, streaming=True)  # looks at the state after the first step
        before = keras.ops.convert_to_numpy(next(states).index)
        written[name] = (keras.ops.convert_to_numpy(next(states).index) - before)[: len(ROWS)]
    assert written["itself"].tolist() == [3] * len(ROWS)
    assert (written["unlike it"] >= 1).all() and written["unlike it"].sum() < written["itself"].sum()


def test_to_the_end_of_the_context():
    """Drafts that reach beyond the last position do no harm."""
    lm = small_lm(context=24)
    expected = lm.generate(tokens(*ROWS[:1]), sampler="greedy")
    found = lm.generate(tokens(*ROWS[:1]), sampler="greedy", draft=lm, draft_tokens=2)
    assert rows_of(found) == rows_of(expected) and found["padding_mask"].sum() == 24


def test_growing_cache():
    lm, options = small_lm(), {"max_new_tokens": 140, "sampler": "greedy"}
    found = lm.generate(tokens(ROWS[0]), draft=small_lm(noise=0.05), draft_tokens=2, **options)
    assert rows_of(found) == rows_of(lm.generate(tokens(ROWS[0]), **options))


def test_with_processors():
    """Which see each drafted token's own text, not that of the step's beginning."""
    lm, draft = small_lm(), small_lm(noise=0.05)
    options = {"max_new_tokens": NEW, "sampler": "greedy", "stop_token_ids": [5]}
    options |= {"frequency_penalty": 0.5, "no_repeat_ngram_size": 2, "min_new_tokens": 15}
    for row in ROWS[:2]:
        found = lm.generate(tokens(row), draft=draft, draft_tokens=2, **options)
        assert rows_of(found) == rows_of(lm.generate(tokens(row), **options))


@pytest.mark.parametrize(
    "sampler", [RandomSampler(temperature=1.5), TopPSampler(p=0.8, temperature=2.0)], ids=["random", "top_p"]
)
def test_joint_distribution(sampler):
    """Of the first four tokens: the first is the model's, the others are drafted, refused and kept in all ways."""
    size, new, count, prompt = 3, 4, 2048, [1, 2]
    lm, draft = small_lm(vocabulary=size), small_lm(seed=5, vocabulary=size)
    chances = {(): 1.0}
    for _ in range(new):
        texts = [text for text, chance in chances.items() if chance]
        logits = logits_of(lm, [[*prompt, *text] for text in texts])
        found = [left(sampler, softmax(x[-1] / sampler.temperature)) for x in logits]
        found = [p / p.sum() for p in found]
        chances = {(*text, token): chances[text] * p[token] for text, p in zip(texts, found) for token in range(size)}
    expected = np.array([chances.get(text, 0) for text in itertools.product(range(size), repeat=new)])
    assert abs(expected.sum() - 1) < 1e-6 and (expected * count > 5).sum() >= 16
    outputs = lm.generate(
        tokens(*[prompt] * count),
        max_new_tokens=new,
        sampler=sampler,
        seed=11,
        draft=draft,
        draft_tokens=2,
        batch_size=count,
    )
    assert outputs["padding_mask"].all()
    written = outputs["token_ids"][:, len(prompt) :]
    observed = np.bincount(written @ size ** np.arange(new)[::-1], minlength=size**new)
    check_frequencies(observed, expected)


def test_streaming(lm):
    """Rows that get on at different speed."""
    prompts = ["the king", "the queen went to the sea", "an"]
    options = {"max_new_tokens": 16, "sampler": "greedy"} | printable(lm)
    whole = lm.generate(prompts, strip_prompt=True, **options)
    options |= {"draft": GPT2CausalLM(GPT2Backbone(**FAMILY.tiny), lm.preprocessor), "draft_tokens": 2}
    assert "".join(lm.stream(prompts[0], **options)) == whole[0]
    pieces = list(lm.stream(prompts, **options))
    assert ["".join(texts) for texts in zip(*pieces, strict=True)] == whole


def test_log_probabilities(draft):
    lm, options = small_lm(), {"max_new_tokens": NEW, "sampler": "greedy", "return_logprobs": True}
    for row in ROWS[:2]:
        expected = lm.generate(tokens(row), **options)
        found = lm.generate(tokens(row), draft=draft, draft_tokens=2, **options)
        assert rows_of(found) == rows_of(expected)
        np.testing.assert_allclose(found["logprobs"], expected["logprobs"], atol=1e-4)


@pytest.mark.once
def test_what_cannot_be_a_draft(lm, tokenizer):
    model = small_lm()

    def refused(message, target=model, prompt=None, **options):
        options = {"draft": model, "max_new_tokens": 2, "sampler": "greedy"} | options
        with pytest.raises(ValueError, match=message):
            target.generate(tokens([1]) if prompt is None else prompt, **options)

    refused("the same vocabulary; this model has 12 tokens and the draft 4", draft=small_lm(vocabulary=4))
    refused("no shorter than the model's, 200", draft=small_lm(context=24))
    refused("draft must be a causal language model; got str", draft="gpt2")
    refused("draft must be a causal language model; got GPT2Backbone", draft=model.backbone)
    refused("draft_tokens must be a whole number of at least 1; got 0", draft_tokens=0)
    for sampler in ("beam", "contrastive", BeamSampler(1), ContrastiveSampler(k=1), Sampler()):
        refused("cannot judge drafts", sampler=sampler)
    vocabulary = dict(zip(tokenizer.get_vocabulary(), range(300), strict=True))
    first, second = list(vocabulary)[70:72]
    vocabulary |= {first: vocabulary[second], second: vocabulary[first]}
    other = GPT2CausalLMPreprocessor(GPT2Tokenizer(vocabulary, tokenizer.merges), sequence_length=24)
    refused("not the same tokens", target=lm, prompt="the", draft=GPT2CausalLM(lm.backbone, other))
