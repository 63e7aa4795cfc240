"""Which point of the grid learns which object: the task-aligned assignment, as a pure function of `keras.ops`."""

from keras import ops

from keras_cv.ops.boxes import split_corners
from keras_cv.ops.iou import compute_ciou


def assign_task_aligned(
    scores,
    boxes,
    points,
    truth_classes,
    truth_boxes,
    *,
    max_matches=10,
    alpha=0.5,
    beta=6.0,
    epsilon=1e-9,
    smallest_side=16.0,
    least_target=0.0,
):
    """The truth that each point is to predict (TOOD, Feng et al., 2021, with YOLOv8's numbers).

    A point is a candidate for the objects it lies in. Of each object's candidates those `max_matches` are taken that
    predict it best by `score ** alpha * overlap ** beta`, where the score is that of the object's class and the
    overlap the CIoU, at least 0: what does not overlap is no match, however good its score. A point that several
    objects take belongs to the one, among all it lies in, that its box overlaps most. Its target score is its measure
    relative to the best of its object, times the best overlap of that object.

    Everything is computed in float32 and without gradients, in arrays of `(B, N, A)`.

    Args:
        scores: `(B, A, C)`, predicted probabilities of the classes.
        boxes: `(B, A, 4)`, predicted boxes, xyxy in pixels.
        points: `(A, 2)`, x and y of the grid's points in pixels.
        truth_classes: `(B, N)`, class numbers; whatever is not from 0 to C - 1 is padding.
        truth_boxes: `(B, N, 4)`, xyxy in pixels; N may be 0. Boxes with no area match nothing.
        max_matches: int, the most points for an object.
        alpha, beta: exponents of score and overlap.
        epsilon: added to the divisor of the relative measure; a truth that all predictions miss gets low targets.
        smallest_side: pixels. A side that is shorter counts as this long, about its middle, when candidates are
            looked for, so that an object between the points has some as well. 0 takes boxes as they are.
        least_target: from 0 to 1. An object that all its candidates overlap by less than this is learnt by the one
            nearest to its middle, with this target score. So an object that is too small or too slender for the first
            boxes, which are alike all over the image, is learnt all the same. 0 leaves it out, as published.

    Returns:
        `(target_boxes, target_scores, foreground)`: `(B, A, 4)` xyxy in pixels, -1 in the background; `(B, A, C)` in
        [0, 1], zero but for the object's class; `(B, A)` booleans.
    """
    scores, boxes, points, truth_boxes = (
        ops.stop_gradient(ops.cast(x, "float32")) for x in (scores, boxes, points, truth_boxes)
    )
    truth_classes = ops.cast(truth_classes, "int32")
    if truth_classes.shape[1] in (None, 0):  # the largest of no numbers is not defined
        truth_classes = ops.pad(truth_classes, [[0, 0], [0, 1]], constant_values=-1)
        truth_boxes = ops.pad(truth_boxes, [[0, 0], [0, 1], [0, 0]], constant_values=-1.0)
    batch, count = ops.shape(truth_classes)[:2]
    num_points, num_classes = scores.shape[1:]

    real = (truth_classes >= 0) & (truth_classes < num_classes)
    candidates = inside(points, truth_boxes, smallest_side) & real[..., None]  # (B, N, A)
    overlaps = ops.maximum(compute_ciou(truth_boxes[:, :, None], boxes[:, None], "xyxy"), 0.0)
    overlaps = ops.where(candidates, overlaps, 0.0)
    measures = scores_of(scores, truth_classes, alpha) * raised(overlaps, beta)
    claims = overlaps
    if least_target:
        chosen = nearest(points, truth_boxes, candidates) & (ops.max(overlaps, -1, keepdims=True) < least_target)
        overlaps = ops.where(chosen, least_target, overlaps)
        measures = ops.where(chosen, 1.0, measures)  # far above those of overlaps as low as these
        claims = ops.where(chosen, 2.0, overlaps)  # its one point, which a larger object around it can do without

    owners, foreground = resolve(measures, claims, min(max_matches, num_points))  # (B, A) each
    rows = owners + count * ops.arange(batch, dtype="int32")[:, None]  # of the truths of the whole batch
    own = rows * num_points + ops.arange(num_points, dtype="int32")
    measure, overlap = (ops.where(foreground, ops.take(ops.reshape(x, (-1,)), own), 0.0) for x in (measures, overlaps))
    best_measure, best_overlap = (
        ops.take(ops.segment_max(ops.reshape(x, (-1,)), ops.reshape(rows, (-1,)), batch * count), rows)
        for x in (measure, overlap)
    )
    target = measure / (best_measure + epsilon) * best_overlap
    classes = ops.where(foreground, ops.take(ops.reshape(truth_classes, (-1,)), rows), -1)
    target_scores = ops.where(classes[..., None] == ops.arange(num_classes, dtype="int32"), target[..., None], 0.0)
    target_boxes = ops.take(ops.reshape(truth_boxes, (-1, 4)), rows, axis=0)
    return ops.where(foreground[..., None], target_boxes, -1.0), target_scores, foreground


