"""generate(): one loop, whatever the batch, the lengths and the buckets."""

import contextlib

import keras
import numpy as np
import pytest
from uncached import ROWS, logits_of, printable, rows_of, small_lm, softmax, tokens

from keras_nlp.generation.buckets import bucket, capacity_for
from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor
from keras_nlp.models.gpt2 import FAMILY
from keras_nlp.samplers import BeamSampler, ContrastiveSampler, GreedySampler, RandomSampler, Sampler, TopKSampler

PROMPTS = ["the king", "the queen went to the sea", "an", "of the moon and of the stars where"]


@pytest.fixture(scope="module")
def long_lm():
    """A context beyond the smallest cache, so that the cache must grow."""
    keras.utils.set_random_seed(1)
    return GPT2CausalLM(GPT2Backbone(**FAMILY.tiny | {"max_sequence_length": 400}))


def uncached_greedy(lm, row, new):
    """The plain way: the whole text through the network for each token."""
    for _ in range(new):
        padded = tokens(row, [0] * 24)  # one shape for all, so that JAX compiles its operations once
        logits = keras.ops.convert_to_numpy(lm(padded))[0, len(row) - 1]
        row = [*row, int(logits.argmax())]
    return row


def test_cached_equals_uncached(bare_lm, random):
    rows = [random.integers(0, 300, n).tolist() for n in (5, 12, 1)]
    expected = [uncached_greedy(bare_lm, row, 10) for row in rows]
    outputs = bare_lm.generate(tokens(*rows), max_new_tokens=10, sampler="greedy")
    for ids, mask, row in zip(outputs["token_ids"], outputs["padding_mask"], expected, strict=True):
        assert ids[mask].tolist() == row


def test_batched_equals_single(lm):
    together = lm.generate(PROMPTS, max_new_tokens=12, sampler="greedy")
    assert together == [lm.generate(prompt, max_new_tokens=12, sampler="greedy") for prompt in PROMPTS]


def test_padding_side_does_not_matter(bare_lm):
    right = {"token_ids": np.array([[5, 6, 0, 0], [1, 2, 3, 4]]), "padding_mask": np.array([[1, 1, 0, 0], [1] * 4])}
    left = {"token_ids": np.array([[0, 0, 5, 6], [1, 2, 3, 4]]), "padding_mask": np.array([[0, 0, 1, 1], [1] * 4])}
    a, b = (bare_lm.generate(x, max_new_tokens=6, sampler="greedy") for x in (right, left))
    np.testing.assert_array_equal(a["token_ids"], b["token_ids"])


@pytest.mark.compiles_much
def test_the_cache_grows(long_lm, random):
    """Over 128 and 256 places the same tokens as with a prompt that begins in the larger cache."""
    row = random.integers(0, 300, 20).tolist()
    whole = long_lm.generate(tokens(row), max_length=300, sampler="greedy")["token_ids"][0]
    for start in (100, 150, 260):
        again = long_lm.generate(tokens(whole[:start].tolist()), max_length=300, sampler="greedy")
        np.testing.assert_array_equal(again["token_ids"][0], whole)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch compiles nothing")
def test_no_compilation_inside_a_bucket(long_lm, random):
    """Another max_length, prompt length, batch or stop token inside a bucket runs the compiled programs there are."""

    def run(length, rows, max_length, stops):
        prompts = [random.integers(0, 300, length).tolist() for _ in range(rows)]
        long_lm.generate(tokens(*prompts), max_length, stop_token_ids=stops, sampler="greedy")

    run(17, 3, 60, [1])
    loop = long_lm.loop(GreedySampler())
    before = loop.traces
    for length, rows, max_length, stops in ((18, 3, 61, None), (24, 4, 120, [5, 6]), (20, 3, 120, [])):
        run(length, rows, max_length, stops)
    assert loop.traces == before
    run(40, 3, 60, None)
    assert loop.traces > before


