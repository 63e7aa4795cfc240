"""Sessions: each turn is the continuation of the whole text before it, and costs only what is new."""

import keras
import numpy as np
import pytest
from uncached import check_greedy, logits_of, printable, small_lm

from keras_nlp.generation.stream import TextStream
from keras_nlp.samplers import BeamSampler, ContrastiveSampler, TopKSampler

pytestmark = pytest.mark.compiles_much

GREEDY = {"sampler": "greedy", "stop_token_ids": None}


class Chat:
    """A session whose every turn is checked against one pass over the whole text."""

    def __init__(self, lm):
        self.lm, self.session, self.history = lm, lm.session(), []

    def turn(self, prompt, new, stops=(), **options):
        options = {"max_new_tokens": new, "sampler": "greedy", "stop_token_ids": list(stops)} | options
        written = self.session.generate(prompt, **options)
        self.check(prompt, written, stops)
        assert len(written) == new or written[-1] in stops
        return written

    def check(self, prompt, written, stops=()):
        before = self.history + prompt
        self.history = before + written
        assert self.session.token_ids == self.history
        check_greedy(self.lm, [before], [self.history], stops, width=200)


@pytest.fixture
def chat():
    return Chat(small_lm())


def read_only_what_is_new(session, monkeypatch):
    def prefill(*args):
        raise AssertionError("The whole text was read again.")

    monkeypatch.setattr(session.loop, "prefill", prefill)


def test_turns(chat, monkeypatch):
    chat.turn([1, 2, 3], 10)
    read_only_what_is_new(chat.session, monkeypatch)
    chat.turn([4], 5)
    chat.turn([5, 6, 7, 8, 9, 10, 11] * 3, 12)  # more than a prompt's smallest bucket
    chat.turn([], 3)  # nothing new: the text goes on
    chat.turn([2, 2], 1)


def test_turns_that_end_with_a_stop_token(chat, monkeypatch):
    """What the loop wrote behind it is no part of the text; the stop token itself is."""
    free = chat.turn([1, 2, 3], 12)
    chat.session.reset()
    chat.history.clear()
    read = chat.turn([1, 2, 3], 12, stops=[free[4]])
    read_only_what_is_new(chat.session, monkeypatch)
    assert read == free[: free.index(free[4]) + 1]
    stop = int(logits_of(chat.lm, [[*chat.history, 6, 7]])[0][-1].argmax())
    assert chat.turn([6, 7], 12, stops=[stop]) == [stop]  # met by the first token of a later turn
    chat.turn([8], 12)
    chat.turn([stop, 3], 6, stops=[stop])  # one in the prompt stops nothing


def test_growth(chat, monkeypatch):
    """Beyond the smallest cache of 128 places, while writing and while reading; up to the context."""
    chat.turn([1, 2, 3], 60)
    read_only_what_is_new(chat.session, monkeypatch)
    chat.turn([4, 5] * 25, 40)
    assert len(chat.history) > 128
    chat.turn([6], 30)
    chat.turn([7], 15)
    assert len(chat.history) == 200
    with pytest.raises(ValueError, match="201 tokens, more than the context of 200"):
        chat.session.generate([8], **GREEDY)
    assert chat.session.token_ids == chat.history


def test_growth_by_a_prompt(chat, monkeypatch):
    chat.turn([1, 2, 3], 5)
    read_only_what_is_new(chat.session, monkeypatch)
    chat.turn(list(range(12)) * 11, 10)


def test_strings(lm):
    """The start token comes once; the end token ends a turn and is kept, though not shown."""
    session, tokenizer = lm.session(), lm.preprocessor.tokenizer
    history = []
    for number, prompt in enumerate(["the king", " of the sea", "?"]):
        text = session.generate(prompt, max_new_tokens=6, sampler="greedy")
        before = history + [tokenizer.start_token_id] * (number == 0) + tokenizer(prompt)
        history = session.token_ids
        assert history[: len(before)] == before and len(history) == len(before) + 6
        assert text == tokenizer.decode([history[len(before) :]], skip_special_tokens=True)[0]
        check_greedy(lm, [before], [history])
    assert session.text == tokenizer.decode([history], skip_special_tokens=True)[0]
    assert session.text.startswith("the king")
    one = lm.generate("the king", max_new_tokens=6, sampler="greedy", strip_prompt=True)
    session.reset()
    assert session.token_ids == [] and session.text == ""
    assert session.generate("the king", max_new_tokens=6, sampler="greedy") == one


def test_streaming_turns(lm):
    plain, streamed = lm.session(), lm.session()
    options = {"max_new_tokens": 9, "sampler": "greedy"} | printable(lm)
    for prompt in ("the king", " and", " moon"):
        whole = plain.generate(prompt, **options)
        pieces = list(streamed.stream(prompt, **options))
        assert len(pieces) > 1 and all(pieces) and "".join(pieces) == whole
    assert streamed.token_ids == plain.token_ids


