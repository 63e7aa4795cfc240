"""The base of all samplers, and the two plainest."""

import keras
from keras import ops

from keras_nlp.generation import Loop
from keras_zoo.config import serializable

INFINITY = float("inf")


class Sampler:
    """Chooses each row's next token.

    A sampler of one's own is a subclass with one method, `get_next_token(probabilities)`: float32 `(B, V)` in, int
    token ids `(B,)` out. Draw randomness with `seed=self.seed_generator`, whose state the decoding loop carries along.

    Args:
        temperature: divides the logits before the softmax; above 1 flatter, below 1 sharper.
        seed: int, for reproducible text; None draws a new one for each `generate`.
    """

    loop_class = Loop  # the search that the sampler is used in

    def __init__(self, temperature=1.0, seed=None):
        check("temperature", temperature, 0 < temperature < INFINITY, "greater than 0 (or use GreedySampler)")
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
        fields = {k: v for k, v in vars(self).items() if k not in ("seed", "seed_generator")}
        return program_key(self, fields)

    def get_config(self):
        return {"temperature": self.temperature, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class DrawingSampler(Sampler):
    """Draws from what `truncate` leaves of a distribution; such samplers can judge the drafts of another model.

    A subclass gives `truncate(probabilities)`: float32 `(B, V)` in, weights `(B, V)` out that need not sum to 1.
    """

    def truncate(self, probabilities):
        raise NotImplementedError

    def distribution(self, logits):
        """The probabilities `(B, V)` that tokens are drawn with."""
        weights = self.truncate(ops.softmax(logits / self.temperature))
        return weights / ops.sum(weights, axis=-1, keepdims=True)

    def draw(self, weights):
        """One token id `(B,)` a row, drawn by `weights (B, V)`, which need not sum to 1."""
        return keras.random.categorical(ops.log(weights), 1, seed=self.seed_generator)[:, 0]

    def uniform(self, shape):
        return keras.random.uniform(shape, seed=self.seed_generator)

    def get_next_token(self, probabilities):
        return self.draw(self.truncate(probabilities))


@serializable
class GreedySampler(DrawingSampler):
    """The most probable token, whatever the temperature; the first one where several are equal."""

    def __call__(self, logits):
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    def truncate(self, probabilities):
        return ops.one_hot(ops.argmax(probabilities, axis=-1), probabilities.shape[-1], dtype="float32")

    def draw(self, weights):
        return ops.argmax(weights, axis=-1)


@serializable
class RandomSampler(DrawingSampler):
    """A draw from the whole distribution."""

    def __init__(self, seed=None, temperature=1.0):
        super().__init__(temperature, seed)

    def truncate(self, probabilities):
        return probabilities


def check(name, value, fits, accepted):
    if not fits:
        raise ValueError(f"{name} must be {accepted}; got {value!r}.")


def program_key(thing, fields):
    """What tells compiled programs apart: a class and the values of its plain attributes."""
    plain = (str, int, float, bool, type(None), tuple)
    return type(thing), *((k, v if isinstance(v, plain) else id(v)) for k, v in sorted(fields.items()))
