"""Batches of boxes with padding rows and without: what `{"boxes", "classes"}` dictionaries look like.

Dense, an image has a fixed number of rows, and those past its boxes are padding: boxes and classes -1. Ragged, each
image has as many rows as boxes.
"""

import numpy as np

from keras_zoo import arrays, tfdata

CLASS_KEYS = ("classes", "labels")
FLAG_KEYS = ("is_crowd", "is_difficult")  # boxes that are neither learnt nor counted
ROW_KEYS = ("boxes", *CLASS_KEYS, "confidence", *FLAG_KEYS)


def class_key(bounding_boxes):
    """Under which name the dictionary has its classes: KerasCV's `"classes"` or Keras' `"labels"`."""
    return next((key for key in CLASS_KEYS if key in bounding_boxes), "classes")


def validate_format(bounding_boxes, variable_name="bounding_boxes"):
    """Checks a dictionary of boxes and says what it is.

    Args:
        bounding_boxes: `{"boxes": (N, 4) or (B, N, 4), "classes" or "labels": (N,) or (B, N), or one more axis of one
            per class}`; arrays, tensors, ragged tensors or lists of arrays.
        variable_name: what an error calls it.

    Returns:
        `{"is_batched", "ragged", "classes_one_hot"}`, each True or False.

    Raises:
        ValueError: for what is no such dictionary, saying what is wrong.
    """
    if not isinstance(bounding_boxes, dict):
        raise ValueError(f"{variable_name} must be a dictionary of boxes and classes; got {type(bounding_boxes)}.")
    key = class_key(bounding_boxes)
    if missing := [name for name in ("boxes", key) if name not in bounding_boxes]:
        raise ValueError(
            f"{variable_name} lacks {', '.join(missing)}; it has {', '.join(bounding_boxes) or 'nothing'}."
        )
    boxes, classes = bounding_boxes["boxes"], bounding_boxes[key]
    ragged = [is_unequal(boxes, 2), is_unequal(classes, 1)]
    if ragged[0] != ragged[1]:
        raise ValueError(f"{variable_name} must have boxes and classes both ragged or both dense.")
    if ragged[0]:
        return {"is_batched": True, "ragged": True, "classes_one_hot": False}
    boxes, classes = (x if hasattr(x, "shape") else np.asarray(x) for x in (boxes, classes))
    shape, of_classes = tuple(boxes.shape), tuple(classes.shape)
    shape = (0, 4) if shape == (0,) else shape  # an image without boxes, as a list or an array of none
    if len(shape) not in (2, 3) or shape[-1] != 4:
        raise ValueError(f"{variable_name}: boxes must be of shape (N, 4) or (B, N, 4); got {shape}.")
    rows, classes_rows = shape[:-1], of_classes[: len(shape) - 1]
    agree = all(None in pair or pair[0] == pair[1] for pair in zip(rows, classes_rows))
    if len(of_classes) not in (len(rows), len(rows) + 1) or not agree:
        raise ValueError(f"{variable_name}: classes must go row by row with boxes; got {of_classes} for boxes {shape}.")
    return {"is_batched": len(shape) == 3, "ragged": False, "classes_one_hot": len(of_classes) > len(rows)}


def is_unequal(x, rank):
    """Whether `x` is a ragged tensor, or a list of arrays of `rank` axes and not nested numbers of one array."""
    if tfdata.is_ragged(x):
        return True
    if not isinstance(x, list | tuple) or not len(x):
        return False
    shapes = [np.shape(row) if hasattr(row, "shape") else shape_of_list(row) for row in x]
    return any(len(shape) >= rank for shape in shapes) or all(shape == (0,) for shape in shapes)


def shape_of_list(rows):
    """The shape of nested lists as far as it can be seen from their first entries."""
    shape = []
    while isinstance(rows, list | tuple):
        shape.append(len(rows))
        rows = rows[0] if rows else None
    return (*shape, *getattr(rows, "shape", ()))


