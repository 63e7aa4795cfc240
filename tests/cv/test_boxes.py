"""Boxes: formats, overlap, padding, on NumPy, on tensors of the backend, and in tf.data."""

import keras
import numpy as np
import pytest

from keras_cv import bounding_box, layers
from keras_cv.ops.placing import rescale, undo

KINDS = {"numpy": np.asarray, "tensor": keras.ops.convert_to_tensor}
SAMPLE = {  # one box in an image of 40 rows and 60 columns, in every format
    "xyxy": [6, 10, 36, 30],
    "yxyx": [10, 6, 30, 36],
    "xywh": [6, 10, 30, 20],
    "center_xywh": [21, 20, 30, 20],
    "center_yxhw": [20, 21, 20, 30],
    "rel_xyxy": [0.1, 0.25, 0.6, 0.75],
    "rel_yxyx": [0.25, 0.1, 0.75, 0.6],
    "rel_xywh": [0.1, 0.25, 0.5, 0.5],
    "rel_center_xywh": [0.35, 0.5, 0.5, 0.5],
    "rel_center_yxhw": [0.5, 0.35, 0.5, 0.5],
}
IMAGES = np.zeros((2, 40, 60, 3), "uint8")


def numpy(x):
    return x if isinstance(x, np.ndarray) else keras.ops.convert_to_numpy(x)


def random_boxes(random, *shape):
    corners = np.sort(random.uniform(0, 50, (*shape, 2, 2)), axis=-2)
    return corners.reshape(*shape, 4).astype("float32")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", SAMPLE)
def test_formats(source, kind):
    assert set(SAMPLE) == set(bounding_box.FORMATS)
    rows = np.array([[SAMPLE[source], [-1] * 4]] * 2, "float32")
    for target, expected in SAMPLE.items():
        for size in ({"images": IMAGES}, {"image_shape": (40, 60, 3)}, {"images": [IMAGES[0], IMAGES[1]]}):
            found = bounding_box.convert_format(KINDS[kind](rows), source, target, **size)
            assert type(found) is type(KINDS[kind](rows))
            np.testing.assert_allclose(numpy(found), [[expected, [-1] * 4]] * 2, atol=1e-5)
        one = bounding_box.convert_format(KINDS[kind](rows[0]), source.upper(), target, images=IMAGES[0])
        np.testing.assert_allclose(numpy(one)[0], expected, atol=1e-5)
        none = bounding_box.convert_format(KINDS[kind](rows[:, :0]), source, target, images=IMAGES)
        assert tuple(none.shape) == (2, 0, 4)
    found = bounding_box.convert_format({"boxes": rows, "classes": "as they are"}, source, "xyxy", images=IMAGES)
    assert found["classes"] == "as they are"
    half = bounding_box.convert_format(KINDS[kind](rows), source, source, dtype="float16")
    assert keras.backend.standardize_dtype(half.dtype) == "float16"


def test_without_the_size_between_relative_formats():
    found = bounding_box.convert_format([SAMPLE["rel_xywh"]], "rel_xywh", "rel_yxyx")
    np.testing.assert_allclose(found, [SAMPLE["rel_yxyx"]], atol=1e-6)
    assert bounding_box.as_relative("XYWH") == "rel_xywh" == bounding_box.as_relative("rel_xywh")
    assert bounding_box.is_relative("rel_xyxy") and not bounding_box.is_relative("center_xyWH")
    assert (
        bounding_box.preserve_rel("yxyx", "rel_xywh") == "rel_yxyx"
        and bounding_box.preserve_rel("yxyx", "xywh") == "yxyx"
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "xy"}, "source must be one of xyxy, yxyx.*got 'xy'"),
        ({"target": None}, "target must be one of"),
        ({"target": "rel_xyxy"}, "got neither"),
        ({"target": "rel_xyxy", "images": IMAGES, "image_shape": (4, 4)}, "got both"),
        ({"target": "rel_xyxy", "image_shape": (4,)}, r"image_shape must be \(H, W\)"),
        ({"target": "rel_xyxy", "images": IMAGES[0]}, r"boxes of 3 axes with images of shape \(40, 60, 3\)"),
        ({"boxes": np.zeros((2, 5))}, r"must be of shape \(N, 4\) or \(B, N, 4\); got \(2, 5\)"),
    ],
)
def test_what_cannot_be_converted(arguments, message):
    with pytest.raises(ValueError, match=message):
        bounding_box.convert_format(**{"boxes": np.zeros((2, 1, 4)), "source": "xyxy", "target": "xywh", **arguments})


