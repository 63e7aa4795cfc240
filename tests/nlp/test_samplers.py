"""Samplers: what they draw from, and the searches against witnesses of their own."""

import keras
import numpy as np
import pytest
from uncached import (
    ROWS,
    check_frequencies,
    logits_of,
    rows_of,
    small_lm,
    softmax,
    texts_of_transformers,
    tokens,
    transformers_pair,
)

from keras_nlp import samplers
from keras_nlp.models import GPT2CausalLM
from keras_nlp.samplers import (
    BeamSampler,
    ContrastiveSampler,
    DrawingSampler,
    GreedySampler,
    MinPSampler,
    RandomSampler,
    TopKSampler,
    TopPSampler,
    TypicalSampler,
)

pytestmark = pytest.mark.compiles_much

# Names, configurations and arguments.


@pytest.mark.parametrize("name", samplers.BY_NAME)
def test_every_name_writes(name):
    lm = small_lm()
    by_name = lm.generate(tokens(*ROWS), max_new_tokens=5, sampler=name, seed=3)
    assert by_name["padding_mask"].sum(1).tolist() == [len(row) + 5 for row in ROWS]
    sampler = samplers.get(name)
    assert type(sampler) is samplers.BY_NAME[name] and samplers.get(sampler) is sampler
    again = lm.generate(tokens(*ROWS), max_new_tokens=5, sampler=sampler, seed=3)
    assert rows_of(again) == rows_of(by_name)


def test_compiled_with_a_name_an_object_or_per_call():
    lm = small_lm()
    model = GPT2CausalLM(lm.backbone)
    model.compile(sampler="top_p")
    assert type(model.sampler) is TopPSampler
    expected = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=5, sampler="top_p", seed=3))
    assert rows_of(model.generate(tokens(*ROWS), max_new_tokens=5, seed=3)) == expected
    model.compile(sampler=RandomSampler(seed=3))
    expected = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=5, sampler="random", seed=3))
    assert rows_of(model.generate(tokens(*ROWS), max_new_tokens=5)) == expected
    greedy = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=5, sampler="greedy"))
    assert rows_of(model.generate(tokens(*ROWS), max_new_tokens=5, sampler=GreedySampler())) == greedy != expected


SAMPLERS = [
    GreedySampler(),
    RandomSampler(seed=1, temperature=0.7),
    TopKSampler(k=3, seed=2, temperature=1.5),
    TopPSampler(p=0.6, k=9, seed=3, temperature=0.9),
    MinPSampler(min_p=0.3, seed=4, temperature=2.0),
    TypicalSampler(p=0.4, seed=5, temperature=1.1),
    BeamSampler(num_beams=3, return_all_beams=True, length_penalty=0.5, temperature=1.2, seed=6),
    ContrastiveSampler(k=4, alpha=0.3, seed=7, temperature=1.3),
]


@pytest.mark.once
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_configurations(sampler):
    stored = keras.saving.serialize_keras_object(sampler)
    copies = [type(sampler).from_config(sampler.get_config()), keras.saving.deserialize_keras_object(stored)]
    for copy in [*copies, samplers.get(stored)]:
        assert type(copy) is type(sampler) and copy.get_config() == sampler.get_config()
        assert copy.program_key() == sampler.program_key() and copy.seed == sampler.seed


