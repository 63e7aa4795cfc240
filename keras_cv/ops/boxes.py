"""Box formats: conversion and clipping, as pure functions.

They take NumPy arrays and lists, tensors of the Keras backend (inside a compiled step as well) and symbolic tensors
inside tf.data, and give back the same kind. A box is four numbers in the last axis, of shape `(N, 4)` or `(B, N, 4)`;
no box at all, `(B, 0, 4)`, is a normal case. Pixels count from the image's upper left corner, a pixel being one unit
wide, so an image of width `W` spans x from 0 to `W`. A row of four times -1 is padding, in every format, and stays.
"""

from keras_zoo import arrays, tfdata

PLAIN_FORMATS = {
    "xyxy": "left, top, right, bottom",
    "yxyx": "top, left, bottom, right",
    "xywh": "left, top, width, height",
    "center_xywh": "x and y of the centre, width, height",
    "center_yxhw": "y and x of the centre, height, width",
}
FORMATS = (*PLAIN_FORMATS, *(f"rel_{name}" for name in PLAIN_FORMATS))


def known_format(name, argument="bounding_box_format"):
    """`name` in lower case, or an error that lists the formats; case is for the reader (`"xyWH"`)."""
    if isinstance(name, str) and name.lower() in FORMATS:
        return name.lower()
    raise ValueError(f"{argument} must be one of {', '.join(FORMATS)}; got {name!r}.")


def is_relative(bounding_box_format):
    """Whether the format counts in parts of the image's width and height, 0 to 1, and not in pixels."""
    return known_format(bounding_box_format).startswith("rel_")


def as_relative(bounding_box_format):
    """The relative sister of a format; a relative one is its own."""
    name = known_format(bounding_box_format)
    return name if is_relative(name) else f"rel_{name}"


def preserve_rel(target_bounding_box_format, bounding_box_format):
    """`target_bounding_box_format`, made relative where `bounding_box_format` is."""
    relative = is_relative(bounding_box_format)
    return as_relative(target_bounding_box_format) if relative else known_format(target_bounding_box_format)


def convert_format(boxes, source, target, images=None, image_shape=None, dtype="float32"):
    """Boxes from one format to another.

    Args:
        boxes: `(N, 4)` or `(B, N, 4)`, or a dictionary whose `"boxes"` they are; the rest of it stays as it is.
        source, target: a format, in any case: `xyxy`, `yxyx`, `xywh`, `center_xywh`, `center_yxhw`, or one of them
            with `rel_` in front, which counts in parts of the image's width and height.
        images: the images the boxes lie in, `(H, W, C)`, `(B, H, W, C)` or a list of images of different sizes; or
        image_shape: `(H, W)` or `(H, W, C)`. One of the two is needed between a relative and an absolute format.
        dtype: that of the result.

    Raises:
        ValueError: for an unknown format, boxes whose last axis is not 4, or a size that is missing or given twice.
    """
    source, target = known_format(source, "source"), known_format(target, "target")
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, images, image_shape, dtype)}
    ops = arrays.namespace_of(boxes)
    boxes = ops.cast(boxes, dtype)
    if len(boxes.shape) == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"Boxes must be of shape (N, 4) or (B, N, 4); got {tuple(boxes.shape)}.")
    if source == target:
        return boxes
    corners = split_corners(boxes, source)
    if is_relative(source) != is_relative(target):
        height, width = (ops.cast(n, boxes.dtype) for n in sizes(images, image_shape, len(boxes.shape)))
        if is_relative(target):
            height, width = 1 / height, 1 / width
        x1, y1, x2, y2 = corners
        corners = x1 * width, y1 * height, x2 * width, y2 * height
    converted = ops.stack(join_corners(corners, target), axis=-1)
    return ops.where(padding(boxes)[..., None], boxes, converted)


def split_corners(boxes, source):
    """Boxes `(..., 4)` of a known format as left, top, right and bottom, `(...)` each, relative ones staying so."""
    a, b, c, d = (boxes[..., i] for i in range(4))
    name = source.removeprefix("rel_")
    if name == "xyxy":
        return a, b, c, d
    if name == "yxyx":
        return b, a, d, c
    if name == "xywh":
        return a, b, a + c, b + d
    if name == "center_xywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return b - d / 2, a - c / 2, b + d / 2, a + c / 2


