"""The dtype of a metric's result."""

import keras


def float_dtype(owner, dtype):
    """The name of `dtype`, a name, policy or backend dtype; `keras.config.floatx()` for None. Raises `ValueError`."""
    name = keras.dtype_policies.get(dtype or keras.config.floatx()).compute_dtype
    if not keras.backend.is_float_dtype(name):
        raise ValueError(f"The dtype of {owner} must be a floating one, such as 'float32'; got {name!r}.")
    return name
