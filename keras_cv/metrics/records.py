"""Boxes of many images as flat records in NumPy, read from whatever holds a batch of them."""

import keras
import numpy as np

from keras_cv.ops.box_rows import CLASS_KEYS, class_key, validate_format
from keras_cv.ops.boxes import convert_format, is_relative
from keras_zoo import tfdata

# One record a box: its image's number, its class, left, top, width and height in pixels, and its area in square pixels.
SHARED = [("image", "int64"), ("class", "int64"), ("box", "float64", 4), ("area", "float64")]
TRUTH = np.dtype([*SHARED, ("crowd", "bool"), ("difficult", "bool")])
DETECTION = np.dtype([*SHARED, ("confidence", "float64")])
OPTIONAL = {"area": "area", "is_crowd": "crowd", "is_difficult": "difficult"}  # what the truth may have besides


class BoxRecords:
    """Truth and detections of all images so far, numbered in the order in which they come, however they are batched.

    `truths` are records of dtype `TRUTH`, `detections` of `DETECTION`; `count` is the number of images.
    """

    def __init__(self):
        self.parts = [np.empty(0, TRUTH)], [np.empty(0, DETECTION)]
        self.count = 0

    def add(self, y_true, y_pred, formats, image_shape=None):
        """Adds a batch, or one image, as `evaluate_boxes` takes it; nothing where something is wrong with it.

        `formats` are those of the boxes in `y_true` and in `y_pred`. `image_shape` is `(H, W)`, `(H, W, C)` or, for
        images of different sizes, an array `(B, 2)`; relative formats need it.
        """
        truths, images = read(y_true, "y_true", TRUTH, formats[0], image_shape)
        detections, others = read(y_pred, "y_pred", DETECTION, formats[1], image_shape)
        if images != others:
            raise ValueError(f"y_true and y_pred must be of the same images; got {images} and {others} images.")
        for records, parts in zip((truths, detections), self.parts, strict=True):
            records["image"] += self.count
            parts.append(records)
        self.count += images

    @property
    def truths(self):
        return np.concatenate(self.parts[0])

    @property
    def detections(self):
        return np.concatenate(self.parts[1])


def read(boxes, name, dtype, bounding_box_format, image_shape):
    """A dictionary of boxes as records of `dtype`, without its padding, and the number of its images."""
    refuse_symbolic(boxes, name)
    form = validate_format(boxes, name)
    if form["classes_one_hot"]:
        raise ValueError(f"{name}: classes must be numbers, one for each box; got an axis more, as one-hot has it.")
    flat, counts = column(boxes["boxes"], (4,), form["is_batched"])
    columns = {"boxes": flat}
    keys = keys_of(boxes, name, dtype)
    for key in keys:
        columns[key], found = column(boxes[key], (), form["is_batched"])
        if not np.array_equal(found, counts):
            raise ValueError(f"{name}: {key} must go row by row with boxes; got {found} rows for {counts} boxes.")
    image = np.repeat(np.arange(len(counts)), counts)
    real = ~(columns[class_key(boxes)] < 0)
    if boxes.get("num_detections") is not None:
        real &= places(counts) < np.reshape(tfdata.to_numpy(boxes["num_detections"]), -1)[image]
    columns, image = {key: values[real] for key, values in columns.items()}, image[real]
    check_values(columns, image, name)
    records = np.zeros(len(image), dtype)
    records["image"] = image
    records["box"] = in_pixels(columns["boxes"], image, bounding_box_format, image_shape)
    records["area"] = records["box"][:, 2] * records["box"][:, 3]
    for key, field in keys.items():
        records[field] = columns[key]
    return records, len(counts)


def keys_of(boxes, name, dtype):
    """Which key of the dictionary is which field of the records, besides the boxes."""
    keys = {class_key(boxes): "class"}
    if dtype == TRUTH:
        return keys | {key: field for key, field in OPTIONAL.items() if boxes.get(key) is not None}
    if boxes.get("confidence") is None:
        raise ValueError(f"{name} lacks confidence; it has {', '.join(boxes)}.")
    return keys | {"confidence": "confidence"}


def places(counts):
    """0, 1, … up to each of `counts`."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def column(x, inner, batched):
    """The values of all images in one array `(total, *inner)`, float64, and how many each image has, `(B,)`."""
    if tfdata.is_ragged(x):
        values = x.values.to_tensor() if tfdata.is_ragged(x.values) else x.values
        return as_floats(values).reshape(-1, *inner), as_floats(x.row_lengths()).astype("int64")
    if batched and isinstance(x, list | tuple):
        rows = [as_floats(row).reshape(-1, *inner) for row in x]
        return np.concatenate([np.empty((0, *inner)), *rows]), np.array([len(row) for row in rows], "int64")
    x = as_floats(x)
    counts = np.full(x.shape[0], x.shape[1]) if batched else np.array([len(x)])
    return x.reshape(-1, *inner), counts


def as_floats(x):
    return np.asarray(tfdata.to_numpy(x), "float64")


def check_values(columns, image, name):
    for key, values in columns.items():
        finite = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(-1)
        if not finite.all():
            place = int(np.argmin(finite))
            got = f"{values[place].tolist()} in image {image[place]} of the batch"
            raise ValueError(f"{name}: {key} must be finite; got {got}.")
        odd = values != np.round(values) if key in CLASS_KEYS else np.zeros(1, bool)
        if odd.any():
            raise ValueError(f"{name}: {key} must be whole numbers; got {values[odd][0]}.")


def in_pixels(boxes, image, bounding_box_format, image_shape):
    """Boxes `(N, 4)` of any format as left, top, width and height in pixels; `image` `(N,)` says in which image."""
    if not is_relative(bounding_box_format):
        return convert_format(boxes, bounding_box_format, "xywh", dtype="float64")
    if image_shape is None:
        raise ValueError(
            f"Areas are counted in pixels, so {bounding_box_format} boxes need the images' size: give image_shape."
        )
    boxes = convert_format(boxes, bounding_box_format, "rel_xywh", dtype="float64")
    sizes = np.asarray(image_shape, "float64")
    if sizes.ndim == 2 and len(sizes) <= image.max(initial=-1):
        raise ValueError(f"image_shape has the sizes of {len(sizes)} images; there are {image.max() + 1} or more.")
    height, width = (sizes[image, i] if sizes.ndim == 2 else sizes[i] for i in (0, 1))
    return boxes * np.broadcast_to(np.stack([width, height, width, height], -1), boxes.shape)


def refuse_symbolic(boxes, name):
    """Raises for tensors without values, as a compiled step has them."""
    for x in keras.tree.flatten(boxes):
        if tfdata.is_traced(x) or tfdata.is_graph_tensor(x) or keras.utils.is_keras_tensor(x):
            raise ValueError(
                f"Boxes are evaluated outside of a model's compiled step; {name} has a {type(x).__name__} of shape "
                f"{tuple(x.shape)}. Compile with run_eagerly=True, or evaluate what predict returns, as the callback "
                "PyCOCOCallback does."
            )
