"""What counts as text: checks and conversion, shared by every tokenizer."""

import numpy as np

from keras_zoo.tfdata import to_numpy


def as_strings(inputs):
    """`(strings, single)`: a str, bytes, a list or an array of them, or an eager tensor, as a list of str.

    `single` says that one text came in, so that one should go out. Bytes must be UTF-8. Raises `ValueError`.
    """
    inputs = to_numpy(inputs)
    if isinstance(inputs, np.ndarray):
        if inputs.ndim > 1:
            raise ValueError(
                f"Text must be one string or a 1-D batch of strings; got an array of shape {inputs.shape}."
            )
        inputs = inputs.tolist()
    if isinstance(inputs, str | bytes):
        return [as_string(inputs, "")], True
    if not isinstance(inputs, list | tuple):
        raise ValueError(f"Expected a string or a list of strings; got {inputs!r:.100} ({type(inputs).__name__}).")
    try:
        "".join(inputs).encode("utf-8")  # all strings, without a lone surrogate: nothing more to check
        return list(inputs), False
    except (TypeError, UnicodeEncodeError):
        pass
    try:
        return [x.decode("utf-8") for x in inputs], False  # all bytes, as from tf.data
    except (AttributeError, UnicodeDecodeError):
        return [as_string(x, f" at position {i}") for i, x in enumerate(inputs)], False


def as_string(x, where):
    x = to_numpy(x)
    x = x.item() if isinstance(x, np.ndarray | np.generic) and getattr(x, "ndim", 0) == 0 else x
    if isinstance(x, bytes):
        try:
            return x.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"The bytes{where} are not UTF-8 ({error}). Decode them to str first.") from None
    if not isinstance(x, str):
        raise ValueError(f"Expected text{where}; got {x!r:.100} ({type(x).__name__}).")
    try:
        x.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"The string{where} holds a lone surrogate, which no Unicode text has ({error}).") from None
    return x


def as_rows(inputs):
    """`(rows, single)`: ids or tokens as a list of lists, from lists, arrays, eager or ragged tensors."""
    if hasattr(inputs, "to_list"):  # tf.RaggedTensor
        inputs = inputs.to_list()
    inputs = to_numpy(inputs)
    if isinstance(inputs, np.ndarray):
        inputs = inputs.tolist()
    if isinstance(inputs, int | np.integer):
        inputs = [inputs]
    if not isinstance(inputs, list | tuple):
        raise ValueError(f"Expected rows of tokens or token ids; got {inputs!r:.100} ({type(inputs).__name__}).")
    rows = [to_numpy(row) for row in inputs]
    if rows and all(isinstance(x, int | np.integer | str | bytes) or getattr(x, "ndim", None) == 0 for x in rows):
        return [[as_token(x) for x in rows]], True
    return [[as_token(x) for x in row] for row in rows], False


def as_token(x):
    return as_string(x, "") if isinstance(x, str | bytes) else int(x)


def as_id_rows(inputs):
    """`(rows, single)`: token ids as a list of int lists, from lists, arrays, eager or ragged tensors."""
    if has_text(inputs):
        raise ValueError(f"Expected token ids; got text: {inputs!r:.100}.")
    return as_rows(inputs)


def check_ids(rows, vocabulary_size):
    """Raises `ValueError` where a row of token ids holds one outside the vocabulary."""
    wrong = sorted({int(i) for row in rows for i in row if not 0 <= i < vocabulary_size})
    if wrong:
        raise ValueError(f"Token ids must lie in [0, {vocabulary_size}); got {wrong[:10]}.")


def has_text(x):
    """Whether `x` is text or holds text, however deep."""
    x = to_numpy(x)
    while isinstance(x, list | tuple) and x:
        x = x[0]
    return isinstance(x, str | bytes) or getattr(getattr(x, "dtype", None), "kind", "") in tuple("USO")
