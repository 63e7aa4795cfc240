"""The suppressions as loops over boxes, in NumPy, and boxes to suppress."""

import numpy as np


def overlaps(box, boxes):
    """IoU of one box with boxes `(N, 4)`, float32 `(N,)`; boxes without area overlap nothing."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.maximum(high - low, 0).prod(-1)
    areas = [np.maximum(x[..., 2:] - x[..., :2], 0).prod(-1) for x in (box, boxes)]
    return common / np.maximum(areas[0] + areas[1] - common, np.float32(1e-12))


def greedy(boxes, scores, iou=0.5, confidence=0.5, rows=100, agnostic=False, multi_label=False, of_class=None):
    """One image's detections `(rows, 6)`: xyxy, score, class, or -1."""
    above = scores > np.float32(confidence)
    if not multi_label:
        above &= np.arange(scores.shape[1]) == scores.argmax(1)[:, None]
    index, label = np.nonzero(above)
    score, kept = scores[index, label], []
    for i in np.argsort(-score, kind="stable"):
        rivals = [k for k in kept if agnostic or label[k] == label[i]]
        full = of_class is not None and sum(label[k] == label[i] for k in kept) >= of_class
        clash = rivals and (overlaps(boxes[index[i]], boxes[index[rivals]]) > np.float32(iou)).any()
        if len(kept) < rows and not full and not clash:
            kept.append(i)
    return filled([[*boxes[index[i]], score[i], label[i]] for i in kept], rows)


def soft_greedy(boxes, scores, method, iou=0.5, confidence=0.5, rows=100, agnostic=False, sigma=0.5):
    """The same with scores that are lowered (Bodla et al., 2017)."""
    label, score, kept = scores.argmax(1), scores.max(1), []
    left = score > confidence
    while left.any() and len(kept) < rows:
        i = np.where(left, score, -1).argmax()
        kept.append([*boxes[i], score[i], label[i]])
        overlap = overlaps(boxes[i], boxes)
        factor = np.where(overlap > iou, 1 - overlap, 1) if method == "linear" else np.exp(-(overlap**2) / sigma)
        score = np.where((label == label[i]) | agnostic, score * factor, score)
        left = left & (score > confidence) & (np.arange(len(left)) != i)
    return filled(kept, rows)


def filled(kept, rows):
    return np.array([*kept, *[[-1] * 6] * (rows - len(kept))], "float32")


def clusters(random, batch, boxes, classes, size=640.0):
    """Boxes `(B, A, 4)` in pixels about a tenth as many objects, and a score for each class, most below 0.3."""
    shape = (batch, boxes, 1)
    which = random.integers(0, max(boxes // 10, 1), shape)
    objects = np.random.default_rng(0).uniform([0, 0, 20, 20], [size, size, 200, 200], (boxes, 4))[which[..., 0]]
    objects = objects + random.normal(0, 5, objects.shape)
    corners = np.concatenate([objects[..., :2] - objects[..., 2:] / 2, objects[..., :2] + objects[..., 2:] / 2], -1)
    scores = random.uniform(0, 0.3, (batch, boxes, classes))
    np.put_along_axis(scores, which % classes, random.uniform(0, 1, shape), -1)
    return corners.astype("float32"), scores.astype("float32")