def test_buckets():
    sizes = [bucket(n, 16) for n in (1, 16, 17, 24, 25, 33, 48, 49, 100, 129, 900)]
    if keras.backend.backend() == "torch":
        assert sizes == [1, 16, 17, 24, 25, 33, 48, 49, 100, 129, 900]
    else:
        assert sizes == [16, 16, 24, 24, 32, 48, 48, 64, 128, 144, 960]
        assert [bucket(n) for n in (1, 2, 3, 4, 5, 6, 7, 9)] == [1, 2, 4, 4, 6, 6, 8, 12]
    assert [capacity_for(n) for n in (16, 127, 128, 1000, 1024)] == [128, 128, 192, 1024, 1536]


def test_lengths(bare_lm):
    prompts = tokens([1, 2, 3], [4])
    outputs = bare_lm.generate(prompts, max_length=8, stop_token_ids=None)
    assert outputs["padding_mask"].sum(1).tolist() == [8, 8] and outputs["token_ids"].shape == (2, 8)
    outputs = bare_lm.generate(prompts, max_new_tokens=4, stop_token_ids=None)
    assert outputs["padding_mask"].sum(1).tolist() == [7, 5] and outputs["token_ids"].shape == (2, 7)
    # Without either: a padded dictionary's width, as KerasHub; else the context.
    padded = {"token_ids": np.array([[1, 2, 0, 0, 0]]), "padding_mask": np.array([[1, 1, 0, 0, 0]])}
    assert bare_lm.generate(padded, stop_token_ids=None)["padding_mask"].sum() == 5
    assert bare_lm.generate(tokens([1, 2]), stop_token_ids=None)["padding_mask"].sum() == 48
    # A prompt that is as long as max_length already is given back.
    assert bare_lm.generate(prompts, max_length=3, stop_token_ids=None)["padding_mask"].sum(1).tolist() == [3, 3]
    assert bare_lm.generate(tokens([1, 2]), max_length=2)["token_ids"].tolist() == [[1, 2]]
    assert bare_lm.generate(tokens([1, 2]), 4, None, max_new_tokens=9)["padding_mask"].sum() == 4  # the smaller limit
    # The context bounds everything.
    assert bare_lm.generate(tokens([1] * 45), max_new_tokens=50, stop_token_ids=None)["token_ids"].shape == (1, 48)


def test_stop_tokens(bare_lm):
    free = bare_lm.generate(tokens([1, 2, 3]), max_new_tokens=20, sampler="greedy")["token_ids"][0].tolist()
    stop = free[9]
    place = free.index(stop, 3)
    outputs = bare_lm.generate(tokens([1, 2, 3], [7, 8]), max_new_tokens=20, sampler="greedy", stop_token_ids=[stop])
    first = outputs["token_ids"][0][outputs["padding_mask"][0]].tolist()
    assert first == free[: place + 1] and (outputs["token_ids"][0][place + 1 :] == 0).all()
    # One id is as good as a list of one, and 0 is an id like any other.
    again = bare_lm.generate(tokens([1, 2, 3], [7, 8]), max_new_tokens=20, sampler="greedy", stop_token_ids=stop)
    np.testing.assert_array_equal(again["token_ids"], outputs["token_ids"])
    assert bare_lm.request([[1]], 5, 0)[0].stop_token_ids == [0]
    # A stop token in the prompt does not stop anything.
    outputs = bare_lm.generate(tokens([stop, 2]), max_new_tokens=1, sampler="greedy", stop_token_ids=[stop])
    assert outputs["padding_mask"].sum() == 3


def test_end_token_stops_by_itself(lm):
    """`"auto"` is the tokenizer's end token, and it is not part of the text."""

    class Ending(Sampler):
        def get_next_token(self, probabilities):
            return keras.ops.full((probabilities.shape[0],), 299)

    assert lm.preprocessor.tokenizer.end_token_id == 299
    assert lm.generate("the sea", max_new_tokens=9, sampler=Ending()) == "the sea"
    assert lm.generate(["the sea"], max_new_tokens=9, sampler=Ending(), strip_prompt=True) == [""]


def test_strings_in_strings_out(lm):
    one = lm.generate("the king", max_new_tokens=5, sampler="greedy")
    assert isinstance(one, str) and one.startswith("the king") and len(one) > len("the king")
    assert lm.generate(["the king"], max_new_tokens=5, sampler="greedy") == [one]
    assert lm.generate(np.array(["the king"]), max_new_tokens=5, sampler="greedy") == [one]
    assert lm.generate("the king", max_new_tokens=5, sampler="greedy", strip_prompt=True) == one[len("the king") :]
    assert lm.generate("the king", 24, None) != "the king"  # positional, as KerasHub
    assert lm.generate("", max_new_tokens=3, sampler="greedy") != ""  # the start token is prompt enough


