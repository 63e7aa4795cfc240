"""YOLOv8 with Ultralytics' weights: the same raw outputs, boxes and detections as Ultralytics, on every backend.

Expected numbers are from `tools/golden/ultralytics_outputs.py`.
"""

import keras
import numpy as np
import pytest
import torch
import ultralytics_files as files
from safetensors.torch import save_file
from ultralytics_weights import IMAGE_SIZE, SIZES, images

from keras_cv.models import ObjectDetector, YOLOV8Backbone, YOLOV8Detector
from keras_zoo import PresetError
from keras_zoo.formats.module_file import open_module

PARAMETERS = {"n": 3_157_184, "s": 11_166_544, "m": 25_902_624}  # Ultralytics' without the 16 numbers of its bins


@pytest.fixture(scope="module", params=SIZES)
def case(request, tmp_path_factory):
    """A detector of each size from a state dict, and the numbers expected of it."""
    size = request.param
    path = tmp_path_factory.mktemp("ultralytics") / f"yolov8{size}.safetensors"
    save_file(files.state_dict(size, files.shapes(size)), path)
    model = ObjectDetector.from_preset(path, preprocessor=None)
    return size, model, dict(np.load(files.GOLDEN / f"yolov8{size}.npz"))


@pytest.fixture(scope="module")
def raw(case):
    """Raw outputs of the detector."""
    found = case[1](images().astype("float32"), training=False)
    return {name: keras.ops.convert_to_numpy(logits) for name, logits in found.items()}


def test_configuration(case):
    size, model, _ = case
    assert type(model) is YOLOV8Detector and model.count_params() == PARAMETERS[size] + statistics(model)
    assert (model.num_classes, model.class_names) == (80, None)
    assert (model.confidence_threshold, model.iou_threshold, model.max_detections) == (0.25, 0.7, 300)


def statistics(model):
    return sum(weight.shape[0] for weight in model.weights if weight.name in ("moving_mean", "moving_variance"))


def test_raw_outputs(case, raw):
    """At some points each number, at all of them mean and deviation of each channel."""
    _, _, expected = case
    for name, logits in raw.items():
        assert expected[name].std() > 1
        np.testing.assert_allclose(logits[:, expected["points"]], expected[name], atol=1e-4, rtol=0)
        np.testing.assert_allclose(logits.mean((0, 1)), expected[f"{name}_mean"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(logits.std((0, 1)), expected[f"{name}_std"], atol=1e-4, rtol=0)


def test_decoded_boxes(case, raw):
    _, model, expected = case
    boxes = keras.ops.convert_to_numpy(model.decode(raw, image_shape=IMAGE_SIZE)["boxes"])
    np.testing.assert_allclose(boxes, expected["decoded"], atol=5e-3)  # pixels, of distances up to 480


def test_detections(case):
    """After non-max suppression at the thresholds that Ultralytics predicts with."""
    _, model, expected = case
    found = model.predict(images())
    for i, count in enumerate(found["num_detections"]):
        wanted = expected[f"detections_{i}"]
        assert count == len(wanted) > 10
        np.testing.assert_array_equal(found["classes"][i, :count], wanted[:, 5])
        np.testing.assert_allclose(found["confidence"][i, :count], wanted[:, 4], atol=1e-4)
        np.testing.assert_allclose(found["boxes"][i, :count], wanted[:, :4], atol=5e-3)


@pytest.fixture(scope="module")
def small():
    """Weights of a narrow YOLOv8 with five classes."""
    found = {}
    for name, shape in files.shapes("n").items():
        shape = tuple(max(length // 4, 8) if length in (16, 32, 48, 64, 96, 128, 192, 256, 384, 512) else length for length in shape)
        found[name] = shape
    return found


@pytest.mark.once
def test_checkpoints(tmp_path):
    """The whole module in half precision, as Ultralytics saves it, gives the network and the names of its classes."""
    tensors = files.state_dict("n", files.shapes("n"))
    path = files.save(tmp_path / "yolov8n.pt", tensors)
    model = ObjectDetector.from_preset(path, bounding_box_format="xywh")
    assert model.class_names == [f"class {i}" for i in range(80)]
    assert model.bounding_box_format == "xywh" and model.preprocessor is not None
    kernel = keras.ops.convert_to_numpy(model.get_layer("yolo_v8_head_2_box_1_conv").kernel)
    expected = tensors["model.22.cv2.1.0.conv.weight"].half().float().permute(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, expected)
    file = open_module(path)
    assert file.plain("", "yaml") == {"nc": 80, "scale": "n"}
    np.testing.assert_array_equal(file.plain("", "stride"), [8, 16, 32])
    backbone = YOLOV8Backbone.from_preset(path)
    assert backbone.stackwise_channels == [32, 64, 128, 256] and backbone.stackwise_depth == [1, 2, 2, 1]
    again = YOLOV8Detector.from_preset(path, class_names=[f"other {i}" for i in range(80)])
    assert again.class_names[3] == "other 3"
