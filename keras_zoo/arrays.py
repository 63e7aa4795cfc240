"""Functions for arrays of any kind: NumPy's, those of the Keras backend, and symbolic ones inside tf.data."""

import sys
import types

import keras
import numpy as np

from keras_zoo.tfdata import is_graph_tensor, is_ragged, to_numpy


def namespace_of(*structure):
    """The functions that fit the arrays in `structure`, under NumPy's names, and `cast` and `stop_gradient`.

    They are Keras' for tensors of its backend and for KerasTensors, TensorFlow's for TensorFlow's tensors under another
    backend (which is what tf.data hands out), and NumPy's for everything else. What a pure function needs of them is
    listed in `SHARED`.
    """
    leaves = keras.tree.flatten(list(structure))
    if any(keras.ops.is_tensor(x) or keras.utils.is_keras_tensor(x) for x in leaves):
        return keras.ops
    tf = sys.modules.get("tensorflow")
    if hasattr(tf, "is_tensor") and any(tf.is_tensor(x) for x in leaves):
        renamed = {"concatenate": tf.concat, "arctan": tf.atan, "arange": tf.range}
        renamed |= {"all": tf.reduce_all, "max": tf.reduce_max}
        return types.SimpleNamespace(**{name: renamed.get(name) or getattr(tf, name) for name in SHARED})
    return NUMPY


SHARED = ("all", "arange", "arctan", "cast", "concatenate", "max", "maximum", "minimum", "pad", "shape", "stack")
SHARED += ("stop_gradient", "where")
NUMPY = {"cast": lambda x, dtype: np.asarray(to_numpy(x), dtype), "stop_gradient": lambda x: x}
NUMPY = types.SimpleNamespace(**{name: NUMPY.get(name) or getattr(np, name) for name in SHARED})


def pad_rows(x, axis, count, value):
    """`x` with exactly `count` rows along `axis`: the first ones, and rows of `value` after them."""
    if is_ragged(x):
        return x.to_tensor(value, shape=[None] * axis + [count, *x.shape[axis + 1 :]])
    if x.shape[axis] == count:
        return x
    widths = [(0, count if i == axis else 0) for i in range(len(x.shape))]
    padded = namespace_of(x).pad(x, widths, "constant", constant_values=value)
    padded = padded[(slice(None),) * axis + (slice(count),)]
    if is_graph_tensor(padded):
        padded.set_shape([count if i == axis else n for i, n in enumerate(x.shape)])
    return padded


def select_ragged(x, chosen):
    """Of each row of the symbolic tensor `(B, N, …)` what is `chosen`, booleans `(B, N)`, as a RaggedTensor."""
    import tensorflow as tf

    return tf.ragged.boolean_mask(x, chosen)


def sizes_of_unequal(images):
    """Heights and widths, `(B, 1)` each, of a list or a RaggedTensor of images `(H, W, C)` of different sizes."""
    if not is_ragged(images):
        heights, widths = np.array([x.shape[-3:-1] for x in images]).reshape(-1, 2).T
        return heights[:, None], widths[:, None]
    import tensorflow as tf

    return images.row_lengths()[:, None], tf.reduce_max(images.row_lengths(2), axis=1)[:, None]
