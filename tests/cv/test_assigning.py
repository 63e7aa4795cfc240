"""The task-aligned assignment: its properties, a plain reference, and Ultralytics' numbers."""

import functools
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from detection_batches import CLASSES, POINTS, compiled, predictions, truth
from keras import ops

from keras_cv.models.yolo_v8.label_encoder import YOLOV8LabelEncoder
from keras_cv.ops.assigning import assign_task_aligned, raised

GOLDEN = Path(__file__).parents[1] / "golden" / "ultralytics_loss.npz"


def assign(scores, boxes, classes, truth_boxes, points=POINTS, **settings):
    """As NumPy arrays; compiled, since JAX compiles each operation by itself otherwise."""
    results = program(tuple(settings.items()))(scores, boxes, points, classes, truth_boxes)
    return [ops.convert_to_numpy(x) for x in results]


@functools.cache
def program(settings):
    return compiled(functools.partial(assign_task_aligned, **dict(settings)))


def assert_same(found, expected, tolerance=1e-5):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.fixture
def batch(random):
    scores, boxes = predictions(random)
    truth_boxes, classes = truth(random)
    return scores, boxes, classes, truth_boxes


# A reference, one pair at a time.


def ciou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    common = width * height
    sides = [(box[2] - box[0], box[3] - box[1]) for box in (a, b)]
    iou = common / (sides[0][0] * sides[0][1] + sides[1][0] * sides[1][1] - common)
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    centres = sum((a[i] + a[i + 2] - b[i] - b[i + 2]) ** 2 / 4 for i in range(2))
    unlike = 4 / math.pi**2 * (math.atan2(*sides[0]) - math.atan2(*sides[1])) ** 2
    return iou - centres / diagonal - (unlike * unlike / (1 - iou + unlike) if unlike else 0)


def reference(scores, boxes, classes, truth_boxes, matches=10, smallest_side=16):
    num_points = len(POINTS)
    all_boxes, all_scores, foreground = -np.ones(boxes.shape), np.zeros(scores.shape), np.zeros(boxes.shape[:2], bool)
    for i in range(len(scores)):
        overlaps, measures = {}, {}
        for n, box in enumerate(truth_boxes[i].astype("float64")):
            if classes[i, n] < 0 or box[2] <= box[0] or box[3] <= box[1]:
                continue
            half = [max(box[j + 2] - box[j], smallest_side) / 2 for j in range(2)]
            for a in range(num_points):
                if all(abs(POINTS[a, j] - (box[j] + box[j + 2]) / 2) < half[j] for j in range(2)):
                    overlaps[n, a] = max(ciou(box, boxes[i, a].astype("float64")), 0)
                    measures[n, a] = scores[i, a, classes[i, n]] ** 0.5 * overlaps[n, a] ** 6
        taken = {}
        for n in range(len(truth_boxes[i])):
            own = sorted((a for m, a in measures if m == n), key=lambda a: -measures[n, a])[:matches]
            for a in own:
                if measures[n, a] > 0:
                    taken.setdefault(a, []).append(n)
        owner = {
            a: takers[0] if len(takers) == 1 else max((m for m, b in overlaps if b == a), key=lambda m: overlaps[m, a])
            for a, takers in taken.items()
        }
        for a, n in owner.items():
            points = [b for b, m in owner.items() if m == n]
            best = max(measures[n, b] for b in points), max(overlaps[n, b] for b in points)
            all_boxes[i, a], foreground[i, a] = truth_boxes[i, n], True
            all_scores[i, a, classes[i, n]] = measures[n, a] / (best[0] + 1e-9) * best[1]
    return all_boxes, all_scores, foreground


@pytest.mark.parametrize("count", [1, 6, 15])
def test_equals_the_reference(random, count):
    scores, boxes = predictions(random)
    truth_boxes, classes = truth(random, count=count)
    classes[0, 0] = -1
    found = assign(scores, boxes, classes, truth_boxes)
    assert found[2].sum() > 4
    assert_same(found, reference(scores, boxes, classes, truth_boxes))


