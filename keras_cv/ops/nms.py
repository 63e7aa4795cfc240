"""Non-maximum suppression: of boxes that overlap, the one with the highest score.

Everything has a fixed shape and compiles on every backend. The result is that of the greedy algorithm, exactly: take
the best box that is left, drop what overlaps it too much, repeat.

Boxes are looked at in blocks, best first. Within a block a box lives if no living box before it suppresses it. To find
which do, that is applied to all of them at once until nothing changes: the first box depends on none, the second on
the first, and so on, so there is one answer, the greedy one, and mostly it is there after three or four rounds.
"""

import keras
from keras import ops

from keras_cv.ops.iou import compute_iou

# Boxes that are looked at at once. Few images have more above the threshold, and a block costs this times itself.
BLOCK = 128


def non_max_suppression(
    boxes,
    scores,
    iou_threshold=0.5,
    confidence_threshold=0.5,
    max_detections=100,
    class_agnostic=False,
    multi_label=False,
    max_detections_per_class=None,
    from_logits=False,
):
    """The best boxes of each image, of which no two of a class overlap by more than `iou_threshold`.

    What the greedy algorithm gives for any number of boxes: none is left out beforehand. Of equal scores the lower
    index comes first, and of one box's the lower class. A box with a coordinate that is not finite, or a NaN among its
    scores, is never detected (with `multi_label`, not with the classes of the NaNs); boxes without area overlap
    nothing. No gradient flows through it.

    Args:
        boxes: `(B, A, 4)`, xyxy, in pixels or relative; or a function of indices, int32 `(B, K)`, that gives the boxes
            there, `(B, K, 4)`, so that only those are decoded that are looked at.
        scores: `(B, A, C)`, probabilities.
        iou_threshold, confidence_threshold: numbers or scalar tensors, 0 to 1. A box is suppressed by an overlap above
            the one, and detected with a score above the other. As tensors they may change without a new compilation.
        max_detections: the number of rows of the result.
        class_agnostic: boxes of different classes suppress each other, too.
        multi_label: a box is detected with every class above the threshold, not with its best one alone.
        max_detections_per_class: the most of one class; None for no such limit.
        from_logits: `scores` are logits. With one class a box the sigmoid is taken of the best alone.

    Returns:
        `{"boxes": (B, max_detections, 4) float32, "confidence": (B, max_detections) float32, "classes": (B,
        max_detections) int32, "num_detections": (B,) int32}`, best first, and -1 in rows past `num_detections`.

    Raises:
        ValueError: for shapes that do not fit, thresholds outside of 0 to 1, or limits below 1.
    """
    boxes, scores = as_arguments(boxes, scores, max_detections, max_detections_per_class)
    iou_threshold, confidence_threshold = thresholds(iou_threshold, confidence_threshold)
    nothing = ops.full((ops.shape(scores)[0], max_detections, 6), -1.0, "float32")
    if scores.shape[1] == 0:
        return as_detections(nothing)
    boxes_at, classes_at = boxes if callable(boxes) else rows_of(boxes), best_class_of(scores)
    x, at_once = fillable(above(scores, confidence_threshold, multi_label, from_logits))
    width = x.shape[-1]
    earlier = ops.arange(at_once)[:, None] < ops.arange(at_once)
    limit = max_detections if max_detections_per_class is None else max_detections_per_class

    def block(last_score, last_place, kept, unfinished):
        score, place = best_after(x, last_score, last_place, at_once)
        index = place // width
        box = ops.stop_gradient(ops.cast(boxes_at(index), "float32"))
        label = ops.cast(place % width if multi_label else classes_at(index), "float32")
        found = ops.concatenate([box, score[..., None], label[..., None]], axis=-1)
        both = ops.concatenate([kept, found], axis=1)
        same = both[..., 5:] == label[:, None]
        clash = compute_iou(both[..., :4], box, "xyxy") > iou_threshold
        clash = clash if class_agnostic else clash & same
        free = (score > 0) & ops.all(ops.isfinite(box), axis=-1) & ~ops.any(clash[:, :max_detections], axis=1)
        alive = living(free, clash[:, max_detections:] & earlier)
        if limit < max_detections:
            before = ops.concatenate([kept[..., 4:5] > 0, alive[..., None]], axis=1) & same
            before = before & ops.pad(earlier, [[max_detections, 0], [0, 0]], constant_values=True)
            alive = alive & (ops.sum(ops.cast(before, "int32"), axis=1) < limit)
        kept = first_rows(both, ops.concatenate([kept[..., 4] > 0, alive], axis=1), max_detections)
        # The last of the block. Were it taken by its place, XLA would no longer see that only the best are asked for,
        # and sort everything.
        last_score = ops.min(score, axis=-1, keepdims=True)
        last_place = ops.max(ops.where(score == last_score, place, 0), axis=-1, keepdims=True)
        return last_score, last_place, kept, ops.any((last_score > 0) & (kept[:, -1:, 4] < 0))

    start = (ops.full_like(x[:, 0, :1], 2.0), ops.zeros_like(x[:, 0, :1], "int32"), nothing, ops.any(x > 0))
    return as_detections(ops.while_loop(lambda *state: state[-1], block, start)[2])


