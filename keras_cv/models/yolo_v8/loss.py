"""The loss that YOLOv8 trains by, as a pure function of raw outputs and truth."""

from keras import ops

from keras_cv.losses.distribution_focal import distribution_focal_loss
from keras_cv.ops.anchors import boxes_from_distances, distances_from_bins
from keras_cv.ops.assigning import assign_task_aligned
from keras_cv.ops.iou import compute_ciou

GAINS = (7.5, 0.5, 1.5)  # boxes, classes, distances: as published with YOLOv8


def detection_loss(
    raw,
    points,
    strides,
    truth_boxes_xyxy,
    truth_classes,
    *,
    gains=GAINS,
    assigner=assign_task_aligned,
    label_smoothing=0.0,
    sample_weight=None,
):
    """The three parts of the loss of a batch, float32 scalars `{"box", "class", "dfl"}` whose sum is to be minimised.

    `box` is 1 - CIoU and `dfl` the distribution focal loss of the distances, both over the points that an object is
    assigned to, weighted by their target scores; `class` is the binary cross entropy of all logits with the target
    scores. Each is a sum over the batch divided by the sum of all target scores, at least 1, times its gain. So it is
    a mean over objects that does not grow with the batch, as elsewhere in Keras. Ultralytics multiplies it by the batch
    size and adds the gradients of several batches up to 64 images: rates for SGD are to be 64 times as large here, a
    limit on the gradient's norm a 64th; rates for Adam are the same.

    Everything is computed in float32, whatever the dtype of `raw`. Without any truth, N = 0 included, all points learn
    that there is nothing, and `box` and `dfl` are 0.

    Args:
        raw: `{"boxes": (B, A, 4 * bins), "classes": (B, A, C)}`, logits; the bins of left, top, right and bottom side
            by side.
        points: `(A, 2)`, x and y in pixels.
        strides: `(A,)`, pixels for each point; distances count in them.
        truth_boxes_xyxy: `(B, N, 4)`, pixels.
        truth_classes: `(B, N)`, -1 in rows of padding.
        gains: the factors of `box`, `class` and `dfl`.
        assigner: what gives each point its target; a `YOLOV8LabelEncoder`, or a function like `assign_task_aligned`.
        label_smoothing: from 0 to 1, moves the target scores towards one half.
        sample_weight: `(B,)`, factors of what each image adds to the sums. What they are divided by stays.
    """
    logits, box_logits, points, strides = (
        ops.cast(x, "float32") for x in (raw["classes"], raw["boxes"], points, strides)
    )
    strides = strides[:, None]
    centres = points / strides
    boxes = boxes_from_distances(distances_from_bins(box_logits, box_logits.shape[-1] // 4), centres)  # in strides
    target_boxes, target_scores, _ = assigner(
        ops.stop_gradient(ops.sigmoid(logits)),
        ops.stop_gradient(boxes) * strides,
        points,
        truth_classes,
        truth_boxes_xyxy,
    )
    weights = ops.sum(target_scores, axis=-1)  # (B, A), 0 in the background
    total = ops.maximum(ops.sum(weights), 1.0)
    target_boxes = target_boxes / strides
    if label_smoothing:
        target_scores = target_scores * (1 - label_smoothing) + label_smoothing / 2

    left_top, right_bottom = centres - target_boxes[..., :2], target_boxes[..., 2:] - centres
    distances = ops.concatenate([left_top, right_bottom], axis=-1)
    parts = {
        "box": weights * (1 - compute_ciou(boxes, target_boxes, "xyxy")),
        "class": ops.sum(ops.softplus(logits) - logits * target_scores, axis=-1),
        "dfl": weights * distribution_focal_loss(distances, box_logits),
    }
    if sample_weight is not None:
        image_weights = ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        parts = {name: part * image_weights for name, part in parts.items()}
    return {name: gain * ops.sum(part) / total for gain, (name, part) in zip(gains, parts.items(), strict=True)}
