"""Non-maximum suppression equals the loop over boxes that defines it, for any boxes, on every backend, compiled too."""

import keras
import numpy as np
import pytest
from greedy import clusters, greedy, soft_greedy

from keras_cv import bounding_box, layers
from keras_cv.ops.nms import BLOCK, non_max_suppression
from keras_cv.ops.soft_nms import soft_non_max_suppression

BACKEND = keras.backend.backend()


def as_rows(detections):
    """`(B, rows, 6)` in NumPy, as the loops give it, after a check that the rest of the dictionary says the same."""
    found = keras.tree.map_structure(keras.ops.convert_to_numpy, detections)
    dtypes = {"boxes": "float32", "confidence": "float32", "classes": "int32", "num_detections": "int32"}
    assert {key: str(x.dtype) for key, x in found.items()} == dtypes
    counts = (found["confidence"] > 0).sum(1)
    np.testing.assert_array_equal(found["num_detections"], counts)
    rows = np.concatenate([found["boxes"], found["confidence"][..., None], found["classes"][..., None]], -1)
    assert all((row[count:] == -1).all() for row, count in zip(rows, counts))
    return rows


def compiled(function):
    """The ways in which a program is made of `function(*tensors)`."""
    if BACKEND == "jax":
        import jax

        return [jax.jit(function)]
    if BACKEND == "torch":
        import torch

        return [torch.inference_mode()(function)]
    import tensorflow as tf

    unknown = [tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None, 3]), tf.TensorSpec([]), tf.TensorSpec([])]
    return [
        tf.function(function, autograph=False),
        tf.function(function, autograph=False, input_signature=unknown),
        tf.function(function, autograph=False, jit_compile=True),
    ]


def some_ties(boxes, scores):
    return boxes, np.ceil(scores * 8) / 8


def no_class_but_one(boxes, scores):
    return boxes, scores[..., :1]


def all_in_one_place(boxes, scores):
    return np.broadcast_to(boxes[:, :1], boxes.shape).copy(), scores


def nothing_above(boxes, scores):
    return boxes, scores * 0.3


def all_equal(boxes, scores):
    return boxes, np.full_like(scores, 1.0)


def padded(boxes, scores):
    boxes[:, 5:] = scores[:, 5:] = -1
    return boxes, scores


def on_a_grid(boxes, scores):
    """Sides of 0, 40, 80, …: overlaps of exactly a half, boxes without area, and such with negative sides."""
    boxes = np.round(boxes / 40) * 40
    boxes[:, ::7] = boxes[:, ::7, [2, 3, 0, 1]]
    return boxes, scores


SETS = [some_ties, no_class_but_one, all_in_one_place, nothing_above, all_equal, padded, on_a_grid]
OPTIONS = {
    "classes": {},
    "agnostic": {"agnostic": True},
    "labels": {"multi_label": True},
    "few of a class": {"of_class": 2, "rows": 40},
    "labels, few of a class": {"multi_label": True, "of_class": 3, "rows": 50},
    "few rows": {"rows": 3},
    "more rows than boxes": {"rows": 700, "iou": 0.9},
    "no overlap": {"iou": 0.0},
    "any overlap": {"iou": 1.0},
}
NAMES = {"iou": "iou_threshold", "rows": "max_detections", "agnostic": "class_agnostic"}
NAMES |= {"of_class": "max_detections_per_class", "multi_label": "multi_label", "confidence": "confidence_threshold"}


def assert_greedy(boxes, scores, **options):
    options = {"confidence": 0.25} | options
    found = as_rows(non_max_suppression(boxes, scores, **{NAMES[key]: value for key, value in options.items()}))
    for row, *image in zip(found, boxes, scores, strict=True):
        np.testing.assert_array_equal(row, greedy(*image, **options))
    return found


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("count", [1, 40, 4 * BLOCK + 1])
def test_equals_the_loop(count, options, random):
    boxes, scores = clusters(random, 3, count, 3)
    boxes[0], scores[0] = boxes[0] * 0, scores[0] * 0  # one image is done before the others begin
    assert_greedy(boxes, scores, **options)


@pytest.mark.parametrize("options", list(OPTIONS.values())[:4], ids=list(OPTIONS)[:4])
@pytest.mark.parametrize("change", SETS, ids=lambda change: change.__name__)
def test_boxes_of_all_sorts(change, options, random):
    assert_greedy(*change(*clusters(random, 2, 3 * BLOCK, 4)), **options)


