"""Overlap of boxes: IoU and its relatives GIoU, DIoU and CIoU, as pure functions with finite gradients.

Boxes with negative sides count as empty, and empty boxes overlap nothing.
"""

import math

from keras_cv.ops.boxes import convert_format, is_relative, known_format, split_corners
from keras_zoo import arrays

# Keeps quotients and their gradients finite; far below the area of a pixel, in pixels and in parts of an image.
TINY = 1e-12
# The same for a side, in the aspect ratio.
TINY_SIDE = 1e-7


def compute_iou(boxes1, boxes2, bounding_box_format, use_masking=False, mask_val=-1, images=None, image_shape=None):
    """Intersection over union of every box of the one with every box of the other.

    Args:
        boxes1: `(M, 4)` or `(B, M, 4)`.
        boxes2: `(N, 4)` or `(B, N, 4)`.
        bounding_box_format: the format of both, see `convert_format`.
        use_masking: give `mask_val` for pairs of which one is padding, that is, has no positive number in it.
        mask_val: see there.
        images, image_shape: the size, accepted for every format; IoU is the same in parts of an image as in pixels.

    Returns:
        float32 in [0, 1], `(M, N)` where both have two axes, else `(B, M, N)`.
    """
    ops, first, second = pairs(boxes1, boxes2, bounding_box_format, True, None, None)
    iou = overlap(ops, first, second)[0]
    if not use_masking:
        return iou
    padded = (ops.max(first, axis=-1) < 0) | (ops.max(second, axis=-1) < 0)
    return ops.where(padded, ops.cast(mask_val, iou.dtype), iou)


def compute_giou(boxes1, boxes2, bounding_box_format, pairwise=False, images=None, image_shape=None):
    """Generalised IoU, in (-1, 1] (Rezatofighi et al., 2019): IoU less the empty part of the smallest cover.

    Args:
        boxes1, boxes2: `(..., 4)`, compared element by element with broadcasting, which gives `(...)`; with
            `pairwise`, each with each as by `compute_iou`, `(M, N)` or `(B, M, N)`.
        bounding_box_format: the format of both, see `convert_format`.
        images, image_shape: the size, accepted for every format; the result does not depend on it.
    """
    ops, first, second = pairs(boxes1, boxes2, bounding_box_format, pairwise, None, None)
    iou, union = overlap(ops, first, second)
    width, height = cover(ops, first, second)
    area = width * height
    return iou - (area - union) / ops.maximum(area, TINY)


def compute_diou(boxes1, boxes2, bounding_box_format, pairwise=False, images=None, image_shape=None):
    """Distance IoU, in (-1, 1] (Zheng et al., 2020): IoU less the squared distance of the centres over that of the
    cover's corners.

    Arguments and shapes as of `compute_giou`. Distances depend on the image's aspect ratio: boxes in a relative format
    are measured in pixels where `images` or `image_shape` is given, and in a square image otherwise.
    """
    ops, first, second = pairs(boxes1, boxes2, bounding_box_format, pairwise, images, image_shape)
    return overlap(ops, first, second)[0] - distance(ops, first, second)


def compute_ciou(boxes1, boxes2, bounding_box_format, pairwise=False, images=None, image_shape=None):
    """Complete IoU, in (-2, 1] (Zheng et al., 2020): Distance IoU less a term for the aspect ratios.

    Arguments and shapes as of `compute_diou`. The weight `alpha` of that term has no gradient, as in the paper.
    """
    ops, first, second = pairs(boxes1, boxes2, bounding_box_format, pairwise, images, image_shape)
    iou = overlap(ops, first, second)[0]
    angles = []
    for boxes in (first, second):
        width, height = sides(ops, boxes)
        angles.append(ops.arctan(width / ops.maximum(height, TINY_SIDE)))
    unlike = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = ops.stop_gradient(unlike / ops.maximum(1 - iou + unlike, TINY_SIDE))
    return iou - distance(ops, first, second) - alpha * unlike


def pairs(boxes1, boxes2, bounding_box_format, pairwise, images, image_shape):
    """The functions to use, and both arrays as float32 corners `(..., 4)` whose leading axes broadcast."""
    name = known_format(bounding_box_format)
    ops = arrays.namespace_of(boxes1, boxes2)
    target = "xyxy"
    if is_relative(name) and images is None and image_shape is None:
        target = "rel_xyxy"
    size = {"images": images, "image_shape": image_shape} if is_relative(name) and target == "xyxy" else {}
    first, second = (convert_format(ops.cast(boxes, "float32"), name, target, **size) for boxes in (boxes1, boxes2))
    if pairwise:
        if wrong := [tuple(boxes.shape) for boxes in (first, second) if len(boxes.shape) not in (2, 3)]:
            raise ValueError(f"Boxes must be of shape (N, 4) or (B, N, 4); got {', '.join(map(str, wrong))}.")
        first, second = first[..., :, None, :], second[..., None, :, :]
    return ops, first, second


def overlap(ops, first, second):
    """IoU and the area of the union, `(...)` each."""
    a, b = split_corners(first, "xyxy"), split_corners(second, "xyxy")
    width = ops.maximum(ops.minimum(a[2], b[2]) - ops.maximum(a[0], b[0]), 0.0)
    height = ops.maximum(ops.minimum(a[3], b[3]) - ops.maximum(a[1], b[1]), 0.0)
    common = width * height
    (width1, height1), (width2, height2) = sides(ops, first), sides(ops, second)
    union = width1 * height1 + width2 * height2 - common
    return common / ops.maximum(union, TINY), union


def sides(ops, boxes):
    """Width and height, never negative."""
    x1, y1, x2, y2 = split_corners(boxes, "xyxy")
    return ops.maximum(x2 - x1, 0.0), ops.maximum(y2 - y1, 0.0)


def cover(ops, first, second):
    """Width and height of the smallest box around both."""
    a, b = split_corners(first, "xyxy"), split_corners(second, "xyxy")
    return (ops.maximum(ops.maximum(a[i + 2], b[i + 2]) - ops.minimum(a[i], b[i]), 0.0) for i in range(2))


def distance(ops, first, second):
    """The squared distance of the centres over the squared diagonal of the cover, in [0, 1)."""
    a, b = split_corners(first, "xyxy"), split_corners(second, "xyxy")
    width, height = cover(ops, first, second)
    x, y = ((a[i] + a[i + 2] - b[i] - b[i + 2]) / 2 for i in range(2))
    return (x**2 + y**2) / ops.maximum(width**2 + height**2, TINY)
