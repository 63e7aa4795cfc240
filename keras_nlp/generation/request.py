"""From prompts to arrays for the loop, and from the loop's state back to rows."""

import keras
import numpy as np
from keras import ops

from keras_nlp.generation.buckets import SMALLEST_PROMPT, SMALLEST_STOPS, bucket
from keras_nlp.generation.loop import integer

FIRST_CHUNK, CHUNK = 1, 8  # tokens between two looks at the state while streaming


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

    def arrays(self, sampler):
        """The arguments of `Loop.prefill`; rows that only fill the batch's bucket are done from the start."""
        batch = bucket(len(self.rows))
        prompt = np.zeros((batch, self.prompt_end), "int32")
        start = np.full(batch, self.prompt_end - 1, "int32")
        end = np.zeros(batch, "int32")
        start[: len(self.rows)], end[: len(self.rows)] = self.starts, self.ends
        for i, row in enumerate(self.rows):
            prompt[i, start[i] :] = row
        stops = np.full(bucket(len(self.stop_token_ids), SMALLEST_STOPS), -1, "int32")
        stops[: len(self.stop_token_ids)] = self.stop_token_ids
        seed = np.array([self.seed & 0x7FFFFFFF, 0], sampler.seed_generator.state.dtype)
        return [ops.convert_to_tensor(x) for x in (prompt, start, end, stops, seed)]

    def run(self, loop, streaming=False):
        """Writes until every row is done; yields the state whenever it may be looked at."""
        if max(self.ends) <= self.prompt_end:  # nothing to write
            return
        state = loop.prefill(*self.arrays(loop.sampler))
        chunk, last = FIRST_CHUNK, max(self.ends)
        while True:
            index, done = int(state.index), keras.ops.convert_to_numpy(state.done).all()
            yield state
            if done or index >= last:
                return
            if index == state.tokens.shape[1]:
                state = loop.grow(state)
            until = min(last, state.tokens.shape[1], index + chunk if streaming else last)
            state = loop.decode(state, integer(until))
            chunk = CHUNK

    def finish(self, loop):
        """Runs to the end; the last state, or None where there was nothing to write."""
        state = None
        for last in self.run(loop):
            state = last
        return state

    def written(self, state):
        """What has been written behind each prompt so far: int lists, each up to its first stop token."""
        if state is None:
            return [[] for _ in self.rows]
        tokens = keras.ops.convert_to_numpy(state.tokens)
        index = int(state.index)
        return [
            cut_after_stop(tokens[i, self.prompt_end : min(index, end)].tolist(), self.stop_token_ids)
            for i, end in enumerate(self.ends)
        ]


def cut_after_stop(row, stop_token_ids):
    place = next((i for i, token in enumerate(row) if token in stop_token_ids), len(row))
    return row[: place + 1]
