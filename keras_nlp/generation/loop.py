"""The one generation loop: every causal model, every sampler, streaming or not."""

from typing import NamedTuple

import keras
from keras import ops

from keras_nlp.generation.buckets import capacity_for
from keras_nlp.generation.cache import KeyValueCache
from keras_nlp.generation.compiled import compile_function, while_loop


class State(NamedTuple):
    """All that changes while text is written. `C` is the capacity, which grows by doubling.

    tokens  (B, C) int32   prompts, padded on the left to a common end, then what has been written
    cache   per layer (key, value), each (B, heads, C, head_dim)
    index   () int32       where the next token is written; keys and values are filled up to index - 1
    start   (B,) int32     each row's first real token
    end     (B,) int32     the place before which each row must stop
    done    (B,) bool      the row has met a stop token or its end; it is filled with padding from here on
    stops   (S,) int32     stop tokens, -1 where unused
    seed    (2,)           the state of the sampler's random numbers
    """

    tokens: object
    cache: object
    index: object
    start: object
    end: object
    done: object
    stops: object
    seed: object


class Loop:
    """`prefill` and `decode` for one model and one sampler, compiled once for each bucket of shapes.

    `lm` gives `next_logits(token_ids, cache)` and `empty_cache(batch, capacity)`.
    `traces` counts how often a program was traced, that is compiled on JAX and TensorFlow.
    """

    def __init__(self, lm, sampler, variables, jit=True):
        self.lm, self.sampler = lm, sampler
        self.traces = 0
        self.prefill = compile_function(self._prefill, variables, jit)
        self.decode = compile_function(self._decode, variables, jit, donate=True)
        self.grow = compile_function(self._grow, [], jit)

    def _prefill(self, prompt, start, end, stops, seed):
        """Reads prompts `(B, P)`, padded on the left, and writes each row's first token."""
        self.traces += 1
        batch, length = prompt.shape
        cache = KeyValueCache(self.lm.empty_cache(batch, length), 0, start)
        logits = self.lm.next_logits(prompt, cache)
        room = capacity_for(length) - length
        state = State(
            tokens=ops.pad(prompt, ((0, 0), (0, room))),
            cache=widen(cache.arrays, room),
            index=integer(length),
            start=start,
            end=end,
            done=end <= length,
            stops=stops,
            seed=seed,
        )
        return self.write(state, logits)

    def _decode(self, state, until):
        """Writes tokens up to place `until` (at most the capacity) or until every row is done."""
        self.traces += 1

        def unfinished(*values):
            state = State(*values)
            return ops.logical_and(state.index < until, ops.logical_not(ops.all(state.done)))

        def step(*values):
            state = State(*values)
            last = ops.slice(state.tokens, (0, state.index - 1), (state.tokens.shape[0], 1))
            cache = KeyValueCache(state.cache, state.index - 1, state.start)
            logits = self.lm.next_logits(last, cache)
            return tuple(self.write(state._replace(cache=cache.arrays), logits))

        return State(*while_loop(unfinished, step, tuple(state)))

    def write(self, state, logits):
        """Chooses each row's next token from `logits (B, V)` and puts it at the index."""
        generator = self.sampler.seed_generator.state
        with keras.StatelessScope(state_mapping=[(generator, state.seed)]) as scope:
            token = self.sampler(ops.cast(logits, "float32"))
            seed = scope.get_current_value(generator)
        token = ops.where(state.done, 0, token)
        stopped = ops.any(token[:, None] == state.stops[None, :], axis=1)
        return state._replace(
            tokens=ops.slice_update(state.tokens, (0, state.index), token[:, None]),
            index=state.index + 1,
            done=ops.logical_or(state.done, ops.logical_or(stopped, state.index + 1 >= state.end)),
            seed=seed,
        )

    def _grow(self, state):
        """The same state with twice the capacity."""
        self.traces += 1
        capacity = state.tokens.shape[1]
        return state._replace(tokens=ops.pad(state.tokens, ((0, 0), (0, capacity))), cache=widen(state.cache, capacity))


def widen(arrays, room):
    """Caches with `room` empty places behind those they have."""
    pad = ((0, 0), (0, 0), (0, room), (0, 0))
    return [(ops.pad(key, pad), ops.pad(value, pad)) for key, value in arrays]


def integer(value):
    """A scalar of the loop's state; torch, which runs eagerly, keeps plain numbers."""
    return value if keras.backend.backend() == "torch" else ops.convert_to_tensor(value, "int32")
