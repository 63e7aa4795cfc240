"""A file that takes images and gives boxes gives those of `predict`."""

import functools

import keras
import numpy as np
import pytest

from keras_cv.bounding_box import clip_to_image, convert_format
from keras_cv.layers import MultiClassNonMaxSuppression, NonMaxSuppression
from keras_cv.models import YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_zoo import exporting

BACKEND = keras.backend.backend()
SIZE = (64, 96)
# A process of its own does it where this backend cannot: once for each pair is enough.
NATIVE = {"tensorflow": ("onnx", "tf_saved_model", "litert", "openvino"), "torch": ("onnx", "tf_saved_model")}
FORMATS = NATIVE.get(BACKEND, ("onnx",))


def some_images(count=3):
    """Images `(count, 64, 96, 3)` of coloured squares, 0-255."""
    random = np.random.default_rng(0)
    squares = np.kron(random.integers(0, 256, (count, 8, 12, 3)), np.ones((1, 8, 8, 1)))
    return (squares * random.uniform(0.7, 1, (count, *SIZE, 1))).astype("float32")


def new_detector(bounding_box_format="xywh", preprocessor=None, **options):
    """Random weights that find many small boxes of all three classes in such images."""
    keras.utils.set_random_seed(0)
    backbone = YOLOV8Backbone([8, 16, 24, 32], [1, 1, 1, 1])
    options = {"num_classes": 3, "fpn_depth": 1, "confidence_threshold": 0.3, "iou_threshold": 0.4} | options
    detector = YOLOV8Detector(backbone, bounding_box_format=bounding_box_format, preprocessor=preprocessor, **options)
    random = np.random.default_rng(0)
    for layer in (*detector.layers, *backbone.layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(random.normal(0, 0.1, layer.moving_mean.shape))
            layer.beta.assign(random.normal(0, 0.1, layer.beta.shape))
    raw = {key: keras.ops.convert_to_numpy(value) for key, value in detector(some_images()).items()}
    for layer in detector.layers:
        if layer.name.endswith("_3_conv"):
            logits = raw["classes" if "class" in layer.name else "boxes"]
            scale = (2 if "class" in layer.name else 1) / logits.std((0, 1))
            kernel, bias = map(keras.ops.convert_to_numpy, (layer.kernel, layer.bias))
            few_cells = -1 if "class" in layer.name else np.tile(-0.7 * np.arange(16), 4)
            layer.kernel.assign(kernel * scale)
            layer.bias.assign((bias - logits.mean((0, 1))) * scale + few_cells)
    return detector


@pytest.fixture(scope="module")
def detector():
    return new_detector()


@pytest.fixture(scope="module")
def images():
    return some_images()


def run(path, format, images):
    """The outputs of a file by their names."""
    if format == "onnx":
        ort = pytest.importorskip("onnxruntime")
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        (taken,) = session.get_inputs()
        names = [x.name for x in session.get_outputs()]
        return dict(zip(names, session.run(None, {taken.name: images}), strict=True))
    if format == "openvino":
        openvino = pytest.importorskip("openvino")
        program = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = program(images)
        return {output.any_name: found[output] for output in program.outputs}
    tf = pytest.importorskip("tensorflow")
    if format == "litert":
        program = tf.lite.Interpreter(str(path))
        program.resize_tensor_input(program.get_input_details()[0]["index"], images.shape)
        return program.get_signature_runner()(images=images)
    program = tf.saved_model.load(str(path))
    return {key: value.numpy() for key, value in program.serve(images).items()}


def exported(detector, folder, format, **options):
    try:
        exporting.writer(format)
    except ImportError as error:
        pytest.skip(str(error))
    path = folder / f"model{exporting.SUFFIXES[format]}"
    detector.export(path, format, **{"image_size": SIZE, "verbose": False} | options)
    return path


def assert_same(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape and found[key].dtype == value.dtype, key
        np.testing.assert_allclose(found[key], value, atol=1e-3, err_msg=key)


@pytest.fixture(scope="module")
def file_of(detector, tmp_path_factory):
    """A function of a format that gives the detector's file, written once."""
    return functools.cache(lambda format: exported(detector, tmp_path_factory.mktemp("exported"), format))


@pytest.mark.parametrize("format", FORMATS)
def test_as_predicted(detector, images, file_of, format):
    expected = detector.predict(images)
    assert (expected["num_detections"] > 10).all() and len(np.unique(expected["classes"])) > 2
    path = file_of(format)
    assert_same(run(path, format, images), expected)
    assert_same(run(path, format, images[:1]), {key: value[:1] for key, value in expected.items()})
    assert run(path, format, np.zeros_like(images))["boxes"].shape == (3, 100, 4)


@pytest.mark.parametrize("format", NATIVE.get(BACKEND, ("onnx",))[:1])
def test_without_suppression(detector, images, tmp_path, format):
    decoded = detector.decode(detector(images), image_shape=SIZE)
    expected = {key: keras.ops.convert_to_numpy(value) for key, value in decoded.items()}
    found = run(exported(detector, tmp_path, format, nms=False), format, images)
    assert_same(found, expected)
    assert found["classes"].shape == (3, 126, 3) and 0 <= found["classes"].min() < found["classes"].max() <= 1


@pytest.mark.skipif(BACKEND == "jax", reason="the same graph, that another backend writes")
@pytest.mark.parametrize("bounding_box_format", ["xyxy", "rel_yxyx"])
def test_formats_of_boxes_and_thresholds(images, tmp_path, bounding_box_format):
    detector = new_detector(bounding_box_format, class_agnostic=True)
    limits = {"confidence_threshold": 0.35, "iou_threshold": 0.2, "max_detections": 12}
    path = exported(detector, tmp_path, "onnx", **limits)
    found = run(path, "onnx", images)
    assert_same(found, detector.predict(images, **limits))
    assert found["boxes"].shape == (3, 12, 4)
    if bounding_box_format.startswith("rel"):
        corners = new_detector("xyxy", class_agnostic=True).predict(images, **limits)["boxes"]
        np.testing.assert_allclose(
            convert_format(found["boxes"], "rel_yxyx", "xyxy", image_shape=SIZE), corners, atol=0.1
        )


@pytest.mark.skipif(BACKEND == "jax", reason="the same graph, that another backend writes")
def test_preprocessor_is_inside(images, tmp_path):
    """Its size is the file's, and what it does to colours is a part of the file."""
    pytest.importorskip("onnxruntime")
    plain = new_detector()
    scaled = new_detector(preprocessor=YOLOV8DetectorPreprocessor(SIZE, scale=[0.5, 0.25, 1.0], offset=3.0))
    found = run(exported(scaled, tmp_path, "onnx", image_size=None), "onnx", images)
    assert_same(found, plain.predict(images * np.float32([0.5, 0.25, 1.0]) + np.float32(3)))
    assert_same(clip_to_image(found, "xywh", image_shape=SIZE), scaled.predict(list(images)))


def test_no_leftovers(detector, file_of):
    """Every normalisation is folded, inputs and outputs have their names, and the batch is free."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(file_of("onnx"))
    onnx.checker.check_model(model, full_check=True)
    counts = [node.op_type for node in model.graph.node]
    convolutions = [x for x in (*detector.layers, *detector.backbone.layers) if isinstance(x, keras.layers.Conv2D)]
    assert counts.count("Conv") == len({x.name for x in convolutions}) and "BatchNormalization" not in counts
    assert "Pad" not in counts
    turns = [list(node.attribute[0].ints) for node in model.graph.node if node.op_type == "Transpose"]
    assert turns.count([0, 2, 1]) == 1  # of the images
    shapes = {
        x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim]
        for x in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "images": ["batch", *SIZE, 3],
        "boxes": ["batch", 100, 4],
        "confidence": ["batch", 100],
        "classes": ["batch", 100],
        "num_detections": ["batch"],
    }
    assert {x.key: x.value for x in model.metadata_props}["bounding_box_format"] == "xywh"


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow writes it")
@pytest.mark.parametrize("kind", ["soft", "every class"])
def test_other_suppression(detector, images, tmp_path, kind):
    limits = {"from_logits": False, "confidence_threshold": 0.3, "iou_threshold": 0.4}
    decoders = {
        "soft": NonMaxSuppression("xywh", soft_method="linear", **limits),
        "every class": MultiClassNonMaxSuppression("xywh", **limits),
    }
    other = new_detector(prediction_decoder=decoders[kind])
    expected = other.predict(images)
    assert not np.array_equal(expected["num_detections"], detector.predict(images)["num_detections"])
    assert_same(run(exported(other, tmp_path, "tf_saved_model"), "tf_saved_model", images), expected)
    with pytest.raises(ValueError, match="nms=False: all boxes and their probabilities"):
        exported(other, tmp_path, "onnx")


def test_refused(detector, tmp_path):
    with pytest.raises(ValueError, match="format must be one of onnx, tf_saved_model, litert, openvino; got 'coreml'"):
        detector.export(tmp_path / "x", "coreml")
    with pytest.raises(ValueError, match=r"Give image_size=\(height, width\)"):
        detector.export(tmp_path / "x.onnx", "onnx")
    with pytest.raises(ValueError, match=r"multiples of 32 above 0; got \(60, 96\)"):
        exported(detector, tmp_path, "onnx", image_size=(60, 96))
    with pytest.raises(ValueError, match=r"must be called \*\.onnx; got"):
        detector.export(tmp_path / "model.tflite", "onnx", image_size=SIZE)
    with pytest.raises(ValueError, match="give image_size in place of input_signature"):
        exported(detector, tmp_path, "onnx", input_signature=[keras.InputSpec(shape=(1, 64, 64, 3))])
    with pytest.raises(ValueError, match="from 0 to 1; got 2"):
        exported(detector, tmp_path, "onnx", iou_threshold=2)
    fixed = YOLOV8Detector(YOLOV8Backbone([4, 6, 8, 10], [1, 1, 1, 1], image_shape=(64, 64, 3)), 3, fpn_depth=1)
    with pytest.raises(ValueError, match=r"takes images of \(64, 64\) alone"):
        exported(fixed, tmp_path, "onnx")
    half = YOLOV8Detector(YOLOV8Backbone([4, 6, 8, 10], [1, 1, 1, 1], dtype="mixed_float16"), 3, fpn_depth=1)
    with pytest.raises(ValueError, match=r"computes in float16\. Load it with dtype='float32'"):
        exported(half, tmp_path, "onnx")
    assert not list(tmp_path.iterdir())