def inside(points, boxes, smallest_side):
    """Whether each point lies within each box, its edges excluded: `(A, 2)`, `(B, N, 4)` -> booleans `(B, N, A)`."""
    x1, y1, x2, y2 = split_corners(boxes[..., None, :], "xyxy")  # (B, N, 1) each
    across, down = (
        ops.abs(values - (low + high) / 2) < ops.maximum(high - low, smallest_side) / 2
        for low, high, values in ((x1, x2, points[:, 0]), (y1, y2, points[:, 1]))
    )
    return across & down


def nearest(points, boxes, candidates):
    """Booleans `(B, N, A)`: of each box's candidates the one nearest to its middle, unless it has no area."""
    x1, y1, x2, y2 = split_corners(boxes[..., None, :], "xyxy")
    distance = ((x1 + x2) / 2 - points[:, 0]) ** 2 + ((y1 + y2) / 2 - points[:, 1]) ** 2  # (B, N, A)
    place = ops.argmin(ops.where(candidates, distance, float("inf")), axis=-1)
    place = ops.cast(place, "int32")[..., None] == ops.arange(ops.shape(points)[0], dtype="int32")
    return place & candidates & (x2 > x1) & (y2 > y1)


def scores_of(scores, truth_classes, alpha):
    """The score of each truth's class at each point, to the power `alpha`: `(B, A, C)`, `(B, N)` -> `(B, N, A)`."""
    batch, num_points, num_classes = ops.shape(scores)
    rows = ops.clip(truth_classes, 0, num_classes - 1) + num_classes * ops.arange(batch, dtype="int32")[:, None]
    by_class = ops.reshape(ops.transpose(scores, (0, 2, 1)), (-1, num_points))
    return ops.take(raised(by_class, alpha), rows, axis=0)


def raised(x, exponent):
    """`x ** exponent` for `x` of at least 0; the square root and whole powers by products, which cost much less."""
    if exponent == 0.5:
        return ops.sqrt(x)
    if exponent not in range(1, 17):
        return ops.power(x, exponent)
    power = x
    for bit in f"{int(exponent):b}"[1:]:
        power = power * power * x if bit == "1" else power * power
    return power


def resolve(measures, overlaps, matches):
    """The owner of each point, and whether it has one: `(B, N, A)` -> int32 and booleans `(B, A)`."""
    batch, count, num_points = ops.shape(measures)
    values, places = ops.top_k(measures, matches, sorted=False)  # (B, N, matches)
    taken = ops.cast(values > 0, "float32")
    places = ops.cast(places, "int32") + num_points * ops.arange(batch, dtype="int32")[:, None, None]
    number = ops.cast(ops.arange(count, dtype="int32"), "float32")[:, None]
    claims, numbers = (
        ops.reshape(
            ops.segment_sum(ops.reshape(x, (-1,)), ops.reshape(places, (-1,)), batch * num_points), (-1, num_points)
        )
        for x in (taken, taken * number)
    )
    disputed = ops.cast(ops.argmax(overlaps, axis=1), "int32")
    return ops.where(claims > 1, disputed, ops.cast(numbers, "int32")), claims > 0