def test_token_dictionaries(lm, bare_lm):
    prompt = lm.preprocessor.generate_preprocess(["the king", "an"], sequence_length=16)
    assert prompt["token_ids"].shape == (2, 16)
    outputs = lm.generate(prompt, sampler="greedy")
    assert outputs["token_ids"].dtype == np.int32 and outputs["padding_mask"].dtype == bool
    assert outputs["token_ids"].shape == (2, 16)
    assert lm.preprocessor.generate_postprocess(outputs) == lm.generate(["the king", "an"], 16, sampler="greedy")
    single = bare_lm.generate({"token_ids": [1, 2, 3]}, max_new_tokens=2, sampler="greedy")
    assert single["token_ids"].shape == (5,)


def test_from_a_dataset(lm, bare_lm):
    tf = pytest.importorskip("tensorflow")
    expected = lm.generate(PROMPTS, max_new_tokens=4, sampler="greedy")
    dataset = tf.data.Dataset.from_tensor_slices(PROMPTS).batch(3)
    assert lm.generate(dataset, max_new_tokens=4, sampler="greedy") == expected
    outputs = bare_lm.generate(
        tf.data.Dataset.from_tensor_slices(tokens([1, 2], [3, 4, 5], [6])).batch(2), max_new_tokens=2, sampler="greedy"
    )
    assert outputs["token_ids"].shape == (3, 5)


def test_batches_of_a_dataset_draw_by_themselves(bare_lm):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(tokens(*[[1, 2]] * 4)).batch(2)
    options = {"max_new_tokens": 12, "sampler": RandomSampler(seed=3)}
    rows = rows_of(bare_lm.generate(dataset, **options))
    assert rows[:2] != rows[2:] and rows_of(bare_lm.generate(dataset, **options)) == rows


def test_a_sampler_changed_after_its_program_was_made(bare_lm):
    prompt, options = tokens([1, 2], [3]), {"max_new_tokens": 8, "seed": 1}
    sampler = TopKSampler(k=1)
    first = rows_of(bare_lm.generate(prompt, sampler=sampler, **options))
    sampler.k = 50
    assert rows_of(bare_lm.generate(prompt, sampler=sampler, **options)) != first
    assert rows_of(bare_lm.generate(prompt, sampler=TopKSampler(k=1), **options)) == first


@pytest.mark.compiles_much
def test_seeds(lm):
    def text(**options):
        return lm.generate(PROMPTS[:2], max_new_tokens=16, stop_token_ids=None, **options)

    for sampler in (RandomSampler(temperature=2.0), TopKSampler(k=50, temperature=2.0)):
        assert text(sampler=sampler, seed=3) == text(sampler=sampler, seed=3)
        assert text(sampler=sampler, seed=3) != text(sampler=sampler, seed=4)
        assert text(sampler=sampler) != text(sampler=sampler)
    keras.utils.set_random_seed(5)
    first = text(sampler="random")
    keras.utils.set_random_seed(5)
    assert text(sampler="random") == first
    assert text(sampler=RandomSampler(seed=9)) == text(sampler=RandomSampler(seed=9))
    rows = lm.generate(
        ["the"] * 3, max_new_tokens=16, stop_token_ids=None, sampler=RandomSampler(temperature=3.0), seed=1
    )
    assert len(set(rows)) == 3  # the rows of a batch draw by themselves


def test_top_one_is_greedy(lm):
    greedy = lm.generate(PROMPTS, max_new_tokens=8, sampler="greedy")
    assert lm.generate(PROMPTS, max_new_tokens=8, sampler=TopKSampler(k=1)) == greedy
    assert lm.generate(PROMPTS, max_new_tokens=8, sampler=RandomSampler(temperature=1e-4)) == greedy


