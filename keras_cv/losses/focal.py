"""Focal loss (Lin et al., 2017) and smooth L1 (Girshick, 2015), which RetinaNet trains by."""

import keras
from keras import ops

from keras_cv.losses.configured import ConfiguredLoss
from keras_zoo.config import serializable


@serializable
class FocalLoss(ConfiguredLoss):
    """Binary cross entropy in which what is predicted well counts little; summed over the last axis, the classes.

    Args:
        alpha: weight of classes with `y_true` 1; all others weigh `1 - alpha`.
        gamma: exponent of the factor `1 - p`, where p is the probability of the truth.
        from_logits: whether `y_pred` holds logits, which is exact, and not probabilities.
        label_smoothing: from 0 to 1, moves `y_true` towards one half; what weighs `alpha` is decided before.
        **kwargs: `reduction`, `name`, `dtype` of `keras.losses.Loss`.
    """

    def __init__(self, alpha=0.25, gamma=2, from_logits=False, label_smoothing=0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = float(alpha)
        self.gamma = float(gamma)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        y_true = ops.cast(y_true, "float32")
        alpha = ops.where(y_true == 1, self.alpha, 1 - self.alpha)
        y_true = y_true * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            probabilities = ops.sigmoid(y_pred)
            cross_entropy = ops.softplus(y_pred) - y_pred * y_true
        else:
            epsilon = keras.config.epsilon()
            probabilities = ops.clip(y_pred, epsilon, 1 - epsilon)
            cross_entropy = -y_true * ops.log(probabilities) - (1 - y_true) * ops.log(1 - probabilities)
        wrong = y_true * (1 - probabilities) + (1 - y_true) * probabilities
        return ops.sum(alpha * wrong**self.gamma * cross_entropy, axis=-1)


@serializable
class SmoothL1Loss(ConfiguredLoss):
    """The absolute difference less `l1_cutoff / 2`, and below `l1_cutoff` a parabola; mean over the last axis.

    `0.5 * d² / l1_cutoff` for `d` below the cutoff, so the two meet with one slope whatever the cutoff is.

    Args:
        l1_cutoff: the difference from which on the loss is linear, greater than 0.
        **kwargs: `reduction`, `name`, `dtype` of `keras.losses.Loss`.
    """

    def __init__(self, l1_cutoff=1.0, **kwargs):
        if not l1_cutoff > 0:
            raise ValueError(f"l1_cutoff must be greater than 0; got {l1_cutoff!r}.")
        super().__init__(**kwargs)
        self.l1_cutoff = l1_cutoff

    def call(self, y_true, y_pred):
        distance = ops.abs(ops.cast(y_true, "float32") - ops.cast(y_pred, "float32"))
        parabola = 0.5 * distance**2 / self.l1_cutoff
        return ops.mean(ops.where(distance < self.l1_cutoff, parabola, distance - self.l1_cutoff / 2), axis=-1)
