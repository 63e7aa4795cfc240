"""The loss of YOLOv8 and the public losses: Ultralytics' numbers and gradients, a plain reference, properties."""

import functools
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from detection_batches import BINS, CLASSES, HEIGHT, POINTS, STRIDES, WIDTH, compiled, gradients, raw_outputs, truth
from keras import ops

from keras_cv import losses
from keras_cv.models.yolo_v8.label_encoder import YOLOV8LabelEncoder
from keras_cv.models.yolo_v8.loss import GAINS, detection_loss
from keras_cv.ops.anchors import boxes_from_distances, distances_from_bins
from keras_cv.ops.assigning import assign_task_aligned

GOLDEN = Path(__file__).parents[1] / "golden" / "ultralytics_loss.npz"


def parts(raw, truth_boxes, classes, sample_weight=None, **settings):
    """The three parts as numbers; compiled, since JAX compiles each operation by itself otherwise."""
    arrays = [raw["boxes"], raw["classes"], truth_boxes, classes]
    arrays += [] if sample_weight is None else [sample_weight]
    found = program(tuple(settings.items()))(*arrays)
    return {name: float(value) for name, value in found.items()}


@functools.cache
def program(settings):
    def function(boxes, classes, truth_boxes, truth_classes, sample_weight=None):
        raw, weight = {"boxes": boxes, "classes": classes}, {"sample_weight": sample_weight}
        return detection_loss(raw, POINTS, STRIDES, truth_boxes, truth_classes, **dict(settings) | weight)

    return compiled(function)


def total(truth_boxes, truth_classes, **settings):
    def function(boxes, classes):
        raw = {"boxes": boxes, "classes": classes}
        return sum(detection_loss(raw, POINTS, STRIDES, truth_boxes, truth_classes, **settings).values())

    return function


def golden(name):
    with np.load(GOLDEN) as file:
        return {key.split("/")[1]: file[key].astype("float32") for key in file.files if key.startswith(f"{name}/")}


@pytest.mark.parametrize("name", ["many", "tiny", "empty", "none", "published"])
def test_equals_ultralytics(name):
    case = golden(name)
    settings = {}
    if name == "published":
        settings["assigner"] = functools.partial(assign_task_aligned, smallest_side=0)
    found = parts(case, case["truth_boxes"], case["truth_classes"], **settings)
    np.testing.assert_allclose(list(found.values()), case["losses"], rtol=1e-5)
    _, grads = gradients(total(case["truth_boxes"], case["truth_classes"], **settings), case["boxes"], case["classes"])
    for grad, key in zip(grads, ("boxes_gradient", "classes_gradient"), strict=True):
        largest = np.abs(case[key]).max()
        np.testing.assert_allclose(grad, case[key], atol=1e-4 * largest + 1e-9)


def test_equals_a_plain_reference(random):
    """Written from the papers, for points one by one, given the assignment."""
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    shares = np.exp(raw["boxes"].astype("float64")).reshape(2, -1, 4, BINS)
    shares /= shares.sum(-1, keepdims=True)
    distances = shares @ np.arange(BINS)
    centres = POINTS / STRIDES[:, None]
    boxes = np.concatenate([centres - distances[..., :2], centres + distances[..., 2:]], -1)
    probabilities = 1 / (1 + np.exp(-raw["classes"].astype("float64")))
    assigned = assign_task_aligned(probabilities, boxes * STRIDES[:, None], POINTS, classes, truth_boxes)
    target_boxes, target_scores, foreground = map(ops.convert_to_numpy, assigned)
    divisor = max(target_scores.sum(), 1)
    expected = dict.fromkeys(("box", "class", "dfl"), 0.0)
    entropy = target_scores * np.log(probabilities) + (1 - target_scores) * np.log(1 - probabilities)
    expected["class"] = -0.5 * entropy.sum() / divisor
    for i, a in zip(*np.nonzero(foreground), strict=True):
        weight = target_scores[i, a].sum() / divisor
        box = target_boxes[i, a] / STRIDES[a]
        ciou = -losses.CIoULoss("xyxy", reduction=None)(box[None], boxes[i, a][None].astype("float32")) + 1
        expected["box"] += 7.5 * weight * float(1 - ops.convert_to_numpy(ciou)[0])
        for side, distance in enumerate([*(centres[a] - box[:2]), *(box[2:] - centres[a])]):
            distance = min(max(distance, 0), BINS - 1.01)
            left = int(distance)
            logs = np.log(shares[i, a, side])
            crossed = (left + 1 - distance) * logs[left] + (distance - left) * logs[left + 1]
            expected["dfl"] -= 1.5 * weight * crossed / 4
    found = parts(raw, truth_boxes, classes)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-4)