def test_thresholds_are_not_included():
    """What lies on a threshold is neither detected nor suppressed."""
    boxes = np.array([[[0, 0, 8, 8], [0, 0, 8, 4], [20, 0, 28, 8], [20, 0, 28, 5]]], "float32")
    scores = np.array([[[0.75], [0.5], [0.25], [0.75]]], "float32")
    found = as_rows(non_max_suppression(boxes, scores, 0.5, 0.25, 4))
    np.testing.assert_array_equal(found[0, :, 4], [0.75, 0.75, 0.5, -1])
    np.testing.assert_array_equal(found[0, :3, :4], boxes[0, [0, 3, 1]])


def test_no_boxes():
    found = as_rows(non_max_suppression(np.zeros((2, 0, 4)), np.zeros((2, 0, 3)), max_detections=5))
    assert found.shape == (2, 5, 6) and (found == -1).all()
    found = as_rows(soft_non_max_suppression(np.zeros((2, 0, 4)), np.zeros((2, 0, 3)), max_detections=5))
    assert found.shape == (2, 5, 6) and (found == -1).all()


def test_what_is_not_finite(random):
    """Scores and boxes that are not numbers count as absent, wherever they are."""
    boxes, scores = clusters(random, 1, 300, 3)
    broken_boxes, broken_scores = boxes.copy(), scores.copy()
    broken_scores[0, ::5, 1] = np.nan
    broken_boxes[0, 1::5, 2] = np.nan
    broken_boxes[0, 2::5, 0] = -np.inf
    whole = np.arange(300) % 5 > 2
    for suppress in (non_max_suppression, soft_non_max_suppression):
        found = as_rows(suppress(broken_boxes, broken_scores, 0.5, 0.25))
        np.testing.assert_allclose(found, as_rows(suppress(boxes[:, whole], scores[:, whole], 0.5, 0.25)), rtol=1e-6)
    found = as_rows(non_max_suppression(boxes, broken_scores, 0.5, 0.25, multi_label=True))
    np.testing.assert_array_equal(
        found[0], greedy(boxes[0], np.nan_to_num(broken_scores[0]), 0.5, 0.25, multi_label=True)
    )


def test_order_does_not_matter(random):
    """Without ties the boxes may come in any order, and images are independent of their batch."""
    boxes, scores = clusters(random, 3, 400, 3)
    found = as_rows(non_max_suppression(boxes, scores, 0.5, 0.25))
    order = random.permutation(400)
    np.testing.assert_array_equal(as_rows(non_max_suppression(boxes[:, order], scores[:, order], 0.5, 0.25)), found)
    for i in range(3):
        one = as_rows(non_max_suppression(boxes[i : i + 1], scores[i : i + 1], 0.5, 0.25))
        np.testing.assert_array_equal(one[0], found[i])


@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"class_agnostic": True, "from_logits": True}])
def test_compiled(options, random):
    """Thresholds are arguments of the program: another one needs no other program."""
    boxes, scores = (keras.ops.convert_to_tensor(x) for x in clusters(random, 2, 300, 3))
    traces = []

    def suppress(*args):
        traces.append(args)
        return non_max_suppression(*args, max_detections=60, **options)

    for program in compiled(suppress):
        traces.clear()
        for limits in ((0.5, 0.25), (0.3, 0.6), (0.9, 0.55)):
            found = as_rows(program(boxes, scores, *(keras.ops.convert_to_tensor(x, "float32") for x in limits)))
            expected = as_rows(non_max_suppression(boxes, scores, *limits, max_detections=60, **options))
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert len(traces) == (3 if BACKEND == "torch" else 1)


def test_boxes_that_are_made_when_needed(random):
    boxes, scores = clusters(random, 2, 500, 3)
    asked = []

    def boxes_at(index):
        asked.append(tuple(index.shape))
        return keras.ops.take_along_axis(keras.ops.convert_to_tensor(boxes), index[..., None], axis=1)

    expected = as_rows(non_max_suppression(boxes, scores, 0.5, 0.5))
    np.testing.assert_array_equal(as_rows(non_max_suppression(boxes_at, scores, 0.5, 0.5)), expected)
    assert set(asked) == {(2, BLOCK)}


