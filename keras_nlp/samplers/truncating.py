"""Samplers that draw from the better part of the distribution."""

from keras import ops

from keras_nlp.samplers.sampler import DrawingSampler, check
from keras_zoo.config import serializable

ROUNDING = 1e-6  # of a sum of float32 probabilities
LOWEST, HALVINGS = -104.0, 36  # the logarithm of the smallest float32; enough halvings to part any two of them


@serializable
class TopKSampler(DrawingSampler):
    """A draw from the `k` most probable tokens (Fan et al., 2018)."""

    def __init__(self, k=5, seed=None, temperature=1.0):
        check("k", k, is_whole(k) and k >= 1, "a whole number of at least 1")
        super().__init__(temperature, seed)
        self.k = k

    def get_next_token(self, probabilities):
        best, token_ids = ops.top_k(probabilities, min(self.k, probabilities.shape[-1]))  # (B, k), largest first
        return pick(token_ids, self.draw(best))

    def truncate(self, probabilities):
        best, token_ids = ops.top_k(probabilities, min(self.k, probabilities.shape[-1]))
        return spread(best, token_ids, probabilities.shape[-1])

    def get_config(self):
        return super().get_config() | {"k": self.k}


@serializable
class TopPSampler(DrawingSampler):
    """A draw from the nucleus: the fewest tokens whose probabilities sum to at least `p` (Holtzman et al., 2020).

    `k`, where given, looks at the `k` most probable tokens only. Without it tokens as probable as the last of the
    nucleus belong to it too.
    """

    def __init__(self, p=0.1, k=None, seed=None, temperature=1.0):
        check("p", p, 0 < p <= 1, "greater than 0 and at most 1")
        check("k", k, k is None or (is_whole(k) and k >= 1), "None or a whole number of at least 1")
        super().__init__(temperature, seed)
        self.p = p
        self.k = k

    def truncate(self, probabilities):
        if self.k is not None and self.k < probabilities.shape[-1]:
            best, token_ids = ops.top_k(probabilities, self.k)
            before = ops.cumsum(best, axis=-1) - best
            kept = before < (max(self.p - ROUNDING, self.p / 2) if self.p < 1 else 1.0)  # the first always is
            return spread(ops.where(kept, best, 0.0), token_ids, probabilities.shape[-1])
        return fewest(probabilities, ops.log(probabilities), self.p)

    def get_config(self):
        return super().get_config() | {"p": self.p, "k": self.k}


@serializable
class MinPSampler(DrawingSampler):
    """A draw from the tokens at least `min_p` times as probable as the best one (Nguyen et al., 2024)."""

    def __init__(self, min_p=0.1, seed=None, temperature=1.0):
        check("min_p", min_p, 0 <= min_p <= 1, "between 0 and 1")
        super().__init__(temperature, seed)
        self.min_p = min_p

    def truncate(self, probabilities):
        best = ops.max(probabilities, axis=-1, keepdims=True)
        return ops.where(probabilities >= self.min_p * best, probabilities, 0.0)

    def get_config(self):
        return super().get_config() | {"min_p": self.min_p}


@serializable
class TypicalSampler(DrawingSampler):
    """A draw from the tokens whose surprise is nearest to what is expected (Meister et al., 2023): of them the fewest
    whose probabilities sum to at least `p`."""

    def __init__(self, p=0.9, seed=None, temperature=1.0):
        check("p", p, 0 < p <= 1, "greater than 0 and at most 1")
        super().__init__(temperature, seed)
        self.p = p

    def truncate(self, probabilities):
        surprise = -ops.log(ops.maximum(probabilities, 1e-37))
        entropy = ops.sum(probabilities * surprise, axis=-1, keepdims=True)
        return fewest(probabilities, -ops.abs(surprise - entropy), self.p)

    def get_config(self):
        return super().get_config() | {"p": self.p}


def fewest(probabilities, scores, mass):
    """The probabilities of the best tokens by `scores (B, V)`, the fewest that sum to at least `mass`, else 0.

    The score of the last token is found by halving an interval: a dozen times faster than sorting the vocabulary.
    """
    low = ops.full((probabilities.shape[0], 1), LOWEST)  # keeps enough
    high = ops.zeros_like(low) + 1e-6  # no score is above 0: keeps nothing
    mass = mass * ops.sum(probabilities, axis=-1, keepdims=True)

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        enough = ops.sum(ops.where(scores >= middle, probabilities, 0.0), axis=-1, keepdims=True) >= mass
        return ops.where(enough, middle, low), ops.where(enough, high, middle)

    low, _ = ops.fori_loop(0, HALVINGS, halve, (low, high))
    return ops.where(scores >= low, probabilities, 0.0)


def spread(weights, token_ids, size):
    """Weights `(B, k)` of `token_ids (B, k)` as weights `(B, size)`."""
    rows = size * ops.arange(token_ids.shape[0], dtype="int32")[:, None]
    places = ops.reshape(ops.cast(token_ids, "int32") + rows, (-1,))
    flat = ops.segment_sum(ops.reshape(weights, (-1,)), places, num_segments=token_ids.shape[0] * size)
    return ops.reshape(flat, (token_ids.shape[0], size))


def pick(token_ids, place):
    return ops.take_along_axis(token_ids, ops.cast(place, "int32")[:, None], axis=1)[:, 0]


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)