def test_sampler_of_ones_own(lm):
    class SecondBest(Sampler):
        def get_next_token(self, probabilities):
            return keras.ops.top_k(probabilities, 2)[1][:, 1]

    class Drawing(Sampler):
        def get_next_token(self, probabilities):
            return keras.random.categorical(keras.ops.log(probabilities), 1, seed=self.seed_generator)[:, 0]

    assert lm.generate(PROMPTS, max_new_tokens=5, sampler=SecondBest()) != lm.generate(
        PROMPTS, max_new_tokens=5, sampler="greedy"
    )
    options = {"max_new_tokens": 12, "seed": 2, "stop_token_ids": None}
    assert lm.generate(PROMPTS, sampler=Drawing(), **options) == lm.generate(PROMPTS, sampler="random", **options)


def test_samplers_of_one_class_do_not_share_a_program(lm):
    class Always(Sampler):
        def __init__(self, token):
            super().__init__()
            self.token = token

        def get_next_token(self, probabilities):
            return keras.ops.full((probabilities.shape[0],), self.token)

    texts = [lm.generate("a", max_new_tokens=2, sampler=Always(token), strip_prompt=True) for token in (66, 67)]
    assert texts[0] != texts[1]
    assert (
        lm.loop(RandomSampler(seed=1)) is lm.loop(RandomSampler(seed=2)) is not lm.loop(RandomSampler(temperature=2.0))
    )


def test_compiled_sampler(preprocessor, lm):
    model = GPT2CausalLM(lm.backbone, preprocessor)
    assert isinstance(model.sampler, TopKSampler)
    model.compile(sampler="greedy")
    assert model.generate("the", max_new_tokens=6) == lm.generate("the", max_new_tokens=6, sampler="greedy")


def test_overriding_one_step(lm):
    class Forbidding(GPT2CausalLM):
        """Never writes the token it would like best."""

        def next_logits(self, token_ids, cache):
            logits = super().next_logits(token_ids, cache)
            best = keras.ops.max(logits, axis=-1, keepdims=True)
            return keras.ops.where(logits == best, -1e9, logits)

    model = Forbidding(lm.backbone, lm.preprocessor)
    assert model.generate("the", max_new_tokens=4, sampler="greedy") != lm.generate(
        "the", max_new_tokens=4, sampler="greedy"
    )


def test_overriding_one_step_of_a_search():
    """Beam search honours it; searches that read otherwise say which method to override as well."""

    class Silent(GPT2CausalLM):
        """Never writes 3 or 5."""

        def next_logits(self, token_ids, cache):
            logits = super().next_logits(token_ids, cache)
            return keras.ops.where(np.isin(np.arange(12), [3, 5]), -1e9, logits)

    class Silenced(Silent):
        def every_logits(self, token_ids, cache):
            return super().every_logits(token_ids, cache)

        def logits(self, hidden):
            return super().logits(hidden)

    lm = small_lm()
    model, options = Silent(lm.backbone), {"max_new_tokens": 12, "sampler": BeamSampler(3)}
    written = [
        {
            token
            for row, prompt in zip(rows_of(x.generate(tokens(*ROWS), **options)), ROWS)
            for token in row[len(prompt) :]
        }
        for x in (lm, model)
    ]
    assert written[0] & {3, 5} and not written[1] & {3, 5}
    with pytest.raises(ValueError, match=r"Silent overrides next_logits, .* override every_logits as well"):
        model.generate(tokens([1]), max_new_tokens=2, sampler="greedy", draft=lm)
    with pytest.raises(ValueError, match=r"Silent overrides next_logits, .* override logits as well"):
        model.generate(tokens([1]), max_new_tokens=2, sampler="contrastive")
    model = Silenced(lm.backbone)
    assert model.loop(GreedySampler(), draft=lm) and model.loop(ContrastiveSampler())
    assert lm.loop(GreedySampler(), draft=model)  # a draft is read by next_logits alone


def test_weights_are_read_anew(preprocessor):
    """Training between two calls shows in the second, without a new loop."""
    model = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny), preprocessor)
    before = model.generate("the king", max_new_tokens=8, sampler="greedy")
    loop = model.loop(GreedySampler())
    traces = loop.traces
    for weight in model.weights:
        weight.assign(weight + np.random.default_rng(0).normal(0, 0.5, weight.shape))
    assert model.generate("the king", max_new_tokens=8, sampler="greedy") != before
    assert model.loop(GreedySampler()) is loop and loop.traces >= traces
    if keras.backend.backend() != "torch":
        assert loop.traces == traces