def as_arguments(boxes, scores, max_detections, max_detections_per_class=None):
    """Both as tensors without gradients, a function as it is, or an error that says what is wrong with them."""
    scores = ops.stop_gradient(ops.convert_to_tensor(scores))
    boxes = boxes if callable(boxes) else ops.stop_gradient(ops.cast(boxes, "float32"))
    shapes = (None, *scores.shape[1:2], 4) if callable(boxes) else tuple(boxes.shape), tuple(scores.shape)
    agree = len(shapes[0]) == len(shapes[1]) == 3 and all(
        a == b or None in (a, b) for a, b in zip(shapes[0][:2], shapes[1][:2])
    )
    if not agree or shapes[0][2] != 4 or not shapes[1][2]:
        raise ValueError(f"boxes must be of shape (B, A, 4) and scores (B, A, C); got {shapes[0]} and {shapes[1]}.")
    check_limits(max_detections=max_detections, max_detections_per_class=max_detections_per_class)
    return boxes, scores


def check_limits(**limits):
    for name, value in limits.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} must be an integer of at least 1; got {value!r}.")


def thresholds(iou_threshold, confidence_threshold):
    """Both as float32 tensors. None is below 0: what is marked by -1 would pass it."""
    check_thresholds(iou_threshold, confidence_threshold)
    return (ops.maximum(ops.cast(value, "float32"), 0.0) for value in (iou_threshold, confidence_threshold))


def check_thresholds(iou_threshold, confidence_threshold):
    for name, value in (("iou_threshold", iou_threshold), ("confidence_threshold", confidence_threshold)):
        if isinstance(value, int | float) and not 0 <= value <= 1:
            raise ValueError(f"{name} must be from 0 to 1; got {value!r}.")


def above(scores, threshold, multi_label=False, from_logits=False):
    """The scores above the threshold, float32 `(B, A, C)` or `(B, A, 1)`, each box's best one, and -1 for others."""
    if not multi_label:
        scores = ops.max(scores, axis=-1, keepdims=True)
    scores = ops.cast(scores, "float32")
    scores = ops.sigmoid(scores) if from_logits else scores
    return ops.where(scores > threshold, scores, -1.0)


def fillable(x):
    """`x`, `(B, A, C)`, and how many rows of it a block takes; an unknown `A` may be less than that."""
    if x.shape[1] is not None:
        return x, min(BLOCK, x.shape[1])
    return ops.pad(x, [[0, 0], [0, BLOCK], [0, 0]], constant_values=-1.0), BLOCK


