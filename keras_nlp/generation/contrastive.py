"""Contrastive search (Su et al., 2022, "A Contrastive Framework for Neural Text Generation")."""

from keras import ops

from keras_nlp.generation.cache import KeyValueCache, reordered
from keras_nlp.generation.loop import Loop, more_places, repeated, widen


class ContrastiveLoop(Loop):
    """Reads the `k` most probable next tokens and takes the one whose hidden state repeats the text least.

    State rows are prompts x candidates; the rows of a prompt hold the same text. Other than in the plain loop the last
    token has been read already, so that its logits are known.

    `extra`: `logits (B, V)` of what comes next and `hidden (B, C, D)`, the text's hidden states at length 1.
    """

    @property
    def rows(self):
        return min(self.sampler.k, self.lm.backbone.vocabulary_size)

    def begin(self, state, cache, prompt, room):
        hidden = self.read(self.lm.hidden_states, prompt, cache)
        logits, state = self.checked(state, self.lm.logits(hidden[:, -1]))
        state = repeated(state._replace(cache=widen(cache.arrays, room)), self.rows)
        return state._replace(extra={"logits": logits, "hidden": more_places(unit(hidden), room)})

    def step(self, state):
        k, index, extra = self.rows, state.index, state.extra
        batch, logits = extra["logits"].shape[0], extra["logits"]
        single = state._replace(
            tokens=state.tokens[::k], start=state.start[::k], end=state.end[::k], done=state.done[::k]
        )
        allowed, single = self.processed(logits, single)
        state = state._replace(broken=single.broken)
        probabilities = ops.softmax(allowed / self.sampler.temperature)
        confidence, candidates = ops.top_k(probabilities, k)  # (B, k)
        candidates = ops.cast(candidates, "int32")

        cache = KeyValueCache(state.cache, index, state.start)
        hidden = self.read(self.lm.hidden_states, ops.reshape(candidates, (-1, 1)), cache)[:, -1]  # (B·k, D)
        following = self.lm.logits(hidden)
        hidden = ops.reshape(unit(hidden), (batch, k, -1))
        place = ops.arange(extra["hidden"].shape[1], dtype="int32")
        real = (place >= single.start[:, None]) & (place < index)  # (B, C)
        likeness = ops.matmul(hidden, ops.swapaxes(extra["hidden"], 1, 2))  # (B, k, C)
        penalty = ops.max(ops.where(real[:, None], likeness, -1.0), axis=-1)
        alpha = self.sampler.alpha
        scores = ops.where(confidence > 0, (1 - alpha) * confidence - alpha * penalty, -float("inf"))
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")[:, None]  # (B, 1)
        row = ops.repeat(best[:, 0] + k * ops.arange(batch, dtype="int32"), k, axis=0)  # the state's row, (B·k,)

        token = ops.repeat(ops.take_along_axis(candidates, best, axis=1)[:, 0], k, axis=0)
        token = ops.where(state.done, 0, token)
        chosen = ops.take_along_axis(hidden, best[:, :, None], axis=1)  # (B, 1, D)
        state = state._replace(
            cache=reordered(cache.arrays, row),
            extra={
                "logits": ops.cast(ops.take(following, row[::k], axis=0), "float32"),
                "hidden": ops.slice_update(extra["hidden"], (0, index, 0), chosen),
            },
        )
        state = self.put(state, token, ops.repeat(logits, k, axis=0))
        return self.checked(state, ops.take(following, row, axis=0))[1]

    def grow_extra(self, extra, room):
        return extra | {"hidden": more_places(extra["hidden"], room)}

    def results(self, state):
        tokens, logprobs, ends = super().results(state)
        return tokens[:: self.rows], None if logprobs is None else logprobs[:: self.rows], ends[:: self.rows]


def unit(hidden):
    hidden = ops.cast(hidden, "float32")
    return hidden / ops.maximum(ops.norm(hidden, axis=-1, keepdims=True), 1e-12)