def join_corners(corners, target):
    """The way back from `split_corners`: the four numbers of the format `target`, `(...)` each."""
    x1, y1, x2, y2 = corners
    name = target.removeprefix("rel_")
    if name == "xyxy":
        return x1, y1, x2, y2
    if name == "yxyx":
        return y1, x1, y2, x2
    if name == "xywh":
        return x1, y1, x2 - x1, y2 - y1
    if name == "center_xywh":
        return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    return (y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1


def padding(boxes):
    """Which rows of `(..., 4)` are padding, that is four times -1: booleans `(...)`."""
    return arrays.namespace_of(boxes).all(boxes == -1, axis=-1)


def sizes(images, image_shape, rank):
    """Height and width of the images, as numbers, or `(B, 1)` each for images of different sizes.

    `rank` is that of the boxes, so that a batch of boxes is not measured by one image of a wrong rank.
    """
    if (images is None) == (image_shape is None):
        given = "neither" if images is None else "both"
        raise ValueError(
            f"Between relative and absolute formats the images' size is needed: images or image_shape, got {given}."
        )
    if image_shape is not None:
        if len(image_shape) not in (2, 3):
            raise ValueError(f"image_shape must be (H, W) or (H, W, C); got {tuple(image_shape)}.")
        return image_shape[0], image_shape[1]
    if isinstance(images, list | tuple) or tfdata.is_ragged(images):
        return arrays.sizes_of_unequal(images)
    if len(images.shape) != rank + 1:
        raise ValueError(
            f"Boxes (N, 4) go with one image (H, W, C) and boxes (B, N, 4) with a batch (B, H, W, C); got boxes of "
            f"{rank} axes with images of shape {tuple(images.shape)}."
        )
    shape = arrays.namespace_of(images).shape(images) if None in tuple(images.shape) else images.shape
    return shape[rank - 2], shape[rank - 1]


def clip_to_image(bounding_boxes, bounding_box_format, images=None, image_shape=None):
    """Boxes cut at the edges of their images; those of which nothing is left become padding.

    Args:
        bounding_boxes: boxes `(N, 4)` or `(B, N, 4)`, or a dictionary of `"boxes"` and `"classes"` (or `"labels"`),
            `(N,)` or `(B, N)`, which become -1 with their boxes.
        bounding_box_format: their format, see `convert_format`.
        images, image_shape: the size, as there; a relative format needs neither.
    """
    if isinstance(bounding_boxes, dict):
        boxes = clip_to_image(bounding_boxes["boxes"], bounding_box_format, images, image_shape)
        gone = padding(boxes)
        where = arrays.namespace_of(boxes).where
        classes = {key: bounding_boxes[key] for key in ("classes", "labels") if key in bounding_boxes}
        return {**bounding_boxes, "boxes": boxes, **{key: where(gone, minus_one(x), x) for key, x in classes.items()}}
    name = known_format(bounding_box_format)
    ops = arrays.namespace_of(bounding_boxes)
    boxes = ops.cast(bounding_boxes, "float32")
    height, width = 1.0, 1.0
    if not is_relative(name):
        height, width = (ops.cast(n, boxes.dtype) for n in sizes(images, image_shape, len(boxes.shape)))
    x1, y1, x2, y2 = split_corners(boxes, name)
    x1, x2 = (ops.minimum(ops.maximum(x, 0.0), width) for x in (x1, x2))
    y1, y2 = (ops.minimum(ops.maximum(y, 0.0), height) for y in (y1, y2))
    clipped = ops.stack(join_corners((x1, y1, x2, y2), name), axis=-1)
    left = (x2 > x1) & (y2 > y1) & ~padding(boxes)
    return ops.where(left[..., None], clipped, minus_one(clipped))


def minus_one(like):
    """-1 in the dtype of the array `like`, which `where` under TensorFlow asks for."""
    return arrays.namespace_of(like).cast(-1, like.dtype)