def test_stream(lm):
    options = {"max_new_tokens": 20, "sampler": "greedy"} | printable(lm)
    for prompt in ("the king", ""):
        pieces = list(lm.stream(prompt, **options))
        assert len(pieces) > 1 and all(pieces)
        assert "".join(pieces) == lm.generate(prompt, strip_prompt=True, **options)
    drawn = "".join(lm.stream("the", max_new_tokens=15, sampler="random", seed=4))
    assert drawn == lm.generate("the", max_new_tokens=15, sampler="random", seed=4, strip_prompt=True)


def test_stream_keeps_characters_whole(lm):
    """Each byte of 🙂 is a token of its own here; no piece holds a part of it."""
    smile = lm.preprocessor.tokenizer("🙂")
    assert len(smile) == 4

    class Smiling(Sampler):
        def get_next_token(self, probabilities):
            # The successor of the last byte is found by counting draws, which the seed generator does.
            step = keras.ops.cast(self.seed_generator.next()[1], "int32") % 4
            return keras.ops.take(keras.ops.convert_to_tensor(smile, "int32"), step)[None]

    pieces = list(lm.stream("a", max_new_tokens=12, sampler=Smiling(), seed=0))
    assert "".join(pieces) == "🙂🙂🙂" and set("".join(pieces)) == {"🙂"}


@pytest.mark.parametrize("drawn", [{"sampler": "greedy"}, {"sampler": "random", "seed": 4}], ids=["greedy", "drawn"])
def test_stream_of_several_prompts(lm, drawn):
    """Each prompt's pieces are its own text; they come before the end, and a prompt may have none in a piece."""
    options = {"max_new_tokens": 20} | drawn | printable(lm)
    pieces = list(lm.stream(PROMPTS, **options))
    assert len(pieces) > 1 and all(len(piece) == len(PROMPTS) and any(piece) for piece in pieces)
    texts = ["".join(row) for row in zip(*pieces, strict=True)]
    assert texts == lm.generate(PROMPTS, strip_prompt=True, **options)


def test_stream_of_a_list_with_stop_tokens(lm):
    """A row that has ended has empty pieces; a list of one prompt yields lists."""
    options = {"max_new_tokens": 20, "sampler": "greedy"} | printable(lm)
    rows = lm.preprocessor.prompts(PROMPTS)[0]
    stop = rows_of(lm.generate(tokens(*rows), **options))[1][len(rows[1]) + 3]
    options |= {"stop_token_ids": stop}
    pieces = list(lm.stream(PROMPTS, **options))
    assert ["".join(row) for row in zip(*pieces, strict=True)] == lm.generate(PROMPTS, strip_prompt=True, **options)
    assert any(not all(piece) for piece in pieces)
    (piece,) = next(lm.stream(PROMPTS[:1], **options))
    assert piece != ""


def test_a_stream_gives_text_alone(lm):
    with pytest.raises(ValueError, match="return_logprobs is an option of generate alone"):
        lm.stream("the", return_logprobs=True)


def test_a_search_has_no_stream(lm):
    with pytest.raises(ValueError, match="BeamSampler has no text before its search ends: use generate"):
        lm.stream("the king", sampler=BeamSampler(2))
    with pytest.raises(ValueError, match="stream takes a string or a list of strings"):
        lm.stream(tokens([1, 2]))


def test_a_stream_begins_before_its_end(lm, monkeypatch):
    options = {"max_new_tokens": 20, "sampler": "greedy"} | printable(lm)
    loop = lm.request([[1]], **options)[1]
    decode, calls = loop.decode, []

    def counted(*args):
        calls.append(args)
        return decode(*args)

    monkeypatch.setattr(loop, "decode", counted)
    pieces = lm.stream(PROMPTS, **options)
    assert calls == []
    before = []
    for _ in pieces:
        before.append(len(calls))
    assert before[0] <= 1 < len(calls)


