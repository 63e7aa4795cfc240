"""The activations of feed-forward layers, by the names that configurations have."""

import functools

from keras import ops

ACTIVATIONS = {
    "gelu": functools.partial(ops.gelu, approximate=False),
    "gelu_approximate": functools.partial(ops.gelu, approximate=True),  # by tanh: what KerasHub and Google's code use
    "relu": ops.relu,
}


def check_activation(name):
    """Raises `ValueError` where no activation has this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}; got {name!r}.")
