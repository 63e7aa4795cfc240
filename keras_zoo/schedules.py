"""Learning-rate schedules that Keras' core does not have."""

import math

import keras
from keras import ops

from keras_zoo.config import Configured, serializable

DECAYS = ("linear", "cosine", "constant")


@serializable
class WarmUpDecay(Configured, keras.optimizers.schedules.LearningRateSchedule):
    """Linearly from zero up to a peak, then down; what transformers are usually trained with (Devlin et al., 2018).

    The rate of step 0 is zero where there is a warm-up, that of step `warmup_steps` the peak, that of `total_steps`
    and of all later ones `end_learning_rate`.

    Args:
        peak_learning_rate: the highest rate, greater than 0.
        total_steps: steps of the whole training, warm-up included, more than `warmup_steps`.
        warmup_steps: steps of the rise; 0 starts at the peak.
        decay: the way down, `"linear"`, `"cosine"` (half a period) or `"constant"`, which stays at the peak.
        end_learning_rate: the lowest rate of the way down, from 0 to the peak.
    """

    def __init__(self, peak_learning_rate, total_steps, warmup_steps=0, decay="linear", end_learning_rate=0.0):
        if not peak_learning_rate > 0:
            raise ValueError(f"peak_learning_rate must be greater than 0; got {peak_learning_rate!r}.")
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                f"warmup_steps must be at least 0 and less than total_steps; got {warmup_steps!r} of {total_steps!r}."
            )
        if decay not in DECAYS:
            raise ValueError(f"decay must be one of {DECAYS}; got {decay!r}.")
        if not 0 <= end_learning_rate <= peak_learning_rate:
            raise ValueError(
                f"end_learning_rate must lie between 0 and the peak, {peak_learning_rate}; got {end_learning_rate!r}."
            )
        self.peak_learning_rate = peak_learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.end_learning_rate = end_learning_rate

    def __call__(self, step):
        """`step`, a whole number or an integer scalar tensor -> the rate, a float32 scalar."""
        step = ops.cast(step, "float32")
        left = ops.clip((self.total_steps - step) / (self.total_steps - self.warmup_steps), 0.0, 1.0)
        height = {"linear": left, "cosine": (1 - ops.cos(math.pi * left)) / 2, "constant": ops.ones_like(left)}
        rate = self.end_learning_rate + (self.peak_learning_rate - self.end_learning_rate) * height[self.decay]
        rise = self.peak_learning_rate * (step / self.warmup_steps) if self.warmup_steps else rate
        return ops.minimum(rise, rate)