@pytest.mark.parametrize("kind", KINDS)
def test_clipping(kind):
    boxes = np.array(
        [[[-5, -5, 10, 10], [50, 30, 90, 90], [70, 0, 90, 9], [3, 3, 3, 9], [1, 2, 3, 4], [-1] * 4]], "float32"
    )
    expected = [[0, 0, 10, 10], [50, 30, 60, 40], [-1] * 4, [-1] * 4, [1, 2, 3, 4], [-1] * 4]
    given = {"boxes": KINDS[kind](boxes), "classes": KINDS[kind](np.arange(6)[None]), "other": 1}
    found = bounding_box.clip_to_image(given, "xyxy", images=IMAGES[:1])
    np.testing.assert_allclose(numpy(found["boxes"])[0], expected)
    np.testing.assert_array_equal(numpy(found["classes"]), [[0, 1, -1, -1, 4, -1]])
    for name in ("rel_center_xywh", "xywh"):
        size = {"image_shape": (40, 60)}
        there = bounding_box.convert_format(given["boxes"], "xyxy", name, **size)
        back = bounding_box.convert_format(bounding_box.clip_to_image(there, name, **size), name, "xyxy", **size)
        np.testing.assert_allclose(numpy(back)[0], expected, atol=1e-4)


def plain_iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    cover = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    iou = width * height / union
    centres = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    diou = iou - centres / (cover[0] ** 2 + cover[1] ** 2)
    v = 4 / np.pi**2 * (np.arctan((a[2] - a[0]) / (a[3] - a[1])) - np.arctan((b[2] - b[0]) / (b[3] - b[1]))) ** 2
    return iou, iou - (cover[0] * cover[1] - union) / (cover[0] * cover[1]), diou, diou - v * v / (1 - iou + v)


@pytest.mark.parametrize("kind", KINDS)
def test_overlap_by_its_definition(random, kind):
    first, second = random_boxes(random, 2, 5), random_boxes(random, 2, 3)
    functions = [getattr(bounding_box, f"compute_{name}") for name in ("iou", "giou", "diou", "ciou")]
    expected = np.array([[[plain_iou(a, b) for b in second[i]] for a in first[i]] for i in range(2)])
    for which, function in enumerate(functions):
        pairwise = {} if which == 0 else {"pairwise": True}
        for name in ("xyxy", "center_xywh", "rel_yxyx"):
            size = {"image_shape": (40, 60)}
            a, b = (KINDS[kind](bounding_box.convert_format(x, "xyxy", name, **size)) for x in (first, second))
            both = numpy(function(a, b, name, **pairwise, **size))
            np.testing.assert_allclose(both, expected[..., which], atol=1e-4)
            np.testing.assert_allclose(numpy(function(a[0], b[0], name, **pairwise, **size)), both[0], atol=1e-6)
            np.testing.assert_allclose(numpy(function(a, b[0], name, **pairwise, **size))[0], both[0], atol=1e-6)
            np.testing.assert_allclose(numpy(function(a[1], b, name, **pairwise, **size))[1], both[1], atol=1e-6)
            assert tuple(function(a[:, :0], b, name, **pairwise, **size).shape) == (2, 0, 3)
        if which:
            each = numpy(function(KINDS[kind](first[:, :3]), KINDS[kind](second), "xyxy"))
            np.testing.assert_allclose(each, np.diagonal(expected[:, :3, :, which], axis1=1, axis2=2), atol=1e-4)
    with pytest.raises(ValueError, match=r"must be of shape \(N, 4\) or \(B, N, 4\); got \(4,\)"):
        bounding_box.compute_iou(first[0, 0], second, "xyxy")


def test_masked_overlap(random):
    boxes = random_boxes(random, 2, 3)
    boxes[1, 2] = -1
    for name in ("xyxy", "rel_center_xywh"):
        given = bounding_box.convert_format(boxes, "xyxy", name, image_shape=(40, 60))
        found = bounding_box.compute_iou(given, given, name, use_masking=True, mask_val=-2)
        assert ((found == -2).sum((1, 2)) == [0, 5]).all()
        assert (bounding_box.compute_iou(given, given, name)[1, 2] <= 1).all()


