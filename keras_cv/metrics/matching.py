"""Which detections are right: the surest first, each takes the truth it overlaps most."""

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = (1, 10, 100)  # of a class in an image
# In square pixels, both ends included: all boxes, small, medium and large ones.
AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]], "float64")
PAIRS_AT_ONCE = 1_000_000


def match(truths, detections):
    """Matches detections to the truth of their image and class, as pycocotools does it.

    At each of T thresholds of IoU and for each of A ranges of area, detections choose in the order of falling
    confidence. A truth can be taken once. Crowds, and truths outside of the range, are second choice, and whoever takes
    one counts neither as right nor as wrong; crowds can be taken again and again, and their IoU is the part of the
    detection that they cover. Difficult truths, which pycocotools does not know, are second choice as well. Nor does
    a detection count that takes nothing and lies outside of the range itself.

    Args:
        truths: records of dtype `TRUTH`.
        detections: records of dtype `DETECTION`, of classes that `truths` has.

    Returns:
        The detections sorted by class, image and falling confidence, no more than 100 of a class in an image; the
        place of each among those, `(D,)`; and which are right and which are wrong, bool `(D, T, A)` each.
    """
    order = np.lexsort((-detections["confidence"], detections["image"], detections["class"]))
    groups, of_truths = number_groups(detections[order], truths)
    ranks = places_in_runs(groups)
    kept = ranks < MAX_DETECTIONS[-1]
    detections, groups, ranks = detections[order][kept], groups[kept], ranks[kept]
    order = np.argsort(of_truths, kind="stable")
    truths, of_truths = truths[order], of_truths[order]

    ignored = is_ignored(truths)
    taken = np.zeros((len(truths), len(IOU_THRESHOLDS), len(AREAS)), bool)
    matched = np.zeros((len(detections), len(IOU_THRESHOLDS), len(AREAS)), bool)
    uncounted = np.repeat(is_outside(detections["area"])[:, None], len(IOU_THRESHOLDS), axis=1)
    for detection, truth, iou in in_rounds(*overlapping(truths, of_truths, detections, groups), groups):
        first = run_starts(detection)
        free = ~taken[truth] | truths["crowd"][truth, None, None]
        close = iou[:, None, None] >= IOU_THRESHOLDS[:, None]
        # A detection's pairs come by rising IoU, so its last one is its best; those not ignored come before all others.
        count = len(detection)
        preference = np.arange(count)[:, None, None] + count * ~ignored[truth][:, None]
        best = np.maximum.reduceat(np.where(free & close, preference, -1), first, axis=0)
        place, threshold, area = np.nonzero(best >= 0)
        chosen = truth[best[place, threshold, area] % count]
        taken[chosen, threshold, area] = True
        matched[detection[first][place], threshold, area] = True
        uncounted[detection[first][place], threshold, area] = ignored[chosen, area]
    return detections, ranks, matched & ~uncounted, ~matched & ~uncounted


def is_ignored(truths):
    """Which truths are neither to be found nor not to be found, for each range of area: `(N, A)`."""
    return (truths["crowd"] | truths["difficult"])[:, None] | is_outside(truths["area"])


def number_groups(*records):
    """A number for each pair of class and image, rising by class, then image: `(N,)` for each of `records`."""
    images = 1 + max((int(some["image"].max()) for some in records if len(some)), default=0)
    classes = np.unique(np.concatenate([some["class"] for some in records]))
    return [np.searchsorted(classes, some["class"]) * images + some["image"] for some in records]


def run_starts(values):
    """Where runs of equal values begin."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.empty(0, "int64")


def places_in_runs(values):
    """For each value its place in its run of equal ones, from 0."""
    starts = run_starts(values)
    lengths = np.diff(np.append(starts, len(values)))
    return np.arange(len(values)) - np.repeat(starts, lengths)


def is_outside(area):
    """Whether areas `(N,)` lie outside of the ranges: `(N, A)`."""
    return (area[:, None] < AREAS[:, 0]) | (area[:, None] > AREAS[:, 1])


def overlapping(truths, of_truths, detections, groups):
    """All pairs of detection and truth of a group that overlap enough to match, by detection, then by rising IoU.

    Returns their places among detections and truths, and their IoU, `(P,)` each. Of equal IoU the later truth is last.
    """
    first, end = (np.searchsorted(of_truths, groups, side) for side in ("left", "right"))
    counts = end - first
    total = np.cumsum(counts)
    edges = np.searchsorted(total, np.arange(PAIRS_AT_ONCE, total[-1], PAIRS_AT_ONCE)) if len(total) else []
    found = [(np.empty(0, "int64"), np.empty(0, "int64"), np.empty(0))]
    for some in np.split(np.arange(len(detections)), edges):
        detection = np.repeat(some, counts[some])
        truth = places_in_runs(detection) + first[detection]
        iou = overlap(detections["box"][detection], truths["box"][truth], truths["crowd"][truth])
        close = iou >= IOU_THRESHOLDS[0]
        found.append((detection[close], truth[close], iou[close]))
    detection, truth, iou = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((iou, detection))
    return detection[order], truth[order], iou[order]


def overlap(boxes, others, crowd):
    """IoU of boxes in pixels, `(N, 4)` left, top, width, height, with as many others; over a crowd's the boxes' area.

    In the order of operations of pycocotools, so that it is equal at thresholds too.
    """
    ends = np.minimum(boxes[:, 2:] + boxes[:, :2], others[:, 2:] + others[:, :2])
    sides = ends - np.maximum(boxes[:, :2], others[:, :2])
    common = np.where((sides > 0).all(-1), sides[:, 0] * sides[:, 1], 0.0)
    area = boxes[:, 2] * boxes[:, 3]
    union = np.where(crowd, area, area + others[:, 2] * others[:, 3] - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def in_rounds(detection, truth, iou, groups):
    """The pairs in rounds: first those of each group's surest detection, then those of the next, and so on.

    Groups do not meet, so a round's detections, one of a group, choose at the same time.
    """
    starts = run_starts(detection)
    rounds = places_in_runs(groups[detection[starts]])
    rounds = np.repeat(rounds, np.diff(np.append(starts, len(detection))))
    order = np.argsort(rounds, kind="stable")
    if len(order):
        for pairs in np.split(order, run_starts(rounds[order])[1:]):
            yield detection[pairs], truth[pairs], iou[pairs]