def test_the_reference_has_disputed_points(random):
    """Else it would show nothing about them: without the rule another result comes out."""
    scores, boxes = predictions(random)
    truth_boxes, classes = truth(random, count=15)
    one_each = [assign(scores, boxes, classes[:, n : n + 1], truth_boxes[:, n : n + 1])[2] for n in range(15)]
    assert (np.sum(one_each, axis=0) > 1).sum() > 4


@pytest.mark.parametrize("name", ["many", "tiny", "empty", "none", "published"])
def test_equals_ultralytics(name):
    """Whose assignment does not widen small boxes in the case `published`."""
    with np.load(GOLDEN) as file:
        case = {key.split("/")[1]: file[key] for key in file.files if key.startswith(f"{name}/")}
    scores = 1 / (1 + np.exp(-case["classes"].astype("float32")))
    bins = case["boxes"].astype("float32").reshape(*scores.shape[:2], 4, 16)
    shares = np.exp(bins - bins.max(-1, keepdims=True))
    strides = np.repeat([8, 16, 32], [96, 24, 6])[:, None]
    distances = (shares / shares.sum(-1, keepdims=True)) @ np.arange(16) * strides
    boxes = np.concatenate([POINTS - distances[..., :2], POINTS + distances[..., 2:]], -1).astype("float32")
    settings = {"smallest_side": 0} if name == "published" else {}
    found = assign(scores, boxes, case["truth_classes"], case["truth_boxes"], **settings)
    np.testing.assert_allclose(found[1], case["target_scores"], atol=2e-5)


# Properties.


def test_padding_changes_nothing(batch):
    scores, boxes, classes, truth_boxes = batch
    padded = np.concatenate([-np.ones((2, 3), "int32"), classes, -np.ones((2, 4), "int32")], 1)
    with_rows = [np.full((2, n, 4), value, "float32") for n, value in ((3, -1), (4, 50))]
    with_rows[1][..., 2:] = 90  # a row with class -1 is padding whatever its box
    padded_boxes = np.concatenate([with_rows[0], truth_boxes, with_rows[1]], 1)
    assert_same(assign(scores, boxes, padded, padded_boxes), assign(*batch))


def test_order_of_objects_does_not_matter(batch, random):
    scores, boxes, classes, truth_boxes = batch
    order = random.permutation(classes.shape[1])
    assert_same(assign(scores, boxes, classes[:, order], truth_boxes[:, order]), assign(*batch))


def test_order_of_points_goes_along(batch, random):
    scores, boxes, classes, truth_boxes = batch
    order = random.permutation(len(POINTS))
    found = assign(scores[:, order], boxes[:, order], classes, truth_boxes, POINTS[order])
    assert_same(found, [x[:, order] for x in assign(*batch)])


def test_batched_equals_single(batch):
    whole = assign(*batch)
    for i in range(2):
        assert_same([x[i : i + 1] for x in whole], assign(*(x[i : i + 1] for x in batch)))


def test_perfect_predictions_get_a_target_near_one(random):
    truth_boxes, classes = np.array([[[8.0, 8, 56, 56]]], "float32"), np.array([[2]])
    scores = np.full((1, len(POINTS), CLASSES), 0.9, "float32")
    boxes = np.broadcast_to(truth_boxes, (1, len(POINTS), 4))
    target_boxes, target_scores, foreground = assign(scores, boxes, classes, truth_boxes)
    assert foreground.sum() == 10  # ties are no reason for more
    np.testing.assert_allclose(target_scores[foreground][:, 2], 1, atol=1e-5)
    assert target_scores.sum() == pytest.approx(10, abs=1e-4)
    np.testing.assert_array_equal(target_boxes[foreground], np.repeat(truth_boxes[0], 10, 0))


def test_what_does_not_overlap_is_never_assigned(random):
    """To the 6th power a CIoU of -1 would be as good as a perfect box."""
    truth_boxes, classes = np.array([[[40.0, 20, 60, 40]]], "float32"), np.array([[0]])
    scores = np.ones((1, len(POINTS), CLASSES), "float32")
    far = np.broadcast_to(np.array([0, 0, 5, 5], "float32"), (1, len(POINTS), 4)).copy()
    _, target_scores, foreground = assign(scores, far, classes, truth_boxes)
    assert not foreground.any() and not target_scores.any()
    inside = np.flatnonzero(np.all(np.abs(POINTS - [50, 30]) < 10, -1))
    far[0, inside[1]] = [42, 22, 60, 40]
    assert np.flatnonzero(assign(scores, far, classes, truth_boxes)[2]) == inside[1]