def test_padding_and_order_change_nothing(random):
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    expected = parts(raw, truth_boxes, classes)
    more = np.concatenate([-np.ones((2, 3, 4), "float32"), truth_boxes[:, ::-1]], 1)
    found = parts(raw, more, np.concatenate([-np.ones((2, 3), "int32"), classes[:, ::-1]], 1))
    assert found == pytest.approx(expected, rel=1e-5)


def test_does_not_grow_with_the_batch(random):
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    twice = {key: np.concatenate([value, value]) for key, value in raw.items()}
    found = parts(twice, np.concatenate([truth_boxes] * 2), np.concatenate([classes] * 2))
    assert found == pytest.approx(parts(raw, truth_boxes, classes), rel=1e-5)


@pytest.mark.parametrize("rows", [0, 2])
def test_without_objects_only_the_classes_learn(random, rows):
    raw = raw_outputs(random)
    boxes, classes = -np.ones((2, rows, 4), "float32"), -np.ones((2, rows), "int32")
    found = parts(raw, boxes, classes)
    assert found["box"] == found["dfl"] == 0 < found["class"]
    _, (box_gradient, class_gradient) = gradients(total(boxes, classes), raw["boxes"], raw["classes"])
    assert not box_gradient.any() and (class_gradient > 0).all() and np.isfinite(class_gradient).all()


@pytest.mark.parametrize("scale", [0.0, 1000.0])
def test_gradients_are_finite(random, scale):
    """With zero logits, as without any training, with huge ones, and with boxes that have no area or hardly any."""
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    truth_boxes[:, 0, 2:] = truth_boxes[:, 0, :2]
    truth_boxes[:, 1, 2] = truth_boxes[:, 1, 0] + 1e-4
    truth_boxes[:, 2] = [0, 0, WIDTH, HEIGHT]
    value, grads = gradients(total(truth_boxes, classes), scale * raw["boxes"], scale * raw["classes"])
    assert math.isfinite(value) and all(np.isfinite(grad).all() for grad in grads)
    if not scale:
        assert all(grad.any() for grad in grads)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(random, dtype):
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    half = {key: ops.cast(value, dtype) for key, value in raw.items()}
    found = detection_loss(half, POINTS, STRIDES, truth_boxes, classes)
    rounded = {key: ops.convert_to_numpy(ops.cast(value, "float32")) for key, value in half.items()}
    assert all(keras.backend.standardize_dtype(value.dtype) == "float32" for value in found.values())
    assert {name: float(x) for name, x in found.items()} == pytest.approx(parts(rounded, truth_boxes, classes), 1e-5)


def test_gains_smoothing_and_assigner(random):
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    plain = parts(raw, truth_boxes, classes, gains=(1.0, 1.0, 1.0))
    expected = {name: gain * plain[name] for gain, name in zip(GAINS, plain, strict=True)}
    assert parts(raw, truth_boxes, classes) == pytest.approx(expected, rel=1e-5)
    assert parts(raw, truth_boxes, classes, assigner=YOLOV8LabelEncoder(CLASSES)) == pytest.approx(expected, rel=1e-5)
    fewer = parts(raw, truth_boxes, classes, assigner=YOLOV8LabelEncoder(CLASSES, max_anchor_matches=1))
    assert fewer["dfl"] != pytest.approx(expected["dfl"])
    smooth = parts(raw, truth_boxes, classes, label_smoothing=0.2)
    assert smooth == pytest.approx(expected | {"class": smooth["class"]}, rel=1e-5)
    # With all targets at one half a logit x costs log(1 + e^x) - x / 2, whatever the truth.
    half = parts(raw, truth_boxes, classes, label_smoothing=1.0)["class"]
    logits = raw["classes"].astype("float64")
    scores = assigned_scores(raw, truth_boxes, classes)
    assert half == pytest.approx(0.5 * (np.logaddexp(0, logits) - logits / 2).sum() / scores.sum(), rel=1e-4)


def assigned_scores(raw, truth_boxes, classes):
    boxes, probabilities = decoded(raw["boxes"]), ops.sigmoid(ops.convert_to_tensor(raw["classes"]))
    return ops.convert_to_numpy(assign_task_aligned(probabilities, boxes, POINTS, classes, truth_boxes)[1])


def decoded(logits):
    """Boxes `(B, A, 4)`, xyxy in pixels."""
    distances = distances_from_bins(ops.convert_to_tensor(logits), BINS) * ops.convert_to_tensor(STRIDES[:, None])
    return boxes_from_distances(distances, ops.convert_to_tensor(POINTS))


