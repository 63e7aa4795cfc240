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

from keras_cv.models import ObjectDetector, YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_zoo import PresetError
from keras_zoo.formats.module_file import open_module

PARAMETERS = {"n": 3_157_184, "s": 11_166_544, "m": 25_902_624}  # that are trained, as many as there


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
    np.testing.assert_allclose(boxes, expected["decoded"], atol=2e-3)  # pixels, of distances up to 480


def test_detections(case):
    """After non-max suppression at the thresholds that Ultralytics predicts with."""
    _, model, expected = case
    found = model.predict(images())
    for i, count in enumerate(found["num_detections"]):
        wanted = expected[f"detections_{i}"]
        assert count == len(wanted) > 10
        np.testing.assert_array_equal(found["classes"][i, :count], wanted[:, 5])
        np.testing.assert_allclose(found["confidence"][i, :count], wanted[:, 4], atol=1e-5)
        np.testing.assert_allclose(found["boxes"][i, :count], wanted[:, :4], atol=2e-3)


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


@pytest.mark.once
@pytest.mark.parametrize(
    ("said", "size"), [(256, 256), (300, 320), (10**6, 640), ("640", 640), (None, 640), (-32, 640), (True, 640)]
)
def test_size_of_training(said, size, tmp_path):
    """Images are fitted into the size that a checkpoint was trained with, as Ultralytics does; never into any size."""
    tensors = files.state_dict("n", files.narrow())
    path = files.save(tmp_path / "narrow.pt", tensors, train_args={"imgsz": said})
    assert YOLOV8DetectorPreprocessor.from_preset(path).image_size == (size, size)


@pytest.mark.once
def test_parts_of_checkpoints(tmp_path):
    """The backbone alone, other names, and the averaged weights of one that is being trained."""
    tensors = files.state_dict("n", files.narrow())
    path = files.save(tmp_path / "narrow.pt", tensors)
    backbone = YOLOV8Backbone.from_preset(path)
    assert backbone.stackwise_channels == [8, 16, 32, 64] and backbone.stackwise_depth == [1, 2, 2, 1]
    names = ["a", "b", "c", "d", "e"]
    assert YOLOV8Detector.from_preset(path, class_names=names).class_names == names
    with pytest.raises(PresetError, match="made for num_classes=5; got num_classes=2"):
        YOLOV8Detector.from_preset(path, class_names=["a", "b"])
    twice = {name: tensor * 2 for name, tensor in tensors.items()}
    with files.classes() as known:
        torch.save({"model": files.detection_model(known, tensors), "ema": files.detection_model(known, twice)}, path)
    half = YOLOV8Detector.from_preset(path)
    assert half.preprocessor.image_size == (640, 640)  # nothing says another
    bias = half.get_layer("yolo_v8_head_3_class_3_conv").bias
    np.testing.assert_array_equal(bias, twice["model.22.cv3.2.2.bias"])


def part(name, **settings):
    """A change of one module's attributes."""
    return lambda model: vars(model.get_submodule(name)).update(settings)


def replaced(name, module):
    return lambda model: model.set_submodule(name, module)


CHANGES = {
    "another activation": (
        replaced("model.1.act", torch.nn.ReLU()),
        r"model\.1\.act is a torch\.nn\.modules\.activation\.ReLU, which YOLOV8Detector does not compute",
    ),
    "another epsilon": (part("model.3.bn", eps=1e-5), r"model\.3\.bn, a BatchNorm2d, is not set to eps=0\.001"),
    "a dilation": (part("model.3.conv", dilation=(2, 2)), r"model\.3\.conv, a Conv2d, is not set to dilation=\(1, 1\)"),
    "another pool": (part("model.9.m", kernel_size=3), r"model\.9\.m, a MaxPool2d, is not set to kernel_size=5"),
    "no shortcut": (part("model.4.m.1", add=False), r"model\.4\.m\.1, a Bottleneck, is not set to add=True"),
    "a shortcut": (part("model.12.m.0", add=True), r"model\.12\.m\.0, a Bottleneck, is not set to add=False"),
    "a list of another length": (part("", names={0: "a", 1: "b"}), "names must be 5 texts, one for each class"),
    "names that are none": (part("", names={i: i for i in range(5)}), "names must be 5 texts, one for each class"),
    "no list": (part("", names=7), "names must be 5 texts, one for each class of its head"),
    "a function": (part("", names=torch.load), "names must be 5 texts, one for each class of its head"),
    "code": (part("", names=print), r"its pickle names (__builtin__|builtins)\.print, which no checkpoint needs"),
    "masks": (
        lambda model: model.model[22].add_module("cv4", torch.nn.Conv2d(1, 1, 1)),
        r"parts that YOLOV8Detector has not, such as model\.22\.cv4\.weight.*not those for masks, poses",
    ),
    "another layer": (
        lambda model: model.model.append(torch.nn.Conv2d(1, 1, 1)),
        r"parts that YOLOV8Detector has not, such as model\.23\.weight",
    ),
    "a missing layer": (
        lambda model: model.model[9].__delattr__("cv2"),
        r"(?s)missing from the file:.*model\.9\.cv2\.bn\.bias",
    ),
    "a missing block": (lambda model: model.model[4].__delattr__("cv2"), "has no model.4.cv2.conv.weight"),
    "another width": (
        replaced("model.7.conv", torch.nn.Conv2d(32, 48, 3)),
        r"model\.7\.conv\.weight: the file has \(48, 32, 3, 3\), expected \(64, 32, 3, 3\)",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", CHANGES)
def test_checkpoints_of_other_networks(case, tmp_path):
    change, message = CHANGES[case]
    path = files.save(tmp_path / "m.pt", files.state_dict("n", files.narrow()), change)
    with pytest.raises(PresetError, match=message):
        ObjectDetector.from_preset(path)
