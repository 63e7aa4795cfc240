"""Token dictionaries as rows, and the outputs of several batches as one."""

import numpy as np

from keras_nlp.tokenizers.text import as_id_rows
from keras_zoo import tfdata


def rows_of_tokens(inputs):
    """`(rows, single, width)` of `{"token_ids", "padding_mask"}`; the mask may be left out where all is real."""
    if "token_ids" not in inputs:
        raise ValueError(f"A token dictionary has 'token_ids' and 'padding_mask'; got {sorted(inputs)}.")
    token_ids = np.asarray(tfdata.to_numpy(inputs["token_ids"]))
    mask = inputs.get("padding_mask")
    mask = np.ones_like(token_ids) if mask is None else np.asarray(tfdata.to_numpy(mask))
    if token_ids.ndim not in (1, 2) or mask.shape != token_ids.shape or token_ids.dtype.kind not in "iu":
        raise ValueError(
            "token_ids must be integers (B, T) or (T,), with a padding_mask of the same shape; got "
            f"{token_ids.dtype} {token_ids.shape} and {mask.shape}."
        )
    single = token_ids.ndim == 1
    token_ids, mask = np.atleast_2d(token_ids), np.atleast_2d(mask).astype(bool)
    gaps = np.flatnonzero((np.diff(mask.astype("int8"), axis=1) == 1).sum(1) + mask[:, :1].sum(1) > 1)
    if gaps.size:
        raise ValueError(f"The padding_mask has holes in the rows {gaps[:10].tolist()}; pad on the left or the right.")
    rows, _ = as_id_rows([ids[keep] for ids, keep in zip(token_ids, mask, strict=True)])
    return rows, single, token_ids.shape[1]


def concatenate(outputs):
    """The outputs of several batches as one."""
    if not outputs:
        raise ValueError("There is no prompt: the data set is empty.")
    if isinstance(outputs[0], tuple):  # with log-probabilities
        return tuple([row for batch in part for row in batch] for part in zip(*outputs, strict=True))
    if isinstance(outputs[0], dict):
        outputs = [{name: np.atleast_2d(x) for name, x in o.items()} for o in outputs]
        width = max(o["token_ids"].shape[-1] for o in outputs)
        widened = [{k: widen(x, width) for k, x in o.items()} for o in outputs]
        return {k: np.concatenate([o[k] for o in widened]) for k in widened[0]}
    return [text for batch in outputs for text in ([batch] if isinstance(batch, str) else batch)]


def widen(x, width):
    """`x (…, T)` with zeros behind, `(…, width)`."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, width - x.shape[-1])])