def test_sample_weights(random):
    """What an image adds is multiplied; the divisor stays, so that weights of zero are as if it had not learnt."""
    raw, (truth_boxes, classes) = raw_outputs(random), truth(random)
    expected = parts(raw, truth_boxes, classes)
    halved = parts(raw, truth_boxes, classes, np.array([0.5, 0.5], "float32"))
    assert halved == pytest.approx({name: value / 2 for name, value in expected.items()}, rel=1e-5)
    first, second = (parts(raw, truth_boxes, classes, np.eye(2, dtype="float32")[i]) for i in range(2))
    assert {name: first[name] + second[name] for name in first} == pytest.approx(expected, rel=1e-5)
    _, grads = gradients(total(truth_boxes, classes, sample_weight=np.float32([0, 1])), raw["boxes"], raw["classes"])
    assert all(not grad[0].any() and grad[1].any() for grad in grads)


def test_training_the_outputs_alone_finds_the_objects(random):
    """The outputs are the weights: from nothing known, descent must lead every object's points to its box."""
    truth_boxes = np.array([[[4, 6, 30, 28], [40, 4, 92, 60], [8, 40, 20, 58]], [[50, 20, 70, 44]] + [[-1] * 4] * 2])
    truth_boxes, classes = truth_boxes.astype("float32"), np.array([[0, 1, 2], [3, -1, -1]], "int32")
    model = Outputs(truth_boxes, classes)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(np.zeros((300, 1), "float32"), batch_size=2, verbose=0)
    raw = model(np.zeros((2, 1), "float32"))
    found = ops.convert_to_numpy(decoded(raw["boxes"]))
    probabilities = ops.convert_to_numpy(ops.sigmoid(raw["classes"]))
    for i, n in zip(*np.nonzero(classes >= 0), strict=True):
        best = probabilities[i, :, classes[i, n]].argmax()
        assert probabilities[i, best, classes[i, n]] > 0.8
        np.testing.assert_allclose(found[i, best], truth_boxes[i, n], atol=1.5)
    sure = probabilities.max(-1) > 0.5
    assert sure[0].sum() <= 30 and sure[1].sum() <= 10


class Outputs(keras.Model):
    """A network whose raw outputs are its weights, whatever it is given; at first it knows nothing."""

    def __init__(self, truth_boxes, classes):
        super().__init__()
        self.truth = (truth_boxes, classes)
        shape = (len(classes), len(POINTS))
        self.box_logits = self.add_weight((*shape, 4 * BINS), initializer="zeros")
        self.class_logits = self.add_weight((*shape, CLASSES), initializer=keras.initializers.Constant(-4))

    def call(self, x):
        return {"boxes": self.box_logits + 0.0, "classes": self.class_logits + 0.0}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(detection_loss(y_pred, POINTS, STRIDES, *self.truth).values())


# The public losses.


def test_distribution_focal_loss():
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4] * 2], "float32"))
    loss = losses.DistributionFocalLoss(reduction=None)
    found = ops.convert_to_numpy(loss(np.array([[1.25, 0.0]], "float32"), logits))
    np.testing.assert_allclose(found, [-(0.75 * np.log(0.2) + 0.25 * np.log(0.3) + np.log(0.1)) / 2], rtol=1e-5)
    limits = [ops.convert_to_numpy(loss(np.full((1, 2), x, "float32"), logits)) for x in (2.99, 3, 100)]
    np.testing.assert_allclose(limits[1:], [limits[0]] * 2, rtol=1e-4)
    below = ops.convert_to_numpy(loss(np.full((1, 2), -5, "float32"), logits))
    np.testing.assert_allclose(below, [-np.log(0.1)], rtol=1e-5)
    with pytest.raises(ValueError, match=r"two bins for each of the 4 distances in y_true; got shapes \(2, 7\)"):
        loss(np.zeros((2, 4), "float32"), np.zeros((2, 7), "float32"))


BOXES = np.array([[[0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 4, 4]]], "float32")
OTHERS = np.array([[[0, 0, 10, 5], [0, 0, 10, 20], [6, 6, 9, 9]]], "float32")


