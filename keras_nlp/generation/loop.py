"""The one generation loop: every causal model, every sampler, streaming or not."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_nlp.generation.buckets import capacity_for
from keras_nlp.generation.cache import KeyValueCache, reordered, with_row_axis, without_row_axis
from keras_nlp.generation.recorded import RecordedReads
from keras_nlp.generation.weights import Weights
from keras_zoo.compiled import backend, compile_function
from keras_zoo.tfdata import to_numpy


class State(NamedTuple):
    """All that changes while text is written. `C` is the capacity, which grows by doubling.

    tokens    (B, C) int32  prompts, padded on the left to a common end, then what has been written
    cache     per layer (key, value), each (B, heads, C, head_dim)
    index     () int32      where the next token is written; keys and values are filled up to index - 1
    start     (B,) int32    each row's first real token
    prompt    () int32      the prompts' common end
    end       (B,) int32    the place before which each row must stop
    done      (B,) bool     the row has met a stop token or its end; it is filled with padding from here on
    stops     (S,) int32    stop tokens, -1 where unused
    seed      (2,)          the state of the sampler's random numbers
    broken    () int32      where logits were first found not to be finite numbers, -1 while they are
    logprobs  (B, C)        float32, the written tokens' log-probabilities; () where they are not asked for
    extra     dict          what a search keeps besides
    """

    tokens: object
    cache: object
    index: object
    start: object
    prompt: object
    end: object
    done: object
    stops: object
    seed: object
    broken: object
    logprobs: object = ()
    extra: object = {}


class Loop:
    """`prefill` and `decode` for one model and one sampler, compiled once for each bucket of shapes.

    Searches that write otherwise than one token a row and step are subclasses with `begin` and `step` of their own.

    Args:
        lm: gives `next_logits(token_ids, cache)` and `empty_cache(batch, capacity)`.
        sampler: a `keras_nlp.samplers.Sampler`.
        processors: functions `(logits, state) -> logits` that come before the sampler.
        logprobs: keep the written tokens' log-probabilities.
        jit: compile; without it everything runs operation by operation.

    Attributes: `traces` counts how often a program was traced, that is compiled on JAX and TensorFlow.
    """

    rows = 1  # rows of the state for each prompt
    stride = 1  # the most places one step may write
    streams = True  # what has been written stays, so that it may be shown at once

    def __init__(self, lm, sampler, processors=(), logprobs=False, jit=True, draft=None):
        self.lm, self.sampler, self.processors, self.logprobs = lm, sampler, tuple(processors), logprobs
        self.draft = draft
        self.traces = 0
        models = [lm] if draft is None else [lm, draft]
        self.weights = Weights(models, lm.kept, jit)
        self.reads = RecordedReads(jit)
        self.prefill = compile_function(self._prefill, self.weights, jit)
        self.decode = compile_function(self._decode, self.weights, jit, donate=True)
        self.extend = compile_function(self._extend, self.weights, jit, donate=True)
        self.grow = compile_function(self._grow, self.weights, jit)

    # Programs.

    def _prefill(self, prompt, start, end, stops, seed):
        """Reads prompts `(B, P)`, padded on the left, and writes each row's first token."""
        self.traces += 1
        batch, length = prompt.shape
        cache = KeyValueCache(self.lm.empty_cache(batch, length), 0, start)
        room = capacity_for(length) - length
        state = State(
            tokens=ops.pad(prompt, ((0, 0), (0, room))),
            cache=(),
            index=integer(length),
            start=start,
            prompt=integer(length),
            end=end,
            done=end <= length,
            stops=stops,
            seed=seed,
            broken=ops.convert_to_tensor(-1, "int32"),
            logprobs=ops.zeros((batch, length + room), "float32") if self.logprobs else (),
        )
        return self.begin(state, cache, prompt, room)

    def _decode(self, state, until):
        """Writes tokens up to place `until` (at most the capacity) or until every row is done."""
        self.traces += 1

        def unfinished(*values):
            state = State(*values)
            going = ops.logical_not(ops.all(state.done)) & (state.broken < 0)
            return ops.logical_and(self.reach(state) < until, going)

        # One row's caches go without its axis. Only compiled programs, of rows in step, have a scalar array as index.
        single = getattr(state.index, "shape", None) == () and state.tokens.shape[0] == 1
        state = state._replace(cache=without_row_axis(state.cache)) if single else state
        state = State(*while_loop(unfinished, lambda *values: tuple(self.step(State(*values))), tuple(state)))
        return state._replace(cache=with_row_axis(state.cache)) if single else state

    def _extend(self, state, token_ids, count, end, stops, seed):
        """Puts `count` more prompt tokens, `(1, T)` padded on the right, behind the text of the only row.

        Invariant of the loop: the last token has not been read yet, so all before it are read here. What padding
        leaves in the cache lies behind the index, where no query looks before it is written over.
        """
        self.traces += 1
        index, width = state.index, token_ids.shape[1]
        tokens = ops.slice_update(state.tokens, (0, index), token_ids)
        waiting = ops.slice(tokens, (0, index - 1), (1, width))
        cache = KeyValueCache(state.cache, index - 1, state.start)
        self.read(self.lm.next_logits, waiting, cache)
        index = index + count
        return state._replace(
            tokens=tokens,
            cache=cache.arrays,
            index=index,
            prompt=index,
            end=end,
            done=end <= index,
            stops=stops,
            seed=seed,
        )

    def _grow(self, state):
        """The same state with twice the capacity."""
        self.traces += 1
        room = state.tokens.shape[1]
        return state._replace(
            tokens=more_places(state.tokens, room),
            cache=widen(state.cache, room),
            logprobs=more_places(state.logprobs, room) if self.logprobs else (),
            extra=self.grow_extra(state.extra, room),
        )

    # What a search may do otherwise.

    def begin(self, state, cache, prompt, room):
        """Reads the prompts into `cache`, which has no room, and writes the first token."""
        logits = self.read(self.lm.next_logits, prompt, cache)
        return self.write(state._replace(cache=widen(cache.arrays, room)), logits)

    def step(self, state):
        """Reads the last token of each row and writes the next one."""
        last = ops.slice(state.tokens, (0, state.index - 1), (state.tokens.shape[0], 1))
        cache = KeyValueCache(state.cache, state.index - 1, state.start)
        logits = self.read(self.lm.next_logits, last, cache)
        return self.write(state._replace(cache=cache.arrays), logits)

    def reach(self, state):
        """Where the foremost row that is not done writes its next token."""
        return state.index

    def grow_extra(self, extra, room):
        return extra

    def results(self, state):
        """Tokens and log-probabilities `(B, K, C)` and where each ends `(B, K)`: NumPy, K texts for each prompt."""
        tokens = keras.ops.convert_to_numpy(state.tokens)[:, None]
        logprobs = keras.ops.convert_to_numpy(state.logprobs)[:, None] if self.logprobs else None
        ends = np.broadcast_to(np.asarray(to_numpy(state.index)).reshape(-1, 1), tokens.shape[:2])
        return tokens, logprobs, ends

    # Shared steps.

    def read(self, function, token_ids, cache):
        """`function(token_ids, cache)`, a method of a model; traced and repeated on torch."""
        return self.reads(function, token_ids, cache)

    def write(self, state, logits):
        """Chooses each row's next token from `logits (B, V)` and puts it at the index."""
        logits, state = self.checked(state, logits)
        allowed, state = self.processed(logits, state)
        allowed = ops.where(state.broken < 0, allowed, 0.0)  # torch refuses to draw by what are no numbers
        with self.drawing(state) as scope:
            token = self.sampler(allowed)
            seed = scope.get_current_value(self.sampler.seed_generator.state)
        token = ops.where(state.done, 0, token)
        return self.put(state._replace(seed=seed), token, logits)

    def put(self, state, token, logits):
        """Writes `token (B,)` at the index; rows that are done get padding."""
        stopped = self.stopping(state, token) | (state.index + 1 >= state.end)
        if self.logprobs:
            written = logprob(logits, token)[:, None]
            state = state._replace(logprobs=ops.slice_update(state.logprobs, (0, state.index), written))
        return state._replace(
            tokens=ops.slice_update(state.tokens, (0, state.index), token[:, None]),
            index=state.index + 1,
            done=ops.logical_or(state.done, stopped),
        )

    def checked(self, state, logits):
        """The logits in float32, and the state that knows whether they are numbers."""
        logits = ops.cast(logits, "float32")
        # Minus infinity is a token that a model forbids. (The maximum would not do: XLA's may pass over a NaN.)
        wrong = ops.any(ops.isnan(logits) | (logits == float("inf")), axis=-1)
        return logits, self.marked(state, wrong if len(wrong.shape) == 1 else ops.any(wrong, axis=1))

    def marked(self, state, rows):
        """The state that knows that `rows (B,)` have no logits to choose by, unless they are done."""
        place = ops.max(ops.where(rows & ops.logical_not(state.done), state.index, -1))
        return state._replace(broken=ops.where(state.broken < 0, ops.cast(place, "int32"), state.broken))

    def processed(self, logits, state):
        """What the processors make of the logits; and the state that knows whether they leave a token to choose."""
        if not self.processors:
            return logits, state
        for processor in self.processors:
            logits = processor(logits, state)
        return logits, self.marked(state, ops.logical_not(ops.any(ops.isfinite(logits), axis=-1)))

    def drawing(self, state):
        """Within it the sampler draws from the state's random numbers."""
        return keras.StatelessScope(state_mapping=[(self.sampler.seed_generator.state, state.seed)])

    def stopping(self, state, token):
        return ops.any(token[..., None] == state.stops, axis=-1)