@pytest.mark.parametrize("prompt", [PROMPTS[0], PROMPTS], ids=["one", "several"])
def test_an_interrupted_stream(lm, prompt):
    """Nothing of it is left in the model."""
    options = {"max_new_tokens": 20, "sampler": "greedy"} | printable(lm)
    expected = lm.generate(prompt, **options)
    for stop in (lambda s: s.close(), lambda s: s.throw(KeyboardInterrupt)):
        stream = lm.stream(prompt, **options)
        next(stream)
        with contextlib.suppress(KeyboardInterrupt):
            stop(stream)
        assert list(stream) == []
        assert lm.generate(prompt, **options) == expected
    texts = lm.stream(prompt, **options)
    next(texts)
    assert lm.generate(prompt, **options) == expected  # in between
    assert list(texts)


def test_an_interrupted_generate(lm, monkeypatch):
    loop = lm.loop(GreedySampler())
    expected = lm.generate(PROMPTS, max_new_tokens=20, sampler="greedy")

    def decode(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "decode", decode)
        with pytest.raises(KeyboardInterrupt):
            lm.generate(PROMPTS, max_new_tokens=20, sampler="greedy")
    assert lm.generate(PROMPTS, max_new_tokens=20, sampler="greedy") == expected


@pytest.mark.parametrize(
    "options",
    [{"sampler": "greedy"}, {"sampler": RandomSampler(temperature=2.0), "seed": 1, "frequency_penalty": 1.0}],
    ids=["greedy", "drawn"],
)
def test_log_probabilities(options):
    """Of the model's own distribution, whatever is drawn from; zero where nothing was written."""
    lm, options = small_lm(), {"max_new_tokens": 14, "stop_token_ids": [5, 7], "return_logprobs": True} | options
    outputs = lm.generate(tokens(*ROWS), **options)
    loss = lm.score(outputs["token_ids"], outputs["padding_mask"], scoring_mode="loss")
    expected = -np.pad(keras.ops.convert_to_numpy(loss), ((0, 0), (1, 0)))[:, :-1]
    for row, prompt in zip(expected, ROWS, strict=True):
        row[: len(prompt)] = 0
    assert outputs["logprobs"].shape == outputs["token_ids"].shape and outputs["logprobs"].dtype == "float32"
    np.testing.assert_allclose(outputs["logprobs"], expected, atol=1e-4)
    new = outputs["padding_mask"].sum(1) - [len(row) for row in ROWS]
    assert ((outputs["logprobs"] != 0).sum(1) == new).all() and new.min() < 14
    del options["return_logprobs"]
    assert rows_of(lm.generate(tokens(*ROWS), **options)) == rows_of(outputs)
    single = lm.generate({"token_ids": ROWS[0]}, return_logprobs=True, **options)
    assert single["logprobs"].shape == single["token_ids"].shape == (len(ROWS[0]) + 14,)


def test_log_probabilities_of_strings(lm):
    """A number for each token that was written, the stop token included."""
    options = {"max_new_tokens": 10, "sampler": "greedy"}
    texts, logprobs = lm.generate(PROMPTS, return_logprobs=True, **options)
    assert texts == lm.generate(PROMPTS, **options)
    prompts = lm.preprocessor.prompts(PROMPTS)[0]
    outputs = rows_of(lm.generate(tokens(*prompts), **options))
    for row, prompt, numbers, logits in zip(outputs, prompts, logprobs, logits_of(lm, outputs), strict=True):
        chances = softmax(logits)[np.arange(len(prompt), len(row)) - 1, row[len(prompt) :]]
        np.testing.assert_allclose(numbers, np.log(chances), atol=1e-3)
    text, numbers = lm.generate(PROMPTS[0], return_logprobs=True, strip_prompt=True, **options)
    assert text == texts[0].removeprefix(PROMPTS[0]) and isinstance(numbers, list)
    np.testing.assert_allclose(numbers, logprobs[0], atol=1e-4)
    stop = outputs[0][len(prompts[0]) + 2]
    _, numbers = lm.generate(PROMPTS[0], return_logprobs=True, stop_token_ids=stop, **options)
    np.testing.assert_allclose(
        numbers, logprobs[0][: outputs[0].index(stop, len(prompts[0])) - len(prompts[0]) + 1], atol=1e-4
    )
    assert lm.generate(PROMPTS[0], max_length=len(prompts[0]), return_logprobs=True) == (PROMPTS[0], [])


