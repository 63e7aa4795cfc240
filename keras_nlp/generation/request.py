"""From prompts to arrays for the loop, and from the loop's state back to rows."""

import time
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_nlp.generation.buckets import SMALLEST_PROMPT, SMALLEST_STOPS, bucket
from keras_nlp.generation.loop import integer

CHUNK = 64  # tokens between two looks at the state; an interrupt is served then
PIECE_SECONDS, MOST_IN_PIECE = 0.05, 16  # a streamed piece takes about so long, and holds at most so many tokens


class Written(NamedTuple):
    """What was written behind a prompt: token ids, the stop token included, and their log-probabilities or None."""

    token_ids: list
    logprobs: list | None


class Request:
    """A batch of prompts on its way through a `Loop`.

    Args:
        rows: the prompts, a list of int lists, none empty.
        lengths: for each row, the length prompt and text together may reach.
        stop_token_ids: ids that end a row; the stop token itself is kept.
        seed: int, the start of the random numbers.
    """

    def __init__(self, rows, lengths, stop_token_ids=(), seed=0):
        self.rows, self.lengths = rows, lengths
        self.stop_token_ids = list(stop_token_ids)
        self.seed = seed
        self.prompt_end = bucket(max(map(len, rows)), SMALLEST_PROMPT)
        self.starts = [self.prompt_end - len(row) for row in rows]
        self.ends = [start + length for start, length in zip(self.starts, lengths, strict=True)]

    def part(self, numbers, seed):
        """The request of some of the rows."""
        rows, lengths = [self.rows[i] for i in numbers], [self.lengths[i] for i in numbers]
        return Request(rows, lengths, self.stop_token_ids, seed)

    def arrays(self, sampler):
        """The arguments of `Loop.prefill`; rows that only fill the batch's bucket are done from the start."""
        batch = bucket(len(self.rows))
        prompt = np.zeros((batch, self.prompt_end), "int32")
        start = np.full(batch, self.prompt_end - 1, "int32")
        end = np.zeros(batch, "int32")
        start[: len(self.rows)], end[: len(self.rows)] = self.starts, self.ends
        for i, row in enumerate(self.rows):
            prompt[i, start[i] :] = row
        return [ops.convert_to_tensor(x) for x in (prompt, start, end, *self.settings(sampler))]

    def settings(self, sampler):
        """Stop tokens and seed as arrays."""
        stops = np.full(bucket(len(self.stop_token_ids), SMALLEST_STOPS), -1, "int32")
        stops[: len(self.stop_token_ids)] = self.stop_token_ids
        return stops, np.array([self.seed & 0x7FFFFFFF, 0], sampler.seed_generator.state.dtype)

    def run(self, loop, streaming=False):
        """Writes until every row is done; yields the state whenever it may be looked at."""
        if max(self.ends) <= self.prompt_end:  # nothing to write
            return
        arrays = self.arrays(loop.sampler)
        weights = loop.weights.values()
        yield from advance(loop, weights, loop.prefill(weights, *arrays), max(self.ends), streaming)

    def finish(self, loop):
        """Runs to the end: for each prompt a list of what was written, the best first."""
        state = None
        for last in self.run(loop):
            state = last
        return self.written(loop, state)

    def written(self, loop, state):
        """What has been written behind each prompt so far: each text up to its first stop token."""
        if state is None:
            return [[Written([], [] if loop.logprobs else None)] for _ in self.rows]
        tokens, logprobs, ends = loop.results(state)
        found = []
        for i, end in enumerate(self.ends):
            texts = []
            for k in range(tokens.shape[1]):
                places = slice(self.prompt_end, min(int(ends[i, k]), end))
                row = cut_after_stop(tokens[i, k, places].tolist(), self.stop_token_ids)
                texts.append(Written(row, logprobs[i, k, places][: len(row)].tolist() if loop.logprobs else None))
            found.append(texts)
        return found


def advance(loop, weights, state, last, streaming=False):
    """Runs a state until every row is done or at place `last`; yields it whenever it may be looked at.

    Raises `ValueError` where the model's logits are not numbers.
    """
    chunk = 1 if streaming else CHUNK
    while True:
        index, broken = int(loop.reach(state)), int(state.broken)
        if broken >= 0:
            raise ValueError(
                f"The model's logits for token {broken - int(state.prompt) + 1} after the prompt are not finite "
                "(NaN or infinite). Its weights are damaged or too large for its dtype, or its draft's are, or logit "
                "processors leave no token."
            )
        done = bool(keras.ops.convert_to_numpy(state.done).all())
        yield state
        if done:
            return
        if index + loop.stride > state.tokens.shape[1]:
            state = loop.grow(weights, state)
        until = min(last, state.tokens.shape[1] - loop.stride + 1, index + chunk)
        begin = time.perf_counter()
        state = loop.decode(weights, state, integer(until))
        if streaming:
            written = max(int(loop.reach(state)) - index, 1)
            pace = (time.perf_counter() - begin) / written
            chunk = max(1, min(MOST_IN_PIECE, round(PIECE_SECONDS / pace)))


def cut_after_stop(row, stop_token_ids):
    place = next((i for i, token in enumerate(row) if token in stop_token_ids), len(row))
    return row[: place + 1]