def test_overlap_losses_by_hand():
    whole = {"reduction": None, "axis": "no_reduction"}
    iou = ops.convert_to_numpy(losses.IoULoss("xyxy", mode="linear", **whole)(BOXES, OTHERS))
    np.testing.assert_allclose(iou, [[0.5, 0, 1]], atol=1e-6)
    giou = ops.convert_to_numpy(losses.GIoULoss("xyxy", **whole)(BOXES, OTHERS))
    np.testing.assert_allclose(giou, [[0.5, 0, 1 + 56 / 81]], atol=1e-6)
    unlike = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    first = 0.5 + 2.5**2 / 200 + unlike**2 / (0.5 + unlike)
    ciou = ops.convert_to_numpy(losses.CIoULoss("xyxy", reduction=None)(BOXES, OTHERS))
    np.testing.assert_allclose(ciou, [[first, 0, 1 + 5.5**2 / 81]], atol=1e-6)
    means = [losses.IoULoss("xyxy", mode)(BOXES, OTHERS) for mode in ("linear", "quadratic", "log")]
    np.testing.assert_allclose([float(x) for x in means], [0.5, 0.75, math.log(2)], atol=1e-6)
    assert float(losses.GIoULoss("xyxy")(BOXES, OTHERS)) == pytest.approx((0.5 + 1 + 56 / 81) / 3)
    apart = losses.IoULoss("xyxy")(BOXES[:, 2:], OTHERS[:, 2:])
    assert float(apart) == pytest.approx(-math.log(1e-7), rel=1e-5)


def test_overlap_losses_take_any_format():
    for name in ("CIoULoss", "GIoULoss"):
        expected = float(getattr(losses, name)("xyxy")(BOXES, OTHERS))
        xywh = [np.concatenate([x[..., :2], x[..., 2:] - x[..., :2]], -1) for x in (BOXES, OTHERS)]
        assert float(getattr(losses, name)("xyWH")(*xywh)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss():
    truth, logits = np.array([[1.0, 0, 0]], "float32"), np.array([[1.0, -2, 3]], "float32")
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    weights = np.where(truth == 1, 0.3 * (1 - p) ** 1.5, 0.7 * p**1.5)
    expected = -(weights * np.log(np.where(truth == 1, p, 1 - p))).sum()
    settings = {"alpha": 0.3, "gamma": 1.5}
    assert float(losses.FocalLoss(from_logits=True, **settings)(truth, logits)) == pytest.approx(expected, rel=1e-5)
    found = losses.FocalLoss(**settings)(truth, p.astype("float32"))
    assert float(found) == pytest.approx(expected, rel=1e-4)
    smooth = losses.FocalLoss(alpha=0.5, gamma=0, from_logits=True, label_smoothing=1.0)(truth, logits)
    half = np.logaddexp(0, logits.astype("float64")) - logits / 2
    assert float(smooth) == pytest.approx(0.5 * half.sum(), rel=1e-5)
    _, (grad,) = gradients(lambda x: losses.FocalLoss(from_logits=True)(truth, x), 100 * logits)
    assert np.isfinite(grad).all()


def test_smooth_l1():
    y, zero = np.array([[0.5, -3.0]], "float32"), np.zeros((1, 2), "float32")
    assert float(losses.SmoothL1Loss()(zero, y)) == pytest.approx((0.125 + 2.5) / 2)
    assert float(losses.SmoothL1Loss(2.0)(zero, y)) == pytest.approx((0.0625 + 2.0) / 2)
    below, above = (float(losses.SmoothL1Loss(0.3)(zero, np.full((1, 2), x, "float32"))) for x in (0.29999, 0.30001))
    assert below == pytest.approx(above, abs=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        losses.CIoULoss("xywh", eps=1e-6),
        losses.DistributionFocalLoss(reduction="sum"),
        losses.FocalLoss(alpha=0.4, from_logits=True),
        losses.GIoULoss("rel_xyxy", axis="no_reduction", name="boxes"),
        losses.IoULoss("xyxy", mode="linear"),
        losses.SmoothL1Loss(0.5, dtype="float32"),
    ],
)
def test_losses_are_serialised(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.CIoULoss("corners"), "bounding_box_format must be one of xyxy, .*; got 'corners'"),
        (
            lambda: losses.IoULoss("xyxy", mode="exp"),
            r"mode must be one of \('linear', 'quadratic', 'log'\); got 'exp'",
        ),
        (lambda: losses.SmoothL1Loss(0), "l1_cutoff must be greater than 0; got 0"),
        (
            lambda: losses.GIoULoss("xyxy")(BOXES, OTHERS[:, :2]),
            r"GIoULoss takes y_true and y_pred with as many boxes \(..., N, 4\) each; got shapes \(1, 3, 4\) and",
        ),
        (lambda: losses.CIoULoss("xyxy")(BOXES[..., :3], OTHERS[..., :3]), r"got shapes \(1, 3, 3\)"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