def breaking(cls, lm, number, value):
    """A model of which one logit of the token `number` after the prompt is `value`."""
    rows = lm.preprocessor.prompts(PROMPTS)[0]
    place = lm.request(rows, max_new_tokens=1)[0].prompt_end + number - 1

    class Breaking(cls):
        def next_logits(self, token_ids, cache):
            logits = super().next_logits(token_ids, cache)
            read = keras.ops.cast(cache.index, "int32") + token_ids.shape[1]
            one = np.arange(logits.shape[-1]) == 70
            return keras.ops.where(keras.ops.logical_and(one, read >= place), value, logits)

    return Breaking(lm.backbone, lm.preprocessor)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("number", [1, 7])
def test_logits_that_are_not_numbers(lm, number, value):
    """One of 300 is enough, from the first token on or later; what ends before is written."""
    model, options = breaking(GPT2CausalLM, lm, number, value), {"sampler": "greedy", "stop_token_ids": None}
    message = rf"logits for token {number} after the prompt are not finite \(NaN or infinite\)"
    with pytest.raises(ValueError, match=message):
        model.generate(PROMPTS, max_new_tokens=12, **options)
    with pytest.raises(ValueError, match=message):
        list(model.stream(PROMPTS, max_new_tokens=12, **options))
    if number == 7:
        expected = lm.generate(PROMPTS, max_new_tokens=6, **options)
        assert model.generate(PROMPTS, max_new_tokens=6, **options) == expected


@pytest.mark.compiles_much
def test_logits_that_are_not_numbers_in_a_beam_and_uncompiled(lm):
    model = breaking(GPT2CausalLM, lm, 4, float("nan"))
    message = "logits for token 4 after the prompt are not finite"
    options = {"max_new_tokens": 12, "stop_token_ids": None}
    with pytest.raises(ValueError, match=message):
        model.generate(PROMPTS, sampler=BeamSampler(2), **options)
    model.compile(sampler="greedy", jit_compile=False)
    with pytest.raises(ValueError, match=message):
        model.generate(PROMPTS, **options)


def test_logits_that_are_not_numbers_after_a_row_has_ended(lm):
    """Nobody reads what follows a text that has met its stop token."""
    model, options = breaking(GPT2CausalLM, lm, 7, float("nan")), {"max_new_tokens": 12, "sampler": "greedy"}
    row = rows_of(lm.generate(tokens(lm.preprocessor.prompts(PROMPTS[1])[0][0]), stop_token_ids=None, **options))[0]
    stop = row[-12:][3]
    expected = lm.generate(PROMPTS[1], stop_token_ids=stop, **options)
    assert model.generate(PROMPTS[1], stop_token_ids=stop, **options) == expected


@pytest.mark.parametrize("sampler", ["greedy", "contrastive", BeamSampler(2)])
def test_broken_weights(preprocessor, sampler):
    model = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny), preprocessor)
    weight = model.weights[5]
    weight.assign(weight * float("nan"))
    for call in (model.generate, model.session().generate)[: 2 if sampler == "greedy" else 1]:
        with pytest.raises(ValueError, match=r"token 1 after the prompt are not finite .*weights are damaged"):
            call("the king", max_new_tokens=5, sampler=sampler)


def test_the_token_of_a_contrastive_search_whose_logits_are_not_numbers():
    class Breaking(GPT2CausalLM):
        """Whose logits after the token 3 are not numbers."""

        def hidden_states(self, token_ids, cache):
            hidden = super().hidden_states(token_ids, cache)
            return keras.ops.where((token_ids == 3)[..., None], float("nan"), hidden)

    lm = Breaking(small_lm().backbone)

    def threes(logits, state):
        return keras.ops.zeros_like(logits) + 100 * keras.ops.one_hot([3], logits.shape[-1])

    options = {"max_new_tokens": 5, "logit_processors": threes}
    for sampler in ("greedy", ContrastiveSampler(k=2)):
        with pytest.raises(ValueError, match="token 2 after the prompt are not finite"):
            lm.generate(tokens([1, 2]), sampler=sampler, **options)
        outputs = lm.generate(tokens([1, 2]), sampler=sampler, **options | {"max_new_tokens": 1})
        assert rows_of(outputs) == [[1, 2, 3]]