@pytest.mark.once
def test_every_sampler_has_its_configuration_tested():
    assert {type(s) for s in SAMPLERS} == set(samplers.BY_NAME.values())


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopKSampler(k=0), "k must be a whole number of at least 1; got 0"),
        (lambda: TopKSampler(k=2.0), "k must be a whole number"),
        (lambda: TopPSampler(p=0), "p must be greater than 0 and at most 1; got 0"),
        (lambda: TopPSampler(p=1.5), "p must be greater than 0 and at most 1; got 1.5"),
        (lambda: TopPSampler(p=0.5, k=0), "k must be None or a whole number of at least 1; got 0"),
        (lambda: TypicalSampler(p=0), "p must be greater than 0"),
        (lambda: TypicalSampler(p=1.5), "p must be .* at most 1"),
        (lambda: MinPSampler(min_p=-1), "min_p must be between 0 and 1; got -1"),
        (lambda: MinPSampler(min_p=1.1), "min_p must be between 0 and 1"),
        (lambda: BeamSampler(num_beams=0), "num_beams must be a whole number of at least 1; got 0"),
        (lambda: BeamSampler(num_beams=True), "num_beams must be a whole number"),
        (lambda: ContrastiveSampler(k=0), "k must be a whole number of at least 1"),
        (lambda: ContrastiveSampler(alpha=2), "alpha must be between 0 and 1; got 2"),
        (lambda: RandomSampler(temperature=0), "temperature must be greater than 0"),
        (lambda: RandomSampler(temperature=float("inf")), "temperature must be greater than 0"),
        (lambda: BeamSampler(length_penalty=float("nan")), "length_penalty must be a finite number; got nan"),
        (lambda: TopPSampler(temperature=-1.0), "temperature must be greater than 0"),
        (lambda: BeamSampler(temperature=float("nan")), "temperature must be greater than 0"),
        (lambda: samplers.get("nucleus"), "Unknown sampler 'nucleus'; give one of .*'beam', 'contrastive'"),
        (lambda: samplers.get(None), "Unknown sampler None"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# What is drawn from.


def fewest(p, score, mass):
    """By sorting: where `p` is among the best by score that sum to `mass`, ties with the last included."""
    order = np.argsort(-score, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    last = order[np.flatnonzero(before < mass)[-1]]
    return score >= score[last]


def typicality(p):
    surprise = -np.log(np.where(p > 0, p, 1e-300))
    return -np.abs(surprise - (p * surprise).sum())


def left(sampler, p):
    """What a sampler ought to leave of a distribution `(V,)`."""
    order, keep = np.argsort(-p, kind="stable"), np.ones_like(p, bool)
    k = getattr(sampler, "k", None)
    k = None if k is not None and k >= p.size else k
    if k is not None:
        keep = np.isin(np.arange(p.size), order[:k])
    if isinstance(sampler, TopPSampler) and k is None:
        keep = fewest(p, p, sampler.p)
    elif isinstance(sampler, TopPSampler):
        keep &= np.isin(np.arange(p.size), order[np.cumsum(p[order]) - p[order] < sampler.p])
    elif isinstance(sampler, MinPSampler):
        keep = p >= sampler.min_p * p.max()
    elif isinstance(sampler, TypicalSampler):
        keep = fewest(p, typicality(p), sampler.p)
    return np.where(keep, p, 0)


def distributions():
    """Random ones, flat and steep, and those that a search for a threshold could trip over; float32 `(B, 40)`."""
    random, size = np.random.default_rng(0), 40

    def padded(*p):
        return np.array([*p] + [0.0] * (size - len(p)))

    rows = [random.dirichlet(np.full(size, a)) for a in (0.02, 0.1, 0.3, 1, 10) for _ in range(4)]
    rows += [softmax(random.normal(0, s, size)) for s in (0.1, 3, 30)]
    rows += [
        padded(1.0),
        padded(0.0, 0.0, 1.0),
        np.full(size, 1 / size),
        padded(*[1 / 32] * 32),
        padded(0.5, 0.25, 0.25),
        padded(0.25, 0.5, 0.125, 0.125),
        padded(*[0.125] * 4, 0.5),
        padded(1 - 1e-6, 1e-6),
        softmax(np.append(np.zeros(2), np.full(size - 2, -80.0))),
        softmax(np.append(0.0, -np.linspace(5, 103, size - 1))),
    ]
    return np.array(rows).astype("float32")


def tied(p):
    order = np.argsort(typicality(p))
    return bool(((np.diff(typicality(p)[order]) < 1e-5) & (np.diff(p[order]) != 0) & (p[order][1:] > 1e-6)).any())


@pytest.mark.parametrize(
    "sampler",
    [
        TopKSampler(k=3),
        TopKSampler(k=100),
        *(TopPSampler(p=p) for p in (1e-6, 0.1, 0.5, 0.75, 0.9, 0.999, 1)),
        *(TopPSampler(p=p, k=k) for p, k in ((0.5, 5), (0.999, 3), (1, 2), (0.75, 100), (1e-6, 5))),
        *(MinPSampler(min_p=m) for m in (0, 0.05, 0.5, 1)),
        *(TypicalSampler(p=p) for p in (1e-6, 0.2, 0.75, 0.9, 1)),
        RandomSampler(),
        GreedySampler(),
    ],
    ids=lambda s: f"{type(s).__name__} {[v for k, v in s.get_config().items() if k not in ('seed', 'temperature')]}",
)
def test_what_is_left_of_a_distribution(sampler):
    given = distributions()
    if isinstance(sampler, TypicalSampler):  # where more and less probable ones tie, rounding decides
        given = given[[not tied(p.astype("float64")) for p in given]]
    found = keras.ops.convert_to_numpy(sampler.truncate(keras.ops.convert_to_tensor(given)))
    assert found.shape == given.shape and (found.max(axis=1) > 0).all()
    if isinstance(sampler, GreedySampler):
        np.testing.assert_array_equal(found, np.eye(given.shape[1])[given.argmax(1)])
        return
    assert ((found == given) | (found == 0)).all()
    expected = np.array([left(sampler, p) for p in given.astype("float64")])
    if getattr(sampler, "k", None) is not None:  # of equals any may be among the k
        found, expected = np.sort(found), np.sort(expected)
    np.testing.assert_allclose(found, expected, atol=1e-6)  # what is rarer is beyond a float32 sum


@pytest.mark.parametrize(
    "sampler",
    [
        RandomSampler(),
        RandomSampler(temperature=2.0),
        TopKSampler(k=3, temperature=1.5),
        TopPSampler(p=0.7, temperature=1.3),
        TopPSampler(p=0.8, k=4, temperature=2.0),
        MinPSampler(min_p=0.15, temperature=1.6),
        TypicalSampler(p=0.6, temperature=1.4),
    ],
    ids=lambda s: f"{type(s).__name__} {s.temperature}",
)
def test_frequencies_follow_the_distribution(sampler):
    lm, prompt, count = small_lm(), [3, 4, 5], 2048
    probabilities = left(sampler, softmax(logits_of(lm, [prompt])[0][-1] / sampler.temperature))
    assert (probabilities > 0.05).sum() >= 2
    outputs = lm.generate(tokens(*[prompt] * count), max_new_tokens=1, sampler=sampler, seed=7, batch_size=count)
    check_frequencies(np.bincount(outputs["token_ids"][:, 3], minlength=12), probabilities)


def test_drawing_sampler_of_ones_own():
    class Odd(DrawingSampler):
        def truncate(self, probabilities):
            return probabilities * keras.ops.convert_to_tensor(np.arange(probabilities.shape[-1]) % 2, "float32")

    prompt, count = [3, 4, 5], 2048
    lm = small_lm()
    outputs = lm.generate(tokens(*[prompt] * count), max_new_tokens=1, sampler=Odd(), seed=7, batch_size=count)
    probabilities = softmax(logits_of(lm, [prompt])[0][-1]) * (np.arange(12) % 2)
    check_frequencies(np.bincount(outputs["token_ids"][:, 3], minlength=12), probabilities)


# Beam search.

PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 1, 20, 21], [2, 2], [29, 0]]