def test_sampled_turns(lm):
    """One text for one seed, as in `generate`."""

    def texts(seed):
        session = lm.session()
        return [session.generate(p, max_new_tokens=8, sampler="top_k", seed=seed) for p in ("the king", " and")]

    assert texts(3) == texts(3) != texts(4)
    assert texts(3)[0] == lm.generate("the king", max_new_tokens=8, sampler="top_k", seed=3, strip_prompt=True)


def test_another_sampler_reads_the_text_again(chat):
    chat.turn([1, 2, 3], 6)
    chat.turn([4], 6, sampler=TopKSampler(k=1))
    chat.turn([5, 5], 6)


def test_two_sessions_at_once():
    lm = small_lm()
    first, second = Chat(lm), Chat(lm)
    for number in range(3):
        first.turn([number + 1], 5)
        second.turn([9 - number, 2], 4)
        lm.generate({"token_ids": [[1, 2]]}, max_new_tokens=3, **GREEDY)


def test_a_turn_that_may_write_nothing(chat):
    chat.turn([1, 2, 3], 4)
    assert chat.session.generate([4, 5], max_length=9, **GREEDY) == []
    chat.history += [4, 5]
    chat.turn([6], 4)


# Interruptions.


def test_a_stream_that_is_closed(lm):
    session = lm.session()
    session.generate("the king", max_new_tokens=4, sampler="greedy")
    before = session.token_ids
    stream = session.stream(" and the", max_new_tokens=30, sampler="greedy", **printable(lm))
    piece = next(stream)
    stream.close()
    begun = before + lm.preprocessor.tokenizer(" and the")
    assert session.token_ids[: len(begun)] == begun and len(begun) < len(session.token_ids) < len(begun) + 30
    shown = TextStream(lm.preprocessor.tokenizer)
    assert shown.piece(session.token_ids[len(begun) :]) == piece != ""
    left = session.token_ids
    session.generate("?", max_new_tokens=4, sampler="greedy")
    asked = left + lm.preprocessor.tokenizer("?")
    assert len(session.token_ids) == len(asked) + 4
    check_greedy(lm, [asked], [session.token_ids])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt(chat, monkeypatch, error):
    """In the middle of a later turn: what was written by then is kept, and the next turn goes on behind it."""
    chat.turn([1, 2, 3], 4)
    loop, decode, calls = chat.session.loop, chat.session.loop.decode, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) > 1:
            raise error("stopped")
        return decode(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "decode", interrupted)
        with pytest.raises(error, match="stopped"):
            chat.session.generate([4, 5], max_new_tokens=100, **GREEDY)
    written = chat.session.token_ids[len(chat.history) + 2 :]
    assert 0 < len(written) < 100
    chat.check([4, 5], written)
    chat.turn([6], 5)
    chat.turn([7], 5)
    assert chat.lm.generate({"token_ids": [1, 2]}, max_new_tokens=3, **GREEDY)["token_ids"].shape == (5,)


def test_an_interrupt_before_anything_is_written(chat, monkeypatch):
    chat.turn([1, 2, 3], 4)

    def extend(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(chat.session.loop, "extend", extend)
        with pytest.raises(KeyboardInterrupt):
            chat.session.generate([4, 5], max_new_tokens=5, **GREEDY)
    chat.check([4, 5], [])
    chat.turn([6], 5)


# What a session does not take.


@pytest.mark.parametrize(
    "sampler",
    ["beam", BeamSampler(num_beams=1), "contrastive", ContrastiveSampler(k=1)],
    ids=["beam", "one beam", "contrastive", "one candidate"],
)
def test_searches(chat, sampler):
    chat.turn([1, 2, 3], 4)
    with pytest.raises(ValueError, match="continues one text"):
        chat.session.generate([4], max_new_tokens=3, sampler=sampler)
    chat.turn([5], 4)


def test_bad_calls(chat, lm):
    chat.turn([1, 2, 3], 4)
    for prompt, options, message in (
        ([4], {"draft": chat.lm, "sampler": "greedy"}, "continues one text"),
        ("the king", {}, "Without a preprocessor a session takes lists of token ids"),
        ([12], {}, r"must lie in \[0, 12\)"),
        ([4], {"max_new_tokens": 0}, "max_new_tokens must be"),
        ([4], {"max_length": 5}, "has 8 tokens, more than the max_length of 5"),
    ):
        with pytest.raises(ValueError, match=message):
            chat.session.generate(prompt, **{"max_new_tokens": 3} | options)
    chat.turn([5], 4)
    with pytest.raises(ValueError, match=r"prompts at \[0\] have no token"):
        small_lm().session().generate([], max_new_tokens=3)
    assert np.ndim(keras.ops.convert_to_numpy(chat.session.state.index)) == 0