def test_logits(random):
    """The sigmoid of float32 is 1 from 17 on: these probabilities are equal, while the best class is still known."""
    boxes, scores = clusters(random, 1, 300, 3)
    logits = np.log(scores / (1 - scores))
    logits[0, 7], logits[0, 11] = [18, 20, 19], [30, 18, 19]
    found = as_rows(non_max_suppression(boxes, logits, 0.5, 0.25, from_logits=True))
    assert (found[0, :2, 4] == 1).all() and list(found[0, :2, 5]) == [1, 0]
    np.testing.assert_array_equal(found[0, :2, :4], boxes[0, [7, 11]])
    probabilities = keras.ops.sigmoid(logits)
    found, expected = (
        as_rows(non_max_suppression(boxes, x, 0.5, 0.25, multi_label=True, from_logits=x is logits))
        for x in (logits, probabilities)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype, random):
    """Scores of half precision have many ties; boxes are not rounded."""
    boxes, scores = clusters(random, 1, 300, 3)
    scores = keras.ops.cast(scores, dtype)
    found = as_rows(non_max_suppression(boxes, scores, 0.5, 0.25))
    np.testing.assert_array_equal(
        found[0], greedy(boxes[0], keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32"))[0], 0.5, 0.25)
    )
    layer = layers.NonMaxSuppression("xyxy", False, confidence_threshold=0.25, dtype=f"mixed_{dtype}")
    np.testing.assert_array_equal(as_rows(layer(boxes, scores)), found)


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft(method, agnostic, random):
    boxes, scores = clusters(random, 2, 300, 3)
    boxes[1], scores[1] = boxes[1] * 0, scores[1] * 0.2

    def suppress(*args, **kwargs):
        return soft_non_max_suppression(*args, max_detections=50, class_agnostic=agnostic, method=method, **kwargs)

    found = as_rows(suppress(boxes, scores, 0.4, 0.3, sigma=0.7))
    for row, *image in zip(found, boxes, scores, strict=True):
        expected = soft_greedy(*image, method, 0.4, 0.3, 50, agnostic, 0.7)
        np.testing.assert_allclose(row, expected, rtol=1e-5)
    expected = as_rows(suppress(boxes, scores, 0.4, 0.3))
    tensors = [keras.ops.convert_to_tensor(x, "float32") for x in (boxes, scores, 0.4, 0.3)]
    for program in compiled(suppress):
        np.testing.assert_allclose(as_rows(program(*tensors)), expected, rtol=1e-5)


def test_soft_keeps_what_is_suppressed_otherwise():
    """Two boxes with an overlap of 0.6: the worse one is lost, or is left with 0.4 of its score."""
    boxes, scores = np.array([[[0, 0, 10, 10], [0, 0, 10, 6]]], "float32"), np.array([[[0.9], [0.8]]], "float32")
    assert (as_rows(non_max_suppression(boxes, scores, 0.5, 0.25))[0, :2, 4] == np.float32([0.9, -1])).all()
    found = as_rows(soft_non_max_suppression(boxes, scores, 0.5, 0.25, method="linear"))
    np.testing.assert_allclose(found[0, :2, 4], [0.9, 0.32], rtol=1e-5)
    found = as_rows(soft_non_max_suppression(boxes, scores, 0.5, 0.25, method="gaussian", sigma=0.5))
    np.testing.assert_allclose(found[0, :2, 4], [0.9, 0.8 * np.exp(-0.72)], rtol=1e-5)


def test_layer_in_every_format(random):
    boxes, scores = clusters(random, 2, 100, 3)
    boxes[:, 90:] = scores[:, 90:] = -1
    expected = [greedy(*image, 0.5, 0.25, 20) for image in zip(boxes, scores)]
    for name in bounding_box.FORMATS:
        given = bounding_box.convert_format(boxes, "xyxy", name, image_shape=(600, 700))
        layer = layers.NonMaxSuppression(name, False, confidence_threshold=0.25, max_detections=20)
        found = as_rows(layer(given, scores, image_shape=(600, 700)))
        found[..., :4] = bounding_box.convert_format(found[..., :4], name, "xyxy", image_shape=(600, 700))
        np.testing.assert_allclose(found, expected, atol=1e-2)


LAYERS = {
    "agnostic": (layers.NonMaxSuppression, {"class_agnostic": True}, {"agnostic": True}),
    "labels": (layers.MultiClassNonMaxSuppression, {}, {"multi_label": True}),
    "few": (layers.MultiClassNonMaxSuppression, {"max_detections_per_class": 2}, {"multi_label": True, "of_class": 2}),
}


@pytest.mark.parametrize("layer, arguments, options", LAYERS.values(), ids=LAYERS)
def test_layers_are_the_functions(layer, arguments, options, random):
    boxes, scores = clusters(random, 2, 100, 3)
    found = as_rows(layer("xyxy", False, 0.4, 0.25, 20, **arguments)(boxes, scores))
    np.testing.assert_array_equal(found, [greedy(*image, 0.4, 0.25, 20, **options) for image in zip(boxes, scores)])


@pytest.mark.parametrize(
    "layer",
    [
        layers.NonMaxSuppression("XYWH", True, 0.4, 0.3, 30, class_agnostic=True, soft_method="linear", soft_sigma=0.4),
        layers.MultiClassNonMaxSuppression("rel_yxyx", True, 0.4, 0.3, 30, max_detections_per_class=4),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_of_a_network(layer, random, tmp_path):
    """With an unknown number of images; saved and loaded; in predict, which compiles where the backend does."""
    boxes, scores = clusters(random, 3, 200, 3)
    logits = np.log(scores / (1 - scores))
    inputs = [keras.Input((200, 4)), keras.Input((200, 3))]
    outputs = layer(*inputs)
    assert outputs["boxes"].shape == (None, 30, 4) and outputs["num_detections"].shape == (None,)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()
    expected = as_rows(layer(boxes, logits))
    assert (expected[..., 4] > 0).any()
    np.testing.assert_allclose(as_rows(loaded.predict([boxes, logits], batch_size=2, verbose=0)), expected, atol=1e-3)


def test_what_kerascv_has():
    """Its defaults, by its names and order."""
    for layer in (layers.NonMaxSuppression, layers.MultiClassNonMaxSuppression):
        made = layer("xyxy", True)
        assert (made.iou_threshold, made.confidence_threshold, made.max_detections) == (0.5, 0.5, 100)
        assert (
            layer("xyxy", True, 0.1, 0.2, 3).get_config().items()
            >= {
                "bounding_box_format": "xyxy",
                "from_logits": True,
                "iou_threshold": 0.1,
                "confidence_threshold": 0.2,
                "max_detections": 3,
            }.items()
        )
    assert layers.MultiClassNonMaxSuppression("xyxy", True).max_detections_per_class == 100


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"bounding_box_format": "corners"}, "must be one of xyxy.*got 'corners'"),
        ({"iou_threshold": 1.5}, "iou_threshold must be from 0 to 1; got 1.5"),
        ({"confidence_threshold": -0.1}, "confidence_threshold must be from 0 to 1; got -0.1"),
        ({"confidence_threshold": float("nan")}, "confidence_threshold must be from 0 to 1; got nan"),
        ({"max_detections": 0}, "max_detections must be an integer of at least 1; got 0"),
        ({"max_detections": 2.5}, "max_detections must be an integer of at least 1; got 2.5"),
        ({"soft_method": "quadratic"}, "must be one of linear, gaussian; got 'quadratic'"),
        ({"soft_method": "gaussian", "soft_sigma": 0}, "sigma must be above 0; got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.NonMaxSuppression(**{"bounding_box_format": "xyxy", "from_logits": False} | arguments)


def test_bad_limit_and_shapes():
    with pytest.raises(ValueError, match="max_detections_per_class must be an integer of at least 1; got 0"):
        layers.MultiClassNonMaxSuppression("xyxy", False, max_detections_per_class=0)
    for boxes, scores in (((2, 5, 4), (2, 6, 3)), ((5, 4), (5, 3)), ((2, 5, 4), (2, 5, 0)), ((2, 5, 4), (1, 5, 3))):
        for suppress in (non_max_suppression, soft_non_max_suppression):
            with pytest.raises(ValueError, match=r"must be of shape \(B, A, 4\).*got \(.*5"):
                suppress(np.zeros(boxes), np.zeros(scores))
    with pytest.raises(ValueError, match=r"must be of shape \(N, 4\) or \(B, N, 4\)"):
        layers.NonMaxSuppression("xyxy", False)(np.zeros((1, 5, 5)), np.zeros((1, 5, 2)))