def beams_of_transformers(sampler, stop, new):
    """For each prompt by itself the texts of all beams, best first, each up to its stop token."""
    options = {
        "max_new_tokens": new,
        "num_beams": sampler.num_beams,
        "num_return_sequences": sampler.num_beams,
        "length_penalty": sampler.length_penalty,
        "eos_token_id": stop,
        "pad_token_id": stop or 0,
    }
    found = [texts_of_transformers(prompt, **options) for prompt in PROMPTS]
    return [[row[: row.index(stop) + 1] if stop in row else row for row in rows] for rows in found]


def all_beams(lm, prompts, **options):
    outputs = lm.generate(tokens(*prompts), **options)
    assert outputs["token_ids"].ndim == 3
    pairs = zip(outputs["token_ids"], outputs["padding_mask"], prompts, strict=True)
    return [[r[len(p) :] for r in rows_of({"token_ids": i, "padding_mask": m})] for i, m, p in pairs]


@pytest.mark.parametrize(("num_beams", "length_penalty"), [(1, 1.0), (3, 0.5), (4, 1.0), (3, 2.0)])
def test_beam_search_is_that_of_transformers(num_beams, length_penalty):
    """All beams, of a batch of unequal prompts here and one prompt at a time there, with and without a stop token."""
    lm, new = transformers_pair()[1], 12
    sampler = BeamSampler(num_beams, return_all_beams=True, length_penalty=length_penalty)
    free = beams_of_transformers(sampler, None, new)
    assert all_beams(lm, PROMPTS, max_new_tokens=new, sampler=sampler) == free
    stop = free[0][0][4]
    stopped = beams_of_transformers(sampler, stop, new)
    assert all_beams(lm, PROMPTS, max_new_tokens=new, sampler=sampler, stop_token_ids=stop) == stopped
    lengths = [len(row) for beams in stopped for row in beams]
    assert min(lengths) < new and max(lengths) == new and any(row[-1] == stop for beams in stopped for row in beams)