def test_only_points_within_and_at_most_so_many(batch):
    for matches in (1, 3):
        target_boxes, _, foreground = assign(*batch, max_matches=matches, smallest_side=0)
        assert foreground.any() and (target_boxes[~foreground] == -1).all()
        for i in range(2):
            found = target_boxes[i, foreground[i]]
            points = POINTS[foreground[i]]
            assert (points > found[:, :2]).all() and (points < found[:, 2:]).all()
            assert np.unique(found, axis=0, return_counts=True)[1].max() <= matches


def test_what_nothing_overlaps_is_learnt_by_the_nearest_point(batch):
    """By that alone, with the least target, even within a larger object; all others as without."""
    scores, boxes, classes, truth_boxes = batch
    boxes = boxes.copy()
    small = np.array([[[41.0, 25, 45, 27]], [[60, 3, 61, 30]]], "float32")
    middle = np.argmin(((small.reshape(2, 2, 2).mean(1)[:, None] - POINTS) ** 2).sum(-1), -1)
    around = small + np.array([-20, -20, 20, 20], "float32")
    flat = np.tile(np.array([70, 10, 70, 40], "float32"), (2, 1, 1))
    truth_boxes = np.concatenate([truth_boxes, around, small, flat], 1)
    classes = np.concatenate([classes, np.array([[0, 3, 1], [1, 2, 0]], "int32")], 1)
    boxes[:] = np.where((np.abs(boxes - small).max(-1) < 30)[..., None], around, boxes)
    before = assign(scores, boxes, classes, truth_boxes)
    found = assign(scores, boxes, classes, truth_boxes, least_target=0.1)
    for i, (target_boxes, target_scores, foreground) in enumerate(zip(*found, strict=True)):
        own = (target_boxes == small[i, 0]).all(-1)
        assert np.flatnonzero(own & (target_scores.max(-1) > 1e-3)).tolist() == [middle[i]] and foreground[middle[i]]
        np.testing.assert_allclose(target_scores[middle[i], classes[i, -2]], 0.1, rtol=1e-5)
        assert not (target_boxes == flat[i, 0]).all(-1).any()
    same = np.isclose(found[1], before[1], atol=1e-5).all(-1)
    assert (np.flatnonzero(~same[0]).size, np.flatnonzero(~same[1]).size) == (1, 1)


def test_a_disputed_point_goes_to_the_highest_overlap():
    truth_boxes = np.array([[[0.0, 0, 64, 64], [16, 16, 48, 48]]], "float32")
    scores = np.array([0.99, 0.2, 0, 0, 0], "float32") * np.ones((1, len(POINTS), 1), "float32")
    boxes = np.broadcast_to(np.array([14, 14, 50, 50], "float32"), (1, len(POINTS), 4))
    target_boxes, target_scores, foreground = assign(scores, boxes, np.array([[0, 1]]), truth_boxes, max_matches=120)
    middle = np.all(np.abs(POINTS - 32) < 16, -1)
    np.testing.assert_array_equal(target_boxes[0, middle], np.repeat(truth_boxes[0, 1:], middle.sum(), 0))
    assert (target_scores[0, middle, 1] > 0).all() and not target_scores[0, middle, 0].any()
    assert foreground[0].sum() > middle.sum()  # the points around belong to the larger one


@pytest.mark.parametrize("classes", [np.full((2, 3), -1), np.zeros((2, 0)), np.full((2, 3), CLASSES)])
def test_nothing_to_find(batch, classes):
    """Padding alone, no rows, and classes that do not exist."""
    boxes = np.tile(np.array([8, 8, 40, 40], "float32"), (*classes.shape, 1))
    target_boxes, target_scores, foreground = assign(*batch[:2], classes.astype("int32"), boxes)
    assert (target_boxes == -1).all() and not target_scores.any() and not foreground.any()


