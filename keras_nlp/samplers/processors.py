"""What is done to logits before a sampler sees them.

A processor is any function `(logits, state) -> logits`, float32 `(B, V)`, written with `keras.ops`, since it becomes
part of the compiled step. `state` is the loop's state (`keras_nlp.generation.State`): `real_places(state)` and
`new_places(state)` tell which of `state.tokens (B, C)` are text and which have been written after the prompt.
"""

import numpy as np
from keras import ops

from keras_nlp.samplers.sampler import INFINITY, check, program_key
from keras_nlp.samplers.truncating import is_whole


class Processor:
    """A processor with plain attributes, which tell its compiled programs apart."""

    def __call__(self, logits, state):
        raise NotImplementedError

    def program_key(self):
        return program_key(self, vars(self))

    def check_vocabulary(self, size):
        """Raises `ValueError` where the processor does not fit a vocabulary of `size` tokens."""


class RepetitionPenalty(Processor):
    """Logits of tokens that occur in the prompt or the text are divided by `penalty` where positive, else multiplied
    by it (Keskar et al., 2019); 1 changes nothing."""

    def __init__(self, penalty):
        check("repetition_penalty", penalty, 0 < penalty < INFINITY, "greater than 0")
        self.penalty = float(penalty)

    def __call__(self, logits, state):
        seen = counts(state.tokens, real_places(state), logits.shape[-1]) > 0
        return ops.where(seen, ops.where(logits < 0, logits * self.penalty, logits / self.penalty), logits)


class PresencePenalty(Processor):
    """`penalty` is subtracted from the logits of tokens that have been written after the prompt."""

    def __init__(self, penalty):
        check("presence_penalty", penalty, abs(penalty) < INFINITY, "a finite number")
        self.penalty = float(penalty)

    def __call__(self, logits, state):
        return logits - self.penalty * ops.cast(
            counts(state.tokens, new_places(state), logits.shape[-1]) > 0, logits.dtype
        )


class FrequencyPenalty(Processor):
    """`penalty` is subtracted from a token's logit for each time it has been written after the prompt."""

    def __init__(self, penalty):
        check("frequency_penalty", penalty, abs(penalty) < INFINITY, "a finite number")
        self.penalty = float(penalty)

    def __call__(self, logits, state):
        return logits - self.penalty * counts(state.tokens, new_places(state), logits.shape[-1])


class NoRepeatNGram(Processor):
    """No `size` tokens in a row, prompt included, occur twice."""

    def __init__(self, size):
        check("no_repeat_ngram_size", size, is_whole(size) and size >= 1, "a whole number of at least 1")
        self.size = size

    def __call__(self, logits, state):
        tokens, real, before = state.tokens, real_places(state), self.size - 1
        capacity = tokens.shape[1]
        follows = real  # (B, C): the tokens before the place are the text's last ones
        for back in range(1, before + 1):
            last = ops.take_along_axis(tokens, ops.maximum(row_index(state) - back, 0), axis=1)
            earlier = ops.pad(tokens, ((0, 0), (back, 0)))[:, :capacity]
            present = ops.pad(real, ((0, 0), (back, 0)))[:, :capacity]
            follows = follows & present & (earlier == last)
        return banned(logits, counts(tokens, follows, logits.shape[-1]) > 0)


class BadTokens(Processor):
    """The tokens of `token_ids` are never written."""

    def __init__(self, token_ids):
        ids = np.atleast_1d(np.asarray(token_ids))
        fits = ids.ndim == 1 and ids.size and ids.dtype.kind in "iu" and ids.min() >= 0
        check("bad_token_ids", token_ids, fits, "token ids")
        self.token_ids = tuple(int(i) for i in ids)

    def check_vocabulary(self, size):
        check("bad_token_ids", list(self.token_ids), max(self.token_ids) < size, f"token ids in [0, {size})")
        check("bad_token_ids", "all of them", len(set(self.token_ids)) < size, "fewer than the vocabulary has")

    def __call__(self, logits, state):
        bad = np.isin(np.arange(logits.shape[-1]), self.token_ids)
        return banned(logits, ops.convert_to_tensor(bad)[None])


class MinNewTokens(Processor):
    """No stop token before `count` tokens have been written."""

    def __init__(self, count):
        check("min_new_tokens", count, is_whole(count) and count >= 0, "a whole number of at least 0")
        self.count = count

    def __call__(self, logits, state):
        vocabulary = ops.arange(logits.shape[-1], dtype="int32")
        stops = ops.any(vocabulary[:, None] == state.stops, axis=1)[None]  # (1, V)
        return banned(logits, stops & (row_index(state) - state.prompt < self.count))


BY_OPTION = {  # options of `generate`
    "repetition_penalty": RepetitionPenalty,
    "presence_penalty": PresencePenalty,
    "frequency_penalty": FrequencyPenalty,
    "no_repeat_ngram_size": NoRepeatNGram,
    "bad_token_ids": BadTokens,
    "min_new_tokens": MinNewTokens,
}


def row_index(state):
    """Where each row's next token goes, `(B or 1, 1)`."""
    return ops.reshape(state.index, (-1, 1))


def real_places(state):
    """Where `state.tokens` is prompt or text: bool `(B, C)`."""
    place = ops.arange(state.tokens.shape[1], dtype="int32")
    return (place >= state.start[:, None]) & (place < row_index(state))


def new_places(state):
    """Where `state.tokens` has been written after the prompt: bool `(B, C)`."""
    place = ops.arange(state.tokens.shape[1], dtype="int32")
    return (place >= state.prompt) & (place < row_index(state)) & (state.start[:, None] >= 0)


def counts(tokens, places, size):
    """How often each of `size` tokens occurs at `places`: float32 `(B, size)`."""
    rows = size * ops.arange(tokens.shape[0], dtype="int32")[:, None]
    flat = ops.segment_sum(
        ops.reshape(ops.cast(places, "float32"), (-1,)), ops.reshape(tokens + rows, (-1,)), tokens.shape[0] * size
    )
    return ops.reshape(flat, (tokens.shape[0], size))


def banned(logits, which):
    return ops.where(which, -INFINITY, logits)