def rows_of(x):
    """A function of indices `(B, K)` that gives those rows of `x`, `(B, A, D)`: `(B, K, D)`."""
    batch, rows = (ops.shape(x)[i] for i in range(2))
    flat = ops.reshape(x, (-1, x.shape[-1]))

    def rows_at(index):
        first = ops.cast(ops.arange(batch), "int32")[:, None] * rows
        return ops.take(flat, first + ops.minimum(index, rows - 1), axis=0)

    return rows_at


def best_class_of(scores):
    """A function of indices `(B, K)` that gives the best class there, `(B, K)`, of equal ones the first."""
    rows_at = rows_of(scores)
    return lambda index: first_best(rows_at(index))[1]


def first_best(x):
    """The maximum along the last axis and its first place. XLA on a CPU finds a place alone many times slower."""
    best = ops.max(x, axis=-1, keepdims=True)
    place = ops.where(x == best, ops.arange(x.shape[-1], dtype="int32"), x.shape[-1])
    return best[..., 0], ops.min(place, axis=-1)


def best_after(x, last_score, last_place, count):
    """The best `count` of `x`, `(B, A, C)`, behind the one in `last_place`, which had `last_score`: `(B, 1)` each.

    Scores are in falling order, equal ones in the order of their places, which count through `A * C`.
    """
    rows, width = ops.shape(x)[1], x.shape[-1]
    place = ops.arange(rows, dtype="int32")[:, None] * width + ops.arange(width, dtype="int32")
    score, last = last_score[..., None], last_place[..., None]
    x = ops.where((x < score) | ((x == score) & (place > last)), x, -1.0)
    if width == 1:
        return best(x[..., 0], count)
    # The best pairs of box and class are among those of the boxes that have the best classes.
    index = ops.sort(best(ops.max(x, axis=-1), count)[1], axis=-1)
    score, within = best(ops.reshape(rows_of(x)(index), (-1, count * width)), count)
    return score, ops.take_along_axis(index, within // width, axis=1) * width + within % width


def best(x, count):
    """The largest `count` in the last axis of `x` and their places, `(B, count)`, of equal ones the first ones first.

    All of `x` is positive or -1.
    """
    if keras.backend.backend() in ("jax", "tensorflow"):
        return ops.top_k(x, count)
    # Elsewhere equal ones come in any order, so here they differ by their places. Positive floats are in the order of
    # their bits.
    bits = ops.cast(ops.view(x, "int32"), "int64") * 2**32
    place = ops.cast(ops.top_k(bits - ops.arange(x.shape[-1], dtype="int64"), count)[1], "int32")
    return ops.take_along_axis(x, place, axis=-1), place


def living(free, clash):
    """Which of the boxes `free`, `(B, K)`, the greedy algorithm keeps, where `clash`, `(B, K, K)`, says whom each
    suppresses if it lives: later ones only.
    """
    free, clash = ops.cast(free, "float32"), ops.cast(clash, "float32")

    def round(alive, changed):
        hit = ops.matmul(alive[:, None], clash)[:, 0]
        now = ops.where(hit > 0, 0.0, free)
        return now, ops.any(now != alive)

    return ops.while_loop(lambda alive, changed: changed, round, round(free, None))[0] > 0


def first_rows(rows, chosen, count):
    """The first `count` of the `chosen`, `(B, N)`, among `rows`, `(B, N, D)`, and rows of -1 after them."""
    number = rows.shape[1]
    order = ops.where(chosen, ops.arange(number, 0, -1, dtype="float32"), 0.0)
    order, place = ops.top_k(order, count)
    return ops.where(order[..., None] > 0, rows_of(rows)(ops.cast(place, "int32")), -1.0)


def as_detections(kept):
    """The dictionary of detections of rows `(B, max_detections, 6)`: xyxy, score, class, or -1."""
    score = kept[..., 4]
    return {
        "boxes": kept[..., :4],
        "confidence": score,
        "classes": ops.cast(kept[..., 5], "int32"),
        "num_detections": ops.sum(ops.cast(score > 0, "int32"), axis=-1),
    }