def test_boxes_without_area_are_not_assigned(batch):
    scores, boxes, classes, truth_boxes = batch
    flat = np.array([[30, 30, 30, 30], [30, 20, 30, 40], [40, 40, 20, 20], [np.nan] * 4], "float32")
    more = np.concatenate([truth_boxes, np.tile(flat, (2, 1, 1))], 1)
    more_classes = np.concatenate([classes, np.zeros((2, 4), "int32")], 1)
    assert_same(assign(scores, boxes, more_classes, more), assign(*batch))


def test_objects_between_the_points(batch):
    scores = batch[0][:1]
    small = np.array([[[41.0, 25, 43, 27]]], "float32")  # points are at 36, 44 and at 20, 28
    boxes = np.concatenate([POINTS - 4, POINTS], -1)[None]
    assert not assign(scores, boxes, np.array([[1]]), small, smallest_side=0)[2].any()
    target_boxes, target_scores, foreground = assign(scores, boxes, np.array([[1]]), small)
    assert foreground.any() and target_scores.max() > 0
    np.testing.assert_array_equal(target_boxes[foreground][0], small[0, 0])


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_equals_eager(batch, jit):
    scores, boxes, classes, truth_boxes = batch
    expected = map(ops.convert_to_numpy, assign_task_aligned(scores, boxes, POINTS, classes, truth_boxes))
    program = compiled(lambda *args: assign_task_aligned(*args), jit)
    assert_same(map(ops.convert_to_numpy, program(scores, boxes, POINTS, classes, truth_boxes)), expected)


def test_half_precision_is_computed_in_float32(batch):
    scores, boxes, classes, truth_boxes = batch
    half = [ops.cast(x, "bfloat16") for x in (scores, boxes)]
    found = assign(*half, classes, truth_boxes)
    assert found[0].dtype == found[1].dtype == np.float32
    rounded = [ops.convert_to_numpy(ops.cast(x, "float32")) for x in half]
    assert_same(found, assign(*rounded, classes, truth_boxes))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data's batches alone have unknown sizes")
def test_unknown_sizes_in_a_graph(batch):
    import tensorflow as tf

    shapes = [(None, len(POINTS), CLASSES), (None, len(POINTS), 4), POINTS.shape, (None, None), (None, None, 4)]
    kinds = ["float32"] * 3 + ["int32", "float32"]
    specs = [tf.TensorSpec(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
    program = tf.function(lambda *args: assign_task_aligned(*args), input_signature=specs, autograph=False)
    scores, boxes, classes, truth_boxes = batch
    assert_same([x.numpy() for x in program(scores, boxes, POINTS, classes, truth_boxes)], assign(*batch))
    assert not program(scores, boxes, POINTS, classes[:, :0], truth_boxes[:, :0])[2].numpy().any()


def test_other_exponents():
    x = np.array([0.0, 0.3, 1.0], "float32")
    for exponent in (0.5, 1, 6.0, 13, 0.7, 2.5):
        np.testing.assert_allclose(ops.convert_to_numpy(raised(ops.convert_to_tensor(x), exponent)), x**exponent, 1e-6)


def test_label_encoder(batch):
    scores, boxes, classes, truth_boxes = batch
    encoder = YOLOV8LabelEncoder(CLASSES, max_anchor_matches=4, beta=3.0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert again.get_config() == encoder.get_config() and again.max_anchor_matches == 4
    mask = np.arange(6) % 2 == np.zeros((2, 1))
    found = map(ops.convert_to_numpy, again(scores, boxes, POINTS, classes, truth_boxes, mask[..., None]))
    chosen = functools.partial(assign, max_matches=4, beta=3.0)
    assert_same(found, chosen(scores, boxes, np.where(mask, classes, -1), truth_boxes))
    with pytest.raises(ValueError, match=r"scores must be of 5 classes; got shape \(2, 126, 4\)"):
        encoder(scores[..., :4], boxes, POINTS, classes, truth_boxes)
    with pytest.raises(ValueError, match="least_target must be from 0 to 1; got 2"):
        YOLOV8LabelEncoder(3, least_target=2)
    with pytest.raises(ValueError, match="max_anchor_matches must be at least 1; got 0"):
        YOLOV8LabelEncoder(3, max_anchor_matches=0)
