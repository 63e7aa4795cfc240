"""Speculative decoding (Leviathan et al., 2023, "Fast Inference from Transformers via Speculative Decoding")."""

from keras import ops

from keras_nlp.generation.cache import KeyValueCache, written_by_row
from keras_nlp.generation.loop import Loop, logprob, widen


class SpeculativeLoop(Loop):
    """A small model drafts `draft_tokens` tokens, the large one reads them at once and keeps those it agrees with.

    Each row keeps what it can, so rows advance by themselves: `index` is `(B,)`. A drafted token x is kept with
    probability min(1, p(x) / q(x)), p and q what the sampler makes of the two models' logits; in place of the first
    one refused a token is drawn from max(p - q, 0). So the text is distributed as the large model's own, and under
    greedy choice it is the same text.

    `extra`: the draft's `cache`, filled like the large model's up to index - 1.
    """

    def __init__(self, *args, draft_tokens, **kwargs):
        super().__init__(*args, **kwargs)
        self.draft_tokens = draft_tokens
        self.stride = draft_tokens + 1

    def begin(self, state, cache, prompt, room):
        state = super().begin(state, cache, prompt, room)
        draft = KeyValueCache(self.draft.empty_cache(*prompt.shape), 0, state.start)
        self.read(self.draft.next_logits, prompt, draft)
        index = ops.zeros(state.start.shape, "int32") + state.index
        return state._replace(index=index, extra={"cache": widen(draft.arrays, room)})

    def step(self, state):
        index, count = state.index, self.draft_tokens
        last = ops.take_along_axis(state.tokens, index[:, None] - 1, axis=1)
        with self.drawing(state) as scope:
            drafted, guesses, seen, cache = self.drafts(state, last)
            waiting = ops.concatenate([last, drafted], axis=1)  # (B, count + 1)
            large = KeyValueCache(state.cache, index - 1, state.start)
            logits, state = self.checked(state, self.read(self.lm.every_logits, waiting, large))  # (B, count + 1, V)
            wanted = [self.distribution(logits[:, i], s) for i, s in enumerate(seen)]
            numbers = ops.sum(ops.stack([*guesses, *wanted], axis=1), axis=(1, 2))  # NaN where one of them is
            state = self.marked(state, ops.isnan(numbers))
            kept, token = self.judge(drafted, guesses, wanted)
            seed = scope.get_current_value(self.sampler.seed_generator.state)

        place = ops.arange(count + 1, dtype="int32")[None]
        padded = ops.concatenate([drafted, ops.zeros_like(last)], axis=1)
        fresh = ops.where(place < kept[:, None], padded, ops.where(place == kept[:, None], token[:, None], 0))
        stopped = ops.any(self.stopping(state, fresh) & (place <= kept[:, None]), axis=1)
        going = ops.logical_not(state.done)
        reached = ops.where(going, index + kept + 1, index)
        if self.logprobs:
            written = written_by_row(state.logprobs, logprob(logits, fresh), index)
            state = state._replace(logprobs=written)
        return state._replace(
            tokens=ops.where(going[:, None], written_by_row(state.tokens, fresh, index), state.tokens),
            cache=large.arrays,
            index=reached,
            done=state.done | stopped | (reached >= state.end),
            seed=seed,
            extra={"cache": cache},
        )

    def drafts(self, state, last):
        """Drafted tokens `(B, count)`, the `count` distributions they were drawn from, the `count + 1` states that
        processors see at each place, and the draft's cache, which has read all of them."""
        drafted, guesses, seen, arrays, token = [], [], [state], state.extra["cache"], last
        for i in range(self.draft_tokens + 1):
            cache = KeyValueCache(arrays, state.index - 1 + i, state.start)
            logits = ops.cast(self.read(self.draft.next_logits, token, cache), "float32")
            arrays = cache.arrays
            if i < self.draft_tokens:
                guesses.append(self.distribution(logits, seen[-1]))
                token = self.drawn(guesses[-1])[:, None]
                drafted.append(token)
                tokens = written_by_row(seen[-1].tokens, token, state.index + i)
                seen.append(state._replace(tokens=tokens, index=state.index + i + 1))
        return ops.concatenate(drafted, axis=1), guesses, seen, arrays

    def distribution(self, logits, state):
        return self.sampler.distribution(self.processed(logits, state)[0])

    def judge(self, drafted, guesses, wanted):
        """How many drafted tokens are kept `(B,)` and the token that follows them `(B,)`."""
        p = ops.stack(wanted[:-1], axis=1)  # (B, count, V)
        q = ops.stack(guesses, axis=1)
        chance = [ops.take_along_axis(x, drafted[:, :, None], axis=2)[:, :, 0] for x in (p, q)]
        accepted = self.sampler.uniform(drafted.shape) * chance[1] < chance[0]
        kept = ops.sum(ops.cumprod(ops.cast(accepted, "int32"), axis=1), axis=1)
        rest = ops.concatenate([ops.maximum(p - q, 0.0), wanted[-1][:, None]], axis=1)
        rest = ops.take_along_axis(rest, kept[:, None, None], axis=1)[:, 0]  # (B, V)
        return kept, self.drawn(rest)

    def drawn(self, weights):
        """A token `(B,)` for each row; any where weights are no numbers, which the state knows by then."""
        return ops.cast(self.sampler.draw(ops.where(ops.isnan(weights), 1.0, weights)), "int32")

    def reach(self, state):
        return ops.max(ops.where(state.done, 0, state.index))

    def grow_extra(self, extra, room):
        return {"cache": widen(extra["cache"], room)}
