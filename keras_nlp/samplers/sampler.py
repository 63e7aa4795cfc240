"""Samplers that look at one step's distribution alone."""

import keras
from keras import ops

from keras_zoo.config import serializable


class Sampler:
    """Chooses each row's next token.

    A sampler of one's own is a subclass with one method, `get_next_token(probabilities)`: float32 `(B, V)` in, int
    token ids `(B,)` out. Draw randomness with `seed=self.seed_generator`, whose state the decoding loop carries along.

    Args:
        temperature: divides the logits before the softmax; above 1 flatter, below 1 sharper.
        seed: int, for reproducible text; None draws a new one for each `generate`.
    """

    def __init__(self, temperature=1.0, seed=None):
        if not temperature > 0:
            raise ValueError(f"temperature must be greater than 0; got {temperature}. Greedy choice is GreedySampler.")
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed or 0)

    def __call__(self, logits):
        """Logits `(B, V)` -> token ids `(B,)` int32."""
        return ops.cast(self.get_next_token(ops.softmax(logits / self.temperature)), "int32")

    def get_next_token(self, probabilities):
        raise NotImplementedError

    def program_key(self):
        """Equal for samplers that compile to the same program; the seed is a run-time value."""
        plain = (str, int, float, bool, type(None))
        fields = {k: v for k, v in vars(self).items() if k not in ("seed", "seed_generator")}
        return type(self), *((k, v if isinstance(v, plain) else id(v)) for k, v in sorted(fields.items()))

    def get_config(self):
        return {"temperature": self.temperature, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@serializable
class GreedySampler(Sampler):
    """The most probable token, whatever the temperature; the first one where several are equal."""

    def __call__(self, logits):
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    def get_next_token(self, probabilities):
        return ops.argmax(probabilities, axis=-1)


@serializable
class RandomSampler(Sampler):
    """A draw from the whole distribution."""

    def __init__(self, seed=None, temperature=1.0):
        super().__init__(temperature, seed)

    def get_next_token(self, probabilities):
        return keras.random.categorical(ops.log(probabilities), 1, seed=self.seed_generator)[:, 0]


@serializable
class TopKSampler(Sampler):
    """A draw from the `k` most probable tokens (Fan et al., 2018)."""

    def __init__(self, k=5, seed=None, temperature=1.0):
        if not k >= 1:
            raise ValueError(f"k must be at least 1; got {k}.")
        super().__init__(temperature, seed)
        self.k = k

    def get_next_token(self, probabilities):
        k = min(self.k, probabilities.shape[-1])
        best, token_ids = ops.top_k(probabilities, k)  # (B, k), largest first
        drawn = keras.random.categorical(ops.log(best), 1, seed=self.seed_generator)
        return ops.take_along_axis(token_ids, ops.cast(drawn, "int32"), axis=1)[:, 0]

    def get_config(self):
        return super().get_config() | {"k": self.k}
