"""Soft non-maximum suppression: boxes that overlap a better one lose part of their score, not all of it."""

from keras import ops

from keras_cv.ops.iou import compute_iou
from keras_cv.ops.nms import above, as_arguments, as_detections, first_best, rows_of, thresholds

METHODS = ("linear", "gaussian")


def soft_non_max_suppression(
    boxes,
    scores,
    iou_threshold=0.5,
    confidence_threshold=0.5,
    max_detections=100,
    class_agnostic=False,
    method="gaussian",
    sigma=0.5,
    from_logits=False,
):
    """The best boxes of each image, where each that is taken lowers the scores of those that overlap it.

    Bodla et al., 2017. The best box is taken, and the scores of the others of its class are multiplied by `1 - iou`
    where the overlap is above `iou_threshold` (`"linear"`), or by `exp(-iou ** 2 / sigma)` (`"gaussian"`, which asks
    for no overlap threshold); and again, until no score is above `confidence_threshold`. A box counts with its best
    class. Each box that is taken costs a pass over all of them, which makes it slower than `non_max_suppression`.

    Args:
        boxes, scores, iou_threshold, confidence_threshold, max_detections, class_agnostic, from_logits: as those of
            `keras_cv.ops.nms.non_max_suppression`; boxes are an array.
        method: `"linear"` or `"gaussian"`.
        sigma: a positive number or scalar tensor; the smaller, the more is lost.

    Returns:
        The dictionary of `non_max_suppression`. `"confidence"` has the lowered scores.

    Raises:
        ValueError: as there, and for an unknown method or a sigma that is not positive.
    """
    check_method(method, sigma)
    boxes, scores = as_arguments(boxes, scores, max_detections)
    iou_threshold, confidence_threshold = thresholds(iou_threshold, confidence_threshold)
    kept = ops.full((ops.shape(scores)[0], max_detections, 6), -1.0, "float32")
    if scores.shape[1] == 0:
        return as_detections(kept)
    sigma = ops.cast(sigma, "float32")
    label = ops.cast(first_best(scores)[1], "float32")
    x = above(scores, confidence_threshold, from_logits=from_logits)[..., 0]
    finite = ops.all(ops.isfinite(boxes), axis=-1)
    x, boxes = ops.where(finite, x, -1.0), ops.where(finite[..., None], boxes, 0.0)
    rows_at = rows_of(ops.concatenate([boxes, label[..., None]], axis=-1))
    row = ops.arange(max_detections)[:, None]

    def take(count, x, kept, unfinished):
        score, place = first_best(x)
        taken = rows_at(place[:, None])
        iou = compute_iou(taken[..., :4], boxes, "xyxy")[:, 0]
        factor = ops.exp(-(iou**2) / sigma) if method == "gaussian" else ops.where(iou > iou_threshold, 1 - iou, 1.0)
        factor = factor if class_agnostic else ops.where(label == taken[:, 0, 4:], factor, 1.0)
        taken = ops.concatenate([taken[..., :4], score[:, None, None], taken[..., 4:]], axis=-1)
        kept = ops.where((row == count) & (score[:, None, None] > 0), taken, kept)
        gone = ops.arange(x.shape[-1], dtype="int32") == place[:, None]
        x = ops.where(gone | (x * factor <= confidence_threshold), -1.0, x * factor)
        return count + 1, x, kept, (count + 1 < max_detections) & ops.any(x > 0)

    state = (ops.convert_to_tensor(0), x, kept, ops.any(x > 0))
    return as_detections(ops.while_loop(lambda *state: state[-1], take, state)[2])


def check_method(method, sigma):
    if method not in METHODS:
        raise ValueError(f"The method of soft suppression must be one of {', '.join(METHODS)}; got {method!r}.")
    if isinstance(sigma, int | float) and not sigma > 0:
        raise ValueError(f"sigma must be above 0; got {sigma!r}.")
