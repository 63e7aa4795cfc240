"""What is left to see of boxes when parts of an image are hidden."""

import numpy as np


def uncovered(boxes, hidden, least=0.0):
    """The boxes around what of each box is not hidden.

    Args:
        boxes: `(N, 4)` float32, xyxy in pixels; padding rows of -1 stay.
        hidden: `(H, W)` booleans.
        least: boxes of which no larger part of the pixels is seen become padding.

    Returns:
        `(N, 4)` float32. An edge that nothing hides stays where it was, between pixels too.
    """
    left = np.full_like(boxes, -1)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        top, start = int(y1), int(x1)
        seen = ~hidden[max(top, 0) : int(np.ceil(y2)), max(start, 0) : int(np.ceil(x2))]
        if (x1, y1, x2, y2) == (-1, -1, -1, -1) or seen.sum() <= least * seen.size:
            continue
        rows, columns = seen.any(1).nonzero()[0], seen.any(0).nonzero()[0]
        low = start + columns[0], top + rows[0]
        high = start + columns[-1] + 1, top + rows[-1] + 1
        left[n] = max(x1, low[0]), max(y1, low[1]), min(x2, high[0]), min(y2, high[1])
    return left
