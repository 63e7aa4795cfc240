"""Beam search."""

import keras
from keras import ops

from keras_nlp.generation.cache import reordered
from keras_nlp.generation.loop import Loop, logprob, more_places, repeated, widen

NEVER = -1e9  # a score that nothing real falls to; finite, so that sums of it stay numbers


class BeamLoop(Loop):
    """Keeps the `num_beams` most probable texts of each prompt; state rows are prompts x beams.

    A text that meets a stop token or its end leaves the running beams for good and competes with the other finished
    ones by its log-probability / length ** length_penalty. A prompt is done when its best running beam can no longer
    beat its worst finished one, or is at its end.

    `extra`: the running beams' `scores (B·K,)`; of the finished ones, best first, `tokens` and `logprobs (B·K, C)`,
    `ends (B, K)` and `totals (B, K)`, their scores.
    """

    streams = False

    @property
    def rows(self):
        return self.sampler.num_beams

    def begin(self, state, cache, prompt, room):
        logits = self.read(self.lm.next_logits, prompt, cache)
        beams, batch = self.rows, prompt.shape[0]
        state = repeated(state._replace(cache=widen(cache.arrays, room)), beams)
        first = ops.tile(ops.convert_to_tensor([0.0] + [NEVER] * (beams - 1), "float32"), [batch])
        extra = {
            "scores": first,  # all beams begin alike: only the first may be continued
            "tokens": state.tokens,
            "logprobs": ops.zeros(state.tokens.shape, "float32"),
            "ends": ops.zeros((batch, beams), "int32") + state.index,
            "totals": ops.full((batch, beams), NEVER, "float32"),
        }
        return self.write(state._replace(extra=extra), ops.repeat(logits, beams, axis=0))

    def write(self, state, logits):
        logits, state = self.checked(state, logits)
        beams, (count, size) = self.rows, logits.shape
        batch, extra = count // beams, state.extra
        scores, state = self.processed(ops.log_softmax(logits / self.sampler.temperature), state)
        scores = ops.reshape(scores + extra["scores"][:, None], (batch, beams * size))
        # Enough candidates that as many beams as before run on when all the others stop.
        keep = min((1 + state.stops.shape[0]) * beams, beams * size)
        top, place = ops.top_k(scores, keep)  # (B, keep), best first
        place = ops.cast(place, "int32")
        row = place // size + beams * ops.arange(batch, dtype="int32")[:, None]  # the state's row each one continues
        token = place % size
        over = ops.reshape(state.done, (batch, beams))[:, :1]
        end = ops.reshape(state.end, (batch, beams))[:, :1]
        hits = self.stopping(state, token) | (state.index + 1 >= end)
        gained = logprob(ops.take(logits, row, axis=0), token) if self.logprobs else None

        extra = self.finish(state, top[:, :beams], row[:, :beams], token[:, :beams], hits[:, :beams], over, gained)
        running, chosen = ops.top_k(ops.where(hits, NEVER + top, top), beams)
        row, token = (ops.reshape(ops.take_along_axis(x, chosen, axis=1), (-1,)) for x in (row, token))
        best = running[:, :1] / self.penalty(state)
        improvable = ops.any(extra["totals"] <= NEVER / 2, axis=1, keepdims=True) | (best > extra["totals"][:, -1:])
        over = over | ops.all(hits, axis=1, keepdims=True) | ops.logical_not(improvable)
        if self.logprobs:
            gained = ops.reshape(ops.take_along_axis(gained, chosen, axis=1), (-1, 1))
            logprobs = ops.slice_update(ops.take(state.logprobs, row, axis=0), (0, state.index), gained)
            state = state._replace(logprobs=logprobs)
        return state._replace(
            tokens=ops.slice_update(ops.take(state.tokens, row, axis=0), (0, state.index), token[:, None]),
            cache=reordered(state.cache, row),
            index=state.index + 1,
            done=ops.repeat(over[:, 0], beams, axis=0),
            extra=extra | {"scores": ops.reshape(running, (-1,))},
        )

    def finish(self, state, top, row, token, hits, over, gained):
        """The finished beams after the candidates `(B, K)` that now stop have joined them."""
        extra, beams = state.extra, self.rows
        totals = ops.where(hits & ops.logical_not(over), top / self.penalty(state), NEVER)
        totals, chosen = ops.top_k(ops.concatenate([extra["totals"], totals], axis=1), beams)
        ends = ops.zeros(row.shape, "int32") + state.index + 1

        def merge(name, fresh, written):
            rows = ops.take(fresh, ops.reshape(row, (-1,)), axis=0)
            rows = ops.slice_update(rows, (0, state.index), ops.reshape(written, (-1, 1)))
            both = [ops.reshape(x, (*row.shape, -1)) for x in (extra[name], rows)]
            picked = ops.take_along_axis(ops.concatenate(both, axis=1), chosen[:, :, None], axis=1)
            return ops.reshape(picked, rows.shape)

        logprobs = merge("logprobs", state.logprobs, gained[:, :beams]) if self.logprobs else extra["logprobs"]
        return extra | {
            "tokens": merge("tokens", state.tokens, token),
            "logprobs": logprobs,
            "ends": ops.take_along_axis(ops.concatenate([extra["ends"], ends], axis=1), chosen, axis=1),
            "totals": totals,
        }

    def penalty(self, state):
        length = ops.cast(state.index + 1 - state.prompt, "float32")
        return length**self.sampler.length_penalty

    def grow_extra(self, extra, room):
        return extra | {name: more_places(extra[name], room) for name in ("tokens", "logprobs")}

    def results(self, state):
        ends = keras.ops.convert_to_numpy(state.extra["ends"])
        tokens, logprobs = (keras.ops.convert_to_numpy(state.extra[n]) for n in ("tokens", "logprobs"))
        shape = (*ends.shape, -1)
        return tokens.reshape(shape), logprobs.reshape(shape) if self.logprobs else None, ends