def gradients(function, boxes):
    """Gradients of the sum of `function` with respect to `boxes`, on the backend there is."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(lambda x: function(x).sum()))(boxes))
    if backend == "torch":
        import torch

        x = torch.tensor(boxes, requires_grad=True, device="cpu")
        function(x).sum().backward()
        return x.grad.numpy()
    import tensorflow as tf

    x = tf.Variable(boxes)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(function(tf.convert_to_tensor(x)))
    return np.asarray(tape.gradient(total, x))


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_gradients_are_finite_on_degenerate_boxes(name):
    """Empty, turned inside out, identical, apart, huge, and padding."""
    boxes = [[5, 5, 5, 5], [5, 5, 9, 5], [9, 9, 5, 5], [2, 2, 8, 8], [50, 50, 60, 60], [0, 0, 1e6, 1e6], [-1] * 4]
    first = np.repeat(np.array(boxes, "float32"), len(boxes), 0)
    second = keras.ops.convert_to_tensor(np.tile(np.array(boxes, "float32"), (len(boxes), 1)))
    function = getattr(bounding_box, f"compute_{name}")
    for size in ("xyxy", "rel_xyxy"):
        found = gradients(lambda x, size=size: function(x, second, size), first)
        assert np.isfinite(found).all() and np.isfinite(numpy(function(first, second, size))).all()
    step = gradients(
        lambda x: function(x, np.array([[2, 2, 8, 8]], "float32"), "xyxy"), np.array([[1, 2, 7, 9]], "float32")
    )
    assert step[0, 0] > 0 and step[0, 3] < 0  # towards the other box


def test_the_weight_of_ciou_has_no_gradient():
    a, b = np.array([[0, 0, 8, 3]], "float32"), np.array([[0, 0, 4, 6]], "float32")

    def frozen(x, weight):
        ops = keras.ops
        angle = ops.arctan((x[:, 2] - x[:, 0]) / (x[:, 3] - x[:, 1])) - np.arctan(4 / 6)
        return bounding_box.compute_diou(x, keras.ops.convert_to_tensor(b), "xyxy") - weight * 4 / np.pi**2 * angle**2

    v = 4 / np.pi**2 * (np.arctan(8 / 3) - np.arctan(4 / 6)) ** 2
    weight = v / (1 - plain_iou(a[0], b[0])[0] + v)
    whole = gradients(lambda x: bounding_box.compute_ciou(x, keras.ops.convert_to_tensor(b), "xyxy"), a)
    np.testing.assert_allclose(whole, gradients(lambda x: frozen(x, weight), a), atol=1e-5)


def test_dense_and_ragged():
    ragged = {"boxes": [np.ones((2, 4)), np.zeros((0, 4)), np.ones((3, 4))], "labels": [[1, 2], [], [3, 4, 5]]}
    assert bounding_box.validate_format(ragged) == {"is_batched": True, "ragged": True, "classes_one_hot": False}
    dense = bounding_box.to_dense(ragged)
    np.testing.assert_array_equal(dense["labels"], [[1, 2, -1], [-1, -1, -1], [3, 4, 5]])
    assert dense["boxes"].shape == (3, 3, 4) and (dense["boxes"][1] == -1).all()
    back = bounding_box.to_ragged(dense)
    assert [len(rows) for rows in back["boxes"]] == [2, 0, 3] and [list(x) for x in back["labels"]] == ragged["labels"]
    for count in (1, 3, 5):
        for given in (ragged, dense, {k: keras.ops.convert_to_tensor(x) for k, x in dense.items()}):
            found = bounding_box.to_dense(given, max_boxes=count, default_value=-7)
            assert tuple(found["boxes"].shape) == (3, count, 4)
            np.testing.assert_array_equal(numpy(found["labels"])[0, : min(count, 2)], [1, 2][:count])
            assert (numpy(found["labels"])[:, 3:] == -7).all()
    one = bounding_box.to_dense({"boxes": [[0, 0, 1, 1]], "classes": [3]}, max_boxes=2)
    np.testing.assert_array_equal(one["classes"], [3, -1])
    none = bounding_box.to_dense({"boxes": [[], []], "classes": [[], []]}, max_boxes=2)
    assert none["boxes"].shape == (2, 2, 4)
    for empty in ([], np.zeros(0)):
        no_boxes = {"boxes": empty, "classes": empty}
        assert not bounding_box.validate_format(no_boxes)["is_batched"]
        assert bounding_box.to_dense(no_boxes)["boxes"].shape == (0, 4)
        assert bounding_box.to_dense(no_boxes, max_boxes=2)["boxes"].shape == (2, 4)
        flipped = layers.RandomFlip(bounding_box_format="xywh")(
            {"images": np.zeros((4, 4, 3), "uint8"), "bounding_boxes": no_boxes}
        )
        assert flipped["bounding_boxes"]["boxes"].shape == (0, 4)
    with pytest.raises(ValueError, match="to_ragged takes a batch"):
        bounding_box.to_ragged(one)


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_detections(kind):
    found = {"boxes": np.ones((2, 3, 4), "float32"), "classes": np.ones((2, 3), "int32"), "confidence": np.ones((2, 3))}
    found = {key: KINDS[kind](x) for key, x in {**found, "num_detections": np.array([2, 0])}.items()}
    masked = bounding_box.mask_invalid_detections(found)
    np.testing.assert_array_equal(numpy(masked["classes"]), [[1, 1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(numpy(masked["boxes"])[..., 0], [[1, 1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(numpy(masked["confidence"]), [[1, 1, -1], [-1, -1, -1]])
    assert [len(x) for x in bounding_box.mask_invalid_detections(found, output_ragged=True)["boxes"]] == [2, 0]
    with pytest.raises(ValueError, match="lacks num_detections"):
        bounding_box.mask_invalid_detections({key: found[key] for key in ("boxes", "classes")})


def test_in_tf_data(random):
    """Every function on symbolic tensors whose sizes are unknown, under any backend."""
    tf = pytest.importorskip("tensorflow")
    boxes = random_boxes(random, 2, 3)
    boxes[1, 1:] = -1
    classes = np.where(boxes[..., 0] == -1, -1, 4)
    images = np.zeros((2, 40, 60, 3), "uint8")

    def everything(images, boxes, classes):
        given = {"boxes": boxes, "classes": classes}
        relative = bounding_box.convert_format(given, "xyxy", "rel_center_xywh", images=images)
        ragged = bounding_box.to_ragged(given)
        return {
            "relative": relative["boxes"],
            "clipped": bounding_box.clip_to_image(given, "xyxy", images=images),
            "iou": bounding_box.compute_iou(boxes, boxes, "xyxy", use_masking=True),
            "ciou": bounding_box.compute_ciou(boxes, boxes, "xyxy", pairwise=True),
            "five": bounding_box.to_dense(ragged, max_boxes=5),
            "two": bounding_box.to_dense(given, max_boxes=2),
            "masked": bounding_box.mask_invalid_detections({**given, "num_detections": tf.ones_like(classes[:, 0])}),
            "lengths": ragged["boxes"].row_lengths(),
            "dense": bounding_box.to_dense(ragged),
        }

    dataset = tf.data.Dataset.from_tensors((images, boxes, classes))
    specs = [tf.TensorSpec([None] * x.ndim, x.dtype) for x in (images, boxes, classes)]
    specs[1] = tf.TensorSpec([None, None, 4], "float32")
    unknown = tf.data.Dataset.from_generator(lambda: iter([(images, boxes, classes)]), output_signature=tuple(specs))
    for mapped in (dataset.map(everything), unknown.map(everything)):
        found = next(iter(mapped))
        assert mapped.element_spec["five"]["boxes"].shape[1:] == (5, 4)
        assert mapped.element_spec["two"]["classes"].shape[1:] == (2,)
        given = {"boxes": boxes, "classes": classes}
        expected = bounding_box.convert_format(boxes, "xyxy", "rel_center_xywh", images=images)
        np.testing.assert_allclose(found["relative"], expected, atol=1e-6)
        clipped = bounding_box.clip_to_image(given, "xyxy", images=images)
        np.testing.assert_allclose(found["clipped"]["boxes"], clipped["boxes"])
        np.testing.assert_array_equal(found["clipped"]["classes"], clipped["classes"])
        iou = bounding_box.compute_iou(boxes, boxes, "xyxy", use_masking=True)
        np.testing.assert_allclose(found["iou"], iou, atol=1e-6)
        ciou = bounding_box.compute_ciou(boxes, boxes, "xyxy", pairwise=True)
        np.testing.assert_allclose(found["ciou"], ciou, atol=1e-5)
        np.testing.assert_array_equal(found["lengths"], [3, 1])
        np.testing.assert_array_equal(found["dense"]["classes"], classes)
        np.testing.assert_array_equal(found["masked"]["classes"], [[4, -1, -1], [4, -1, -1]])


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_there_and_back(random, kind):
    boxes = random_boxes(random, 2, 3)
    boxes[0, 2] = -1
    transforms = np.array([[2, 0.5, 3, 4], [1, 1, 0, -7]], "float32")
    there = rescale(KINDS[kind](boxes), KINDS[kind](transforms))
    np.testing.assert_allclose(numpy(there)[1], boxes[1] + [0, -7, 0, -7], atol=1e-5)
    np.testing.assert_allclose(numpy(undo(there, KINDS[kind](transforms))), boxes, atol=1e-5)