def test_the_best_beam_and_all_of_them():
    lm, options = transformers_pair()[1], {"max_new_tokens": 12, "stop_token_ids": [7]}
    beams = lm.generate(tokens(*PROMPTS), sampler=BeamSampler(3, return_all_beams=True), **options)
    best = lm.generate(tokens(*PROMPTS), sampler=BeamSampler(3), **options)
    for name in ("token_ids", "padding_mask"):
        np.testing.assert_array_equal(beams[name][:, 0], best[name])


def test_one_beam_is_greedy():
    lm = transformers_pair()[1]
    greedy = lm.generate(tokens(*PROMPTS), max_new_tokens=12, sampler="greedy")
    one = lm.generate(tokens(*PROMPTS), max_new_tokens=12, sampler=BeamSampler(1))
    assert rows_of(one) == rows_of(greedy)


def test_all_beams_of_strings(lm):
    sampler = BeamSampler(3, return_all_beams=True)
    options = {"max_new_tokens": 10, "sampler": sampler, "strip_prompt": True}
    texts, logprobs = lm.generate(["the king", "an"], return_logprobs=True, **options)
    assert [len(beams) for beams in texts] == [len(beams) for beams in logprobs] == [3, 3]
    for beams, scores in zip(texts, logprobs, strict=True):
        assert all(isinstance(text, str) for text in beams)
        means = [np.sum(x) / len(x) ** sampler.length_penalty for x in scores]
        assert means == sorted(means, reverse=True)
    single = lm.generate("the king", **options)
    assert single == texts[0]


def test_scores_of_beams_recomputed():
    """Best first by the log-probability that `score` gives; a beam that has met its stop token stays as it is."""
    lm, prompts, penalty = transformers_pair()[1], PROMPTS, 0.5
    sampler = BeamSampler(4, return_all_beams=True, length_penalty=penalty)
    stop = rows_of(lm.generate(tokens(prompts[0]), max_new_tokens=5, sampler="greedy"))[0][-1]
    outputs = lm.generate(
        tokens(*prompts), max_new_tokens=12, sampler=sampler, stop_token_ids=stop, return_logprobs=True
    )
    assert outputs["token_ids"].shape == outputs["padding_mask"].shape == outputs["logprobs"].shape == (5, 4, 20)
    ended = []
    for i, prompt in enumerate(prompts):
        ids, mask, logprobs = (outputs[name][i] for name in ("token_ids", "padding_mask", "logprobs"))
        loss = keras.ops.convert_to_numpy(lm.score(ids, mask, scoring_mode="loss"))
        loss = np.pad(loss, ((0, 0), (1, 0)))[:, :-1] * (np.arange(20) >= len(prompt))
        np.testing.assert_allclose(logprobs, -loss, atol=1e-4)
        written = [row[len(prompt) :] for row in rows_of({"token_ids": ids, "padding_mask": mask})]
        scores = -loss.sum(1) / np.array([len(row) for row in written]) ** penalty
        assert (np.diff(scores) <= 1e-4).all()
        assert len({tuple(row) for row in written}) == 4
        for row in written:
            assert stop not in row[:-1] and (len(row) == 12 or row[-1] == stop)
            ended.append(len(row) < 12)
    assert any(ended) and not all(ended)


