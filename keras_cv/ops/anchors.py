"""The points of an image from which a detector without anchor boxes measures, and the boxes that it measures."""

import numpy as np
from keras import ops

STRIDES = (8, 16, 32)


def anchor_points(height, width, strides=STRIDES):
    """The centres of the cells of each level's grid, level by level and row by row.

    Args:
        height, width: of the image in pixels, multiples of the strides.
        strides: pixels to a cell of each level.

    Returns: NumPy float32 `(A, 2)`, x and y in pixels, and `(A,)`, the stride of each point.
    """
    points, sizes = [], []
    for stride in strides:
        if height % stride or width % stride:
            raise ValueError(
                f"Height and width of a detector's images are multiples of {max(strides)}; got {height} x {width}."
            )
        y, x = np.mgrid[0 : height // stride, 0 : width // stride]
        points.append((np.stack([x.ravel(), y.ravel()], -1) + 0.5) * stride)
        sizes.append(np.full(x.size, stride))
    return np.concatenate(points).astype("float32"), np.concatenate(sizes).astype("float32")


def boxes_from_distances(distances, points):
    """Boxes `(…, A, 4)`, xyxy, from distances left, top, right and bottom `(…, A, 4)` of `points` `(A, 2)`; pixels."""
    corners = ops.subtract(points, distances[..., :2]), ops.add(points, distances[..., 2:])
    return ops.concatenate(corners, axis=-1)


def distances_from_bins(logits, bins):
    """The expected distance, in cells, of distributions over 0 to `bins - 1`: `(…, 4 * bins)` logits to `(…, 4)`.

    Distances are told by how likely each whole number of cells is (Li et al., 2020, "Generalized Focal Loss").
    """
    # A product of two matrices, which the exporters write as one; with a vector it would be thousands of small ones.
    shares = ops.softmax(ops.reshape(logits, (-1, bins)), axis=-1)
    distances = ops.matmul(shares, ops.arange(bins, dtype=shares.dtype)[:, None])
    return ops.reshape(distances, (*ops.shape(logits)[:-1], 4))
