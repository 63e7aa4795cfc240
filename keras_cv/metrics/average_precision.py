"""Precision and recall of matched detections, class by class."""

import numpy as np

from keras_cv.metrics.matching import AREAS, IOU_THRESHOLDS, MAX_DETECTIONS, is_ignored, match

RECALLS = np.linspace(0, 1, 101)


def precision_and_recall(truths, detections, classes):
    """Average precision and recall of each class.

    Args:
        truths, detections: records of dtypes `TRUTH` and `DETECTION`.
        classes: `(K,)` int, sorted, the classes to evaluate.

    Returns:
        Average precision, float64 `(K, T, A)`: the mean over 101 values of recall from 0 to 1 of the best precision
        at that recall or a higher one, for T thresholds of IoU and A ranges of area, with up to 100 detections of a
        class in an image. Recall, `(K, T, A, M)`, with up to 1, 10 and 100 of them. Both are -1 where the class has no
        truth in the range of area.
    """
    classes = np.asarray(classes, "int64")
    truths, detections = (records[np.isin(records["class"], classes)] for records in (truths, detections))
    detections, ranks, right, wrong = match(truths, detections)
    counted = ~is_ignored(truths)
    precision = np.full((len(classes), len(IOU_THRESHOLDS), len(AREAS)), -1.0)
    recall = np.full((*precision.shape, len(MAX_DETECTIONS)), -1.0)
    for k, number in enumerate(classes):
        totals = counted[truths["class"] == number].sum(0)
        some = slice(*np.searchsorted(detections["class"], [number, number + 1]))
        order = np.argsort(-detections["confidence"][some], kind="stable")
        of_class, mistakes = right[some][order], wrong[some][order].cumsum(0)
        for a in np.flatnonzero(totals):
            for m, limit in enumerate(MAX_DETECTIONS):
                recall[k, :, a, m] = right[some, :, a][ranks[some] < limit].sum(0) / totals[a]
            for t in range(len(IOU_THRESHOLDS)):
                precision[k, t, a] = average_precision(of_class[:, t, a], mistakes[:, t, a], totals[a])
    return precision, recall


def average_precision(right, mistakes, total):
    """The area under the precision of detections in the order of falling confidence, at 101 values of recall.

    Args:
        right: bool `(D,)`.
        mistakes: int `(D,)`, how many were wrong up to each.
        total: int, how many there are to be found.
    """
    places = np.flatnonzero(right)
    if not len(places):
        return 0.0
    found = np.arange(1, len(places) + 1)
    precision = found / (mistakes[places] + found + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    # recall and precision rise only where something is found: at which find is each value of recall reached?
    needed = np.searchsorted(np.arange(1, total + 1) / total, RECALLS)
    return best[needed[needed < len(best)]].sum() / len(RECALLS)
