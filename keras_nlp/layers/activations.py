"""Activations by name, as configurations of encoders have them."""

import functools

from keras import ops

ACTIVATIONS = {
    "gelu": functools.partial(ops.gelu, approximate=False),
    "gelu_approximate": functools.partial(ops.gelu, approximate=True),  # by tanh: what KerasHub and Google's code use
    "relu": ops.relu,
}
