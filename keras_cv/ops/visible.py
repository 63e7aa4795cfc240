"""What is left to see of boxes when parts of an image are hidden."""

import numpy as np

from keras_cv.ops.resampling import opencv


def uncovered(boxes, hidden, least=0.0):
    """The boxes around what of each box is not hidden.

    Args:
        boxes: `(N, 4)` float32, xyxy in pixels; padding rows of -1 stay.
        hidden: `(H, W)` booleans.
        least: boxes of which no larger part of the pixels is seen become padding.

    Returns:
        `(N, 4)` float32. An edge that nothing hides stays where it was, between pixels too.
    """
    left = boxes.copy()
    height, width = hidden.shape
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], 1).clip(0, [width, height, width, height])
    corners = corners.astype(int)
    sums = opencv().integral(hidden.view("uint8"))
    x1, y1, x2, y2 = corners.T
    counts, areas = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1], (x2 - x1) * (y2 - y1)
    left[areas - counts <= least * areas] = -1
    for n in np.flatnonzero((counts > 0) & (left != -1).any(1)):
        start, top, end, bottom = corners[n].tolist()
        seen = ~hidden[top:bottom, start:end]
        rows, columns = seen.any(1).nonzero()[0], seen.any(0).nonzero()[0]
        left[n, :2] = np.maximum(left[n, :2], (start + columns[0], top + rows[0]))
        left[n, 2:] = np.minimum(left[n, 2:], (start + columns[-1] + 1, top + rows[-1] + 1))
    return left