def to_dense(bounding_boxes, max_boxes=None, default_value=-1):
    """Boxes with the same number of rows for each image; missing rows are filled with `default_value`.

    Args:
        bounding_boxes: a dictionary as `validate_format` takes it, ragged or dense, one image or a batch; the
            entries `"boxes"`, `"classes"`, `"labels"`, `"confidence"` and the flags `"is_crowd"` and `"is_difficult"`
            are padded, others stay.
        max_boxes: the number of rows, further ones being cut off; None for as many as the fullest image has.
        default_value: what missing rows hold.
    """
    info = validate_format(bounding_boxes)
    axis = 1 if info["is_batched"] else 0
    dense = {}
    for key in [key for key in ROW_KEYS if key in bounding_boxes]:
        x, inner = bounding_boxes[key], (4,) if key == "boxes" else ()
        if info["ragged"] and not tfdata.is_ragged(x):
            x = pad_lists(x, inner, max_boxes, default_value)
        elif tfdata.is_ragged(x) and max_boxes is None:
            x = x.to_tensor(default_value)
        elif not hasattr(x, "shape") or tuple(x.shape) == (0,):
            x = np.reshape(np.asarray(x, "float32" if inner else None), (-1, *inner) if not axis else np.shape(x))
        dense[key] = x if max_boxes is None else arrays.pad_rows(x, axis, max_boxes, default_value)
    return {**bounding_boxes, **dense}


def pad_lists(rows, inner, max_boxes, value):
    """A list of arrays `(n, *inner)` as one array `(B, N, *inner)`."""
    rows = [np.asarray(tfdata.to_numpy(row)) for row in rows]
    rows = [row.reshape(-1, *inner) if row.ndim < 1 + len(inner) or not row.size else row for row in rows]
    count = max(map(len, rows), default=0) if max_boxes is None else max_boxes
    dtype = "float32" if inner else np.result_type(*[row.dtype for row in rows if row.size] or ["int64"])
    dense = np.full((len(rows), count, *inner), value, dtype)
    for place, row in zip(dense, rows, strict=True):
        place[: len(row)] = row[:count]
    return dense


def to_ragged(bounding_boxes, sentinel=-1, dtype="float32"):
    """Boxes without padding rows: those whose class is `sentinel`.

    Args:
        bounding_boxes: a dense batch, `{"boxes": (B, N, 4), "classes" or "labels": (B, N)}`, `"confidence"` and flags
            too.
        sentinel: the class of padding.
        dtype: that of the boxes.

    Returns:
        The dictionary with a list of `B` arrays for each of these entries; with RaggedTensors inside tf.data.
    """
    info = validate_format(bounding_boxes)
    if info["ragged"]:
        return bounding_boxes
    if not info["is_batched"]:
        raise ValueError("to_ragged takes a batch of boxes, (B, N, 4); one image's have nothing to differ from.")
    found = {key: bounding_boxes[key] for key in ROW_KEYS if key in bounding_boxes}
    found["boxes"] = arrays.namespace_of(found["boxes"]).cast(found["boxes"], dtype)
    if tfdata.any_graph_tensor(found):
        real = found[class_key(found)] != sentinel
        return {**bounding_boxes, **{key: arrays.select_ragged(x, real) for key, x in found.items()}}
    real = np.asarray(tfdata.to_numpy(found[class_key(found)])) != sentinel
    found = {key: np.asarray(tfdata.to_numpy(x)) for key, x in found.items()}
    return {**bounding_boxes, **{key: [row[r] for row, r in zip(x, real)] for key, x in found.items()}}


def mask_invalid_detections(bounding_boxes, output_ragged=False):
    """Padding in place of the rows past `num_detections`, as non-maximum suppression leaves them.

    Args:
        bounding_boxes: a dense dictionary, `(B, N, 4)` and `(B, N)`, with `"num_detections"`, `(B,)`.
        output_ragged: give the result without its padding, see `to_ragged`.
    """
    if validate_format(bounding_boxes)["ragged"]:
        raise ValueError("mask_invalid_detections takes dense boxes; call to_dense first.")
    if "num_detections" not in bounding_boxes:
        raise ValueError(f"bounding_boxes lacks num_detections; it has {', '.join(bounding_boxes)}.")
    ops = arrays.namespace_of(bounding_boxes)
    count = ops.cast(bounding_boxes["num_detections"], "int32")
    rows = ops.arange(ops.shape(bounding_boxes["boxes"])[-2])
    valid = ops.cast(rows, "int32") < count[..., None]
    masked = {}
    for key in [key for key in ROW_KEYS if key in bounding_boxes]:
        x = bounding_boxes[key]
        chosen = valid[..., None] if len(x.shape) > len(valid.shape) else valid
        masked[key] = ops.where(chosen, x, ops.cast(-1, x.dtype))
    masked = {**bounding_boxes, **masked}
    return to_ragged(masked) if output_ragged else masked