def logprob(logits, token):
    """The log-probability of `token (…)` under `logits (…, V)`."""
    chosen = ops.take_along_axis(logits, token[..., None], axis=-1)[..., 0]
    return chosen - ops.logsumexp(logits, axis=-1)


def repeated(state, count):
    """The state with each row `count` times."""
    row = ops.repeat(ops.arange(state.tokens.shape[0], dtype="int32"), count)
    by_row = ("tokens", "start", "end", "done", *(["logprobs"] if len(state.logprobs) else []))
    fresh = {name: ops.take(getattr(state, name), row, axis=0) for name in by_row}
    return state._replace(**fresh, cache=reordered(state.cache, row))


def more_places(x, room):
    """`x (B, C, …)` with `room` more places, all zero."""
    return ops.pad(x, ((0, 0), (0, room), *[(0, 0)] * (len(x.shape) - 2)))


def widen(arrays, room):
    """Caches with `room` empty places behind those they have."""
    pad = ((0, 0), (0, 0), (0, room), (0, 0))
    return [(ops.pad(key, pad), ops.pad(value, pad)) for key, value in arrays]


def integer(value):
    """A scalar of the loop's state; torch, which runs eagerly, keeps plain numbers."""
    return value if keras.backend.backend() == "torch" else ops.convert_to_tensor(value, "int32")


def while_loop(condition, body, values):
    """`keras.ops.while_loop`; under torch a plain Python loop, so that places in the cache stay plain numbers."""
    if backend() != "torch":
        return ops.while_loop(condition, body, values)
    while condition(*values):
        values = body(*values)
    return values
