"""Appended to an ONNX model, non-maximum suppression gives in ONNX Runtime what it gives here."""

import keras
import numpy as np
import pytest
from greedy import clusters, greedy

from keras_cv.ops.nms import non_max_suppression
from keras_cv.ops.onnx_nms import append_non_max_suppression

onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
BACKEND = keras.backend.backend()
EXPORTERS = {"tensorflow": "tf2onnx", "torch": "onnxscript"}


def plain_model(classes=3, version=18, names=("boxes", "scores"), given=("b", "s"), more=()):
    """Two inputs, and outputs that are the same; `more` are outputs that are twice the boxes."""
    float32 = onnx.TensorProto.FLOAT
    shapes = [["batch", "A", 4], ["batch", "A", classes]]
    nodes = [onnx.helper.make_node("Identity", [old], [new]) for old, new in zip(given, names)]
    nodes += [onnx.helper.make_node("Add", [names[0]] * 2, [name]) for name in more]
    inputs = [onnx.helper.make_tensor_value_info(name, float32, shape) for name, shape in zip(given, shapes)]
    shapes += [shapes[0]] * len(more)
    outputs = [onnx.helper.make_tensor_value_info(name, float32, x) for name, x in zip((*names, *more), shapes)]
    graph = onnx.helper.make_graph(nodes, "plain", inputs, outputs)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)], ir_version=8)


def run(model, *inputs):
    """The outputs by their names."""
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {x.name: value for x, value in zip(session.get_inputs(), inputs, strict=True)}
    return dict(zip([x.name for x in session.get_outputs()], session.run(None, given), strict=True))


def assert_as_here(boxes, scores, version=18, **options):
    model = plain_model(scores.shape[-1], version)
    append_non_max_suppression(model, **options)
    found = run(model, boxes, scores)
    expected = keras.tree.map_structure(keras.ops.convert_to_numpy, non_max_suppression(boxes, scores, **options))
    assert list(found) == ["boxes", "confidence", "classes", "num_detections"]
    for key, value in found.items():
        assert value.dtype == expected[key].dtype
        np.testing.assert_allclose(value, expected[key], rtol=1e-6, err_msg=key)
    return found


@pytest.mark.parametrize("version", [13, 15, 18, 20])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("agnostic", [False, True])
def test_equals_ours(agnostic, batch, version, random):
    boxes, scores = clusters(random, batch, 400, 3)
    found = assert_as_here(boxes, scores, version, confidence_threshold=0.25, class_agnostic=agnostic)
    assert (found["num_detections"] > 5).all()


OPTIONS = [{"max_detections": 3}, {"max_detections": 900}, {"iou_threshold": 0.0}, {"iou_threshold": 1.0}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_ties_and_awkward_boxes(options, random):
    """Equal scores, overlaps of exactly a half, boxes without area, with negative sides, and what is not finite."""
    boxes, scores = clusters(random, 2, 500, 3)
    boxes, scores = np.round(boxes / 40) * 40, np.ceil(scores * 8) / 8
    boxes[:, ::7] = boxes[:, ::7, [2, 3, 0, 1]]
    boxes[0, ::11, 1], boxes[0, 1::11, 3], scores[0, 2::11, 1] = np.nan, np.inf, np.nan
    boxes[1] = boxes[1, :1]
    assert_as_here(boxes, scores, confidence_threshold=0.25, **options)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_few_boxes_and_none_above(count, random):
    boxes, scores = (x[:, :count] for x in clusters(random, 2, 30, 3))
    assert (assert_as_here(boxes, scores, confidence_threshold=1.0)["num_detections"] == 0).all()
    scores[0] = 0  # one image has detections, and one none
    assert_as_here(boxes, scores, confidence_threshold=0.25)


def test_logits(random):
    boxes, scores = clusters(random, 2, 300, 3)
    logits = np.log(scores / (1 - scores))
    logits[0, 7], logits[0, 11], logits[0, 13, 0] = [18, 20, 19], [30, 18, 19], -np.inf
    found = assert_as_here(boxes, logits, confidence_threshold=0.25, from_logits=True)
    assert list(found["classes"][0, :2]) == [1, 0]


def test_names(random):
    """Boxes and scores are the first two outputs or those named; tensors of the model that are called like detections
    get out of the way, and other outputs stay.
    """
    boxes, scores = clusters(random, 1, 50, 3)
    expected = greedy(boxes[0], scores[0], 0.5, 0.25)
    for names in (("boxes", "classes"), ("confidence", "boxes"), ("49", "40")):
        model = plain_model(names=names, more=("double",))
        append_non_max_suppression(model, 0.5, 0.25, outputs=names)
        found = run(model, boxes, scores)
        np.testing.assert_array_equal(found["boxes"][0], expected[:, :4])
        np.testing.assert_array_equal(found["double"], boxes * 2)
    model = plain_model()
    append_non_max_suppression(model, 0.5, 0.25, outputs=("boxes", "scores"))
    np.testing.assert_array_equal(run(model, boxes, scores)["confidence"][0], expected[:, 4])


@pytest.mark.skipif(BACKEND == "jax", reason="tf2onnx and torch write the files that this is for")
def test_exported_network(random, tmp_path):
    pytest.importorskip(EXPORTERS[BACKEND])
    boxes, scores = clusters(random, 1, 60, 3)
    dense = keras.layers.Dense(60 * 7)
    inputs = keras.Input((2,))
    rows = keras.layers.Reshape((60, 7))(dense(inputs))
    model = keras.Model(inputs, {"boxes": rows[..., :4], "classes": keras.ops.sigmoid(rows[..., 4:])})
    logits = np.log(scores / (1 - scores))
    dense.bias.assign(np.concatenate([boxes, logits], -1).reshape(-1))
    vectors = random.normal(size=(3, 2)).astype("float32")
    path = tmp_path / "model.onnx"
    outputs = model(vectors)
    model.export(path, format="onnx", verbose=False)
    exported = onnx.load(path)
    append_non_max_suppression(exported, 0.5, 0.25, 20)
    expected = non_max_suppression(outputs["boxes"], outputs["classes"], 0.5, 0.25, 20)
    found = run(exported, vectors)
    assert (found["num_detections"] > 3).all() and found["boxes"].shape == (3, 20, 4)
    for key, value in found.items():
        np.testing.assert_allclose(value, keras.ops.convert_to_numpy(expected[key]), atol=1e-3)


def test_refused():
    with pytest.raises(ValueError, match="operator set from 13 on; got 11"):
        append_non_max_suppression(plain_model(version=11))
    with pytest.raises(ValueError, match=r"two of boxes, scores; got \['boxes', 'logits'\]"):
        append_non_max_suppression(plain_model(), outputs=["boxes", "logits"])
    with pytest.raises(ValueError, match="two of boxes, scores, more; got"):
        append_non_max_suppression(plain_model(more=["more"]), outputs=["boxes", "boxes"])
    with pytest.raises(ValueError, match="Detections are called classes; the model has another"):
        append_non_max_suppression(plain_model(given=("classes", "s")))
    with pytest.raises(ValueError, match="iou_threshold must be from 0 to 1; got 2"):
        append_non_max_suppression(plain_model(), iou_threshold=2)
    with pytest.raises(ValueError, match="max_detections must be an integer of at least 1; got 0"):
        append_non_max_suppression(plain_model(), max_detections=0)
