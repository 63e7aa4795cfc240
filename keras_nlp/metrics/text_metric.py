"""The base of metrics that compare texts, and what such metrics take."""

import importlib
import sys

import keras
import numpy as np
from keras import ops

from keras_nlp.metrics.dtypes import float_dtype
from keras_zoo import tfdata


class TextMetric(keras.metrics.Metric):
    """Compares texts eagerly and adds up over batches.

    A subclass gives `measure(y_true, y_pred)`: what a batch adds to `self.sums`, `size` numbers, given as lists; and
    `result()`. The sums are float64 in NumPy rather than Keras variables: counts stay exact on every backend, and no
    compiled step could use them anyway.
    """

    kinds = "USO"  # NumPy's kinds of arrays that may hold what is compared: strings

    def __init__(self, size, dtype, name):
        super().__init__(float_dtype(type(self).__name__, dtype), name)
        self.sums = np.zeros(size)

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            raise ValueError(f"{type(self).__name__} takes no sample_weight; leave out the texts that do not count.")
        self.sums = self.sums + self.measure(self.as_lists(y_true), self.as_lists(y_pred))

    def measure(self, y_true, y_pred):
        raise NotImplementedError

    def reset_state(self):
        self.sums = np.zeros_like(self.sums)

    def as_result(self, value):
        return ops.convert_to_tensor(value, self.dtype)

    def as_lists(self, x):
        """Lists, however deep, from lists, arrays, eager and ragged tensors; what they hold stays as it is."""
        if is_symbolic(x):
            self.refuse(x)
        x = x.to_list() if hasattr(x, "to_list") else tfdata.to_numpy(x)  # to_list: tf.RaggedTensor
        if isinstance(x, np.ndarray | np.generic):
            if x.size and x.dtype.kind not in self.kinds:
                self.refuse(x)
            x = x.tolist()
        return [self.as_lists(part) for part in x] if isinstance(x, list | tuple) else x

    def refuse(self, x):
        raise ValueError(
            f"{type(self).__name__} compares finished texts and cannot run inside the step of a model; got "
            f"{type(x).__name__} of shape {tuple(x.shape)}, {x.dtype}. Leave it out of compile, and call it on texts "
            "after generate or predict, or in a callback."
        )

    def check_counts(self, y_true, y_pred):
        if len(y_true) != len(y_pred):
            raise ValueError(
                f"{type(self).__name__} needs as many samples in y_true as in y_pred; "
                f"got {len(y_true)} and {len(y_pred)}."
            )


def is_symbolic(x):
    """Whether `x` is a tensor without values, as a traced step has them."""
    jax = sys.modules.get("jax")
    traced = hasattr(jax, "core") and isinstance(x, jax.core.Tracer)
    return traced or isinstance(x, keras.KerasTensor) or tfdata.is_graph_tensor(x)


def unwrapped(x):
    """What a list of one holds, else `x`: texts may come as a column `(B, 1)`."""
    return x[0] if isinstance(x, list) and len(x) == 1 else x


def needed(owner, module):
    """A module of the extra `metrics`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{owner} needs {module.split('.')[0]}: pip install 'keras-zoo[metrics]'") from error
