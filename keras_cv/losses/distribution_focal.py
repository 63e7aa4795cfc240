"""Distribution focal loss (Li et al., 2020): a distance as a distribution over bins."""

from keras import ops

from keras_cv.losses.configured import ConfiguredLoss
from keras_zoo.config import serializable


@serializable
class DistributionFocalLoss(ConfiguredLoss):
    """The cross entropy of predicted bins with the two bins beside the true distance, weighted by how near they are.

    `y_true` is `(..., 4)`, distances in bins; what lies outside of 0 to `bins - 1.01` is moved there. `y_pred` is
    `(..., 4 * bins)`, logits, the bins of one side after those of another. The loss of a box, `(...)`, is the mean of
    its sides. Computed in float32. Arguments: `reduction`, `name`, `dtype` of `keras.losses.Loss`.
    """

    def call(self, y_true, y_pred):
        return distribution_focal_loss(y_true, y_pred)


def distribution_focal_loss(distances, logits):
    """See `DistributionFocalLoss`: `(..., sides)` and `(..., sides * bins)` -> `(...)`, float32."""
    distances, logits = (ops.cast(x, "float32") for x in (distances, logits))
    sides = distances.shape[-1]
    bins = logits.shape[-1] // sides
    if bins < 2 or logits.shape[-1] % sides:
        raise ValueError(
            f"y_pred must have at least two bins for each of the {sides} distances in y_true; got shapes "
            f"{tuple(logits.shape)} and {tuple(distances.shape)}."
        )
    # The published limit: the last bin is never the left one of a pair.
    distances = ops.clip(distances, 0.0, bins - 1.01)[..., None]
    weights = ops.relu(1 - ops.abs(distances - ops.arange(bins, dtype="float32")))  # of two neighbours, 1 in sum
    logits = ops.reshape(logits, (*ops.shape(logits)[:-1], sides, bins))
    return -ops.mean(ops.sum(weights * ops.log_softmax(logits, axis=-1), axis=-1), axis=-1)