# Contrastive search.


def contrastive(lm, prompts, new, k, alpha):
    """Every candidate of every step through the whole network."""
    texts = [list(prompt) for prompt in prompts]
    for _ in range(new):
        tried, chances = [], []
        for text, logits in zip(texts, logits_of(lm, texts), strict=True):
            chance = softmax(logits[-1])
            best = np.argsort(-chance, kind="stable")[:k]
            tried += [[*text, int(token)] for token in best]
            chances += chance[best].tolist()
        hidden = keras.ops.convert_to_numpy(lm.backbone(tokens(*tried, width=48))).astype("float64")
        hidden /= np.linalg.norm(hidden, axis=-1, keepdims=True)
        scores = []
        for text, states, chance in zip(tried, hidden, chances, strict=True):
            likeness = states[: len(text) - 1] @ states[len(text) - 1]
            scores.append((1 - alpha) * chance - alpha * likeness.max())
        best = np.array(scores).reshape(-1, k).argmax(1)
        texts = [tried[i * k + j] for i, j in enumerate(best)]
    return texts


@pytest.mark.parametrize("alpha", [0.6, 0.3])
def test_contrastive_search(alpha):
    lm, new = small_lm(), 8
    outputs = lm.generate(tokens(*ROWS), max_new_tokens=new, sampler=ContrastiveSampler(k=4, alpha=alpha))
    greedy = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=new, sampler="greedy"))
    assert rows_of(outputs) == contrastive(lm, ROWS, new, k=4, alpha=alpha) != greedy


def test_contrastive_search_without_contrast_is_greedy():
    lm = small_lm()
    greedy = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=12, sampler="greedy"))
    stop = greedy[0][7]
    options = {"max_new_tokens": 12, "sampler": ContrastiveSampler(k=4, alpha=0)}
    assert rows_of(lm.generate(tokens(*ROWS), **options)) == greedy
    stopped = lm.generate(tokens(*ROWS), max_new_tokens=12, sampler="greedy", stop_token_ids=stop)
    assert rows_of(lm.generate(tokens(*ROWS), stop_token_ids=stop, **options)) == rows_of(stopped) != greedy


def test_contrastive_search_never_takes_what_is_forbidden():
    """Not even where all other tokens are so improbable that their probability is 0 in float32."""

    class Sharp(GPT2CausalLM):
        def logits(self, hidden):
            return super().logits(hidden) * 100

    lm = Sharp(small_lm().backbone)
    free = rows_of(lm.generate(tokens(*ROWS), max_new_tokens=8, sampler="greedy"))
    bad = sorted({token for row in free for token in row[-8:]})[:6]
    outputs = lm.generate(
        tokens(*ROWS), max_new_tokens=8, sampler=ContrastiveSampler(k=4, alpha=0.9), bad_token_ids=bad
    )
    for row, prompt in zip(rows_of(outputs), ROWS, strict=True):
        assert not set(row[len(prompt) :]) & set(bad)


def test_contrastive_search_of_more_candidates_than_tokens():
    lm = small_lm(vocabulary=4)
    prompts = [[1, 2], [3]]
    outputs = lm.generate(tokens(*prompts), max_new_tokens=4, sampler=ContrastiveSampler(k=5))
    assert rows_of(outputs) == contrastive(lm, prompts, 4, k=4, alpha=0.6)