@pytest.mark.parametrize("sampler", ["greedy", "contrastive", BeamSampler(2), "top_k"])
def test_processors_that_leave_no_token(sampler):
    lm = small_lm()

    def nothing(logits, state):
        return keras.ops.full_like(logits, -float("inf"))

    for processor in (nothing, lambda logits, state: logits * float("nan")):
        options = {"max_new_tokens": 3, "sampler": sampler, "logit_processors": processor}
        with pytest.raises(ValueError, match=r"token 1 after the prompt .*processors leave no token"):
            lm.generate(tokens([1, 2]), **options)


@pytest.mark.compiles_much
def test_a_draft_whose_logits_are_not_numbers():
    lm = small_lm()
    broken = GPT2CausalLM(GPT2Backbone.from_config(lm.backbone.get_config()))
    broken.weights[-1].assign(broken.weights[-1] * float("nan"))
    prompt, options = tokens([1, 2], [3, 4]), {"max_new_tokens": 6}
    with pytest.raises(ValueError, match=r"token 2 after the prompt .*its draft's are"):
        lm.generate(prompt, sampler="random", draft=broken, **options)
    greedy = rows_of(lm.generate(prompt, sampler="greedy", **options))
    assert rows_of(lm.generate(prompt, sampler="greedy", draft=broken, **options)) == greedy  # bad guesses, no harm


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16", "mixed_float16"])
def test_low_precision(lm, tmp_path, dtype):
    lm.save_to_preset(tmp_path / "lm")
    model = GPT2CausalLM.from_preset(tmp_path / "lm", dtype=dtype)
    assert len(model.generate(["the king", "of"], max_new_tokens=6, sampler="greedy")) == 2
    assert keras.backend.standardize_dtype(model.empty_cache(1, 2)[0][0].dtype) == dtype.removeprefix("mixed_")


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([], {}, "the list is empty"),
        (None, {}, "Expected a string"),
        (["fine", None], {}, "at position 1"),
        (b"\xff", {}, "not UTF-8"),
        ("the king", {"max_length": 2}, "more than the max_length of 2"),
        ("the king", {"max_length": 0}, "max_length must be a whole number of at least 1"),
        ("the king", {"max_new_tokens": -1}, "max_new_tokens must be a whole number of at least 1"),
        ("the king and " * 30, {"max_length": 400}, "more than the context of 48"),
        ("the", {"sampler": "beem"}, "Unknown sampler 'beem'"),
        ({"token_ids": [[1, 300]]}, {}, r"must lie in \[0, 300\)"),
        ({"token_ids": [[1.5]]}, {}, "must be integers"),
        ({"token_ids": [[1, 2]], "padding_mask": [[1]]}, {}, "same shape"),
        ({"token_ids": [[1], [2]], "padding_mask": [[1], [0]]}, {}, r"prompts at \[1\] have no token"),
        ({"ids": [[1]]}, {}, "'token_ids' and 'padding_mask'"),
        ({"token_ids": [[1, 2, 3]], "padding_mask": [[1, 0, 1]]}, {}, r"holes in the rows \[0\]"),
        ("the", {"stop_token_ids": 300}, r"must be ids in \[0, 300\)|must be token ids in \[0, 300\)"),
        ("the", {"stop_token_ids": "end"}, "'auto' or None; got 'end'"),
        ("the", {"max_length": 9.5}, "whole number"),
        ("the", {"seed": 1.0}, "seed must be a whole number"),
    ],
)
def test_bad_input(lm, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        lm.generate(inputs, **options)


def test_strings_without_a_preprocessor(bare_lm):
    with pytest.raises(ValueError, match="Without a preprocessor"):
        bare_lm.generate("the king")


@pytest.mark.parametrize("make", [lambda: TopKSampler(k=0), lambda: RandomSampler(temperature=0)])
def test_bad_samplers(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_a_prompt_as_long_as_the_context_is_an_error_only_above_it(preprocessor, lm):
    wide = GPT2CausalLM(lm.backbone, GPT2CausalLMPreprocessor(preprocessor.tokenizer, 48, add_start_token=False))
    assert wide.generate({"token_ids": [list(range(48))]}, max_length=48)["token_ids"].shape == (1, 48)
    with pytest.raises(ValueError, match="has 49 tokens, more than the context of 48"):
        wide.generate({"token_ids": [list(range(49))]}, max_length=60)
