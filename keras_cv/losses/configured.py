"""What all losses here have in common."""

import keras

from keras_zoo.config import Configured


class ConfiguredLoss(Configured, keras.losses.Loss):
    """A Keras loss whose configuration follows from its constructor.

    Arguments of all: `reduction`, `name` and `dtype`, those of `keras.losses.Loss`.
    """

    def __init__(self, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    @property
    def dtype_policy(self):
        return keras.dtype_policies.get(self.dtype)
