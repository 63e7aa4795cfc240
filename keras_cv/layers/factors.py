"""How strong an augmentation is: a number, a range, or a distribution from which each image draws."""

import numbers
import random
import threading

import numpy as np

from keras_zoo import tfdata
from keras_zoo.config import Configured, serializable


class Drawing(threading.local):
    """The random stream of the layer that is at work in this thread, for what is drawn without being handed one.

    It draws as TensorFlow's generators do, which layers written for KerasCV know as `self._random_generator`.
    """

    streams = ()

    def by(self, stream):
        """Within it `stream` is drawn from."""
        self.streams = (*self.streams, stream)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.streams = self.streams[:-1]

    @property
    def stream(self):
        """A `numpy.random.Generator`; outside of a layer a new one, which `keras.utils.set_random_seed` decides."""
        return self.streams[-1] if self.streams else np.random.default_rng(random.randrange(2**31))

    def uniform(self, shape=(), minval=0, maxval=1, dtype="float32"):
        if np.issubdtype(dtype, np.integer):
            return self.stream.integers(minval, maxval, shape, dtype)
        return np.asarray(self.stream.uniform(minval, maxval, shape), dtype)

    def normal(self, shape=(), mean=0.0, stddev=1.0, dtype="float32"):
        return np.asarray(self.stream.normal(mean, stddev, shape), dtype)


drawing = Drawing()


class FactorSampler(Configured):
    """A distribution of strengths. A subclass gives `draw`, or as in KerasCV `__call__(shape, dtype)`."""

    def __call__(self, shape=(), dtype="float32"):
        """Strengths in an array of this shape, of the layer that is at work; a number by default."""
        return np.asarray(self.draw(drawing.stream, shape or ()), dtype)

    def draw(self, random, shape):
        """Strengths in an array of this shape, from a `numpy.random.Generator`."""
        if type(self).__call__ is FactorSampler.__call__:
            raise NotImplementedError(f"{type(self).__name__} has neither draw(random, shape) nor __call__(shape).")
        with drawing.by(random):
            return np.asarray(tfdata.to_numpy(self(shape)), "float32")


@serializable
class ConstantFactorSampler(FactorSampler):
    """The same strength for every image."""

    def __init__(self, value):
        self.value = value

    def draw(self, random, shape):
        return np.full(shape, self.value, "float32")


@serializable
class UniformFactorSampler(FactorSampler):
    """Strengths between `lower` and `upper`, all equally likely.

    `seed` is there because KerasCV has it: the layer's own seed decides what is drawn.
    """

    def __init__(self, lower, upper, seed=None):
        self.lower, self.upper, self.seed = lower, upper, seed

    def draw(self, random, shape):
        return random.uniform(self.lower, self.upper, shape).astype("float32")


@serializable
class NormalFactorSampler(FactorSampler):
    """Normally distributed strengths; those outside of `min_value` to `max_value` become the nearer of the two.

    `seed` is there because KerasCV has it: the layer's own seed decides what is drawn.
    """

    def __init__(self, mean, stddev, min_value, max_value, seed=None):
        self.mean, self.stddev, self.min_value, self.max_value, self.seed = mean, stddev, min_value, max_value, seed

    def draw(self, random, shape):
        drawn = random.normal(self.mean, self.stddev, shape)
        return np.clip(drawn, self.min_value, self.max_value).astype("float32")


def sampler(factor, low=0.0, high=1.0, name="factor"):
    """The distribution that a layer's argument stands for.

    A number is the upper end of a range that begins at `low`, a pair is the range; both must lie within `low` and
    `high` (None: no limit). A `FactorSampler` is taken as it is.

    Raises:
        ValueError: what is none of these, or lies outside.
    """
    if isinstance(factor, FactorSampler):
        return factor
    ends = (low or 0.0, factor) if isinstance(factor, numbers.Number) else factor
    if not is_pair(ends):
        raise ValueError(f"{name} must be a number, a pair of numbers or a FactorSampler; got {factor!r}.")
    lower, upper = ends
    within = (low is None or lower >= low) and (high is None or upper <= high)
    if not lower <= upper or not within:
        limits = f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
        raise ValueError(f"{name} must be a range within {limits}, the smaller end first; got {factor!r}.")
    return ConstantFactorSampler(lower) if lower == upper else UniformFactorSampler(lower, upper)


def symmetric(factor, low=None, high=None, name="factor"):
    """As `sampler`, but that a number is how far a range about zero reaches to both sides."""
    if isinstance(factor, numbers.Number) and factor >= 0:
        factor = (-factor, factor)
    return sampler(factor, low, high, name)


def is_pair(value):
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(x, numbers.Number) for x in value)


def pair(factor, name="factor"):
    """`(a, b)` of a pair, `(x, x)` of a number."""
    if isinstance(factor, numbers.Number):
        return factor, factor
    if is_pair(factor):
        return tuple(factor)
    raise ValueError(f"{name} must be a number or a pair of numbers; got {factor!r}.")
