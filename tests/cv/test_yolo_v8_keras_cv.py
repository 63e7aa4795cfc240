"""YOLOv8 detectors that KerasCV saved: the same raw outputs and detections as KerasCV's own, on every backend.

Expected numbers are from `tools/golden/keras_cv_detector.py`.
"""

import re

import keras
import numpy as np
import pytest
from resnet_golden import copied, edit, golden

from keras_cv.models import ObjectDetector, YOLOV8Backbone, YOLOV8Detector
from keras_zoo import PresetError

CASE = "keras_cv/yolo_v8_detector"


@pytest.fixture
def folder(tmp_path):
    return copied(CASE, tmp_path)


def test_raw_outputs(folder):
    """Classes are logits here and probabilities there."""
    model, expected = ObjectDetector.from_preset(folder), golden(CASE)
    assert type(model) is YOLOV8Detector and model.preprocessor is None
    raw = model(expected["images"].astype("float32"), training=False)
    assert expected["boxes"].std() > 1 and expected["classes"].std() > 0.1
    np.testing.assert_allclose(keras.ops.convert_to_numpy(raw["boxes"]), expected["boxes"], atol=1e-4)
    probabilities = keras.ops.convert_to_numpy(keras.ops.sigmoid(raw["classes"]))
    np.testing.assert_allclose(probabilities, expected["classes"], atol=1e-5)


def test_detections(folder):
    """By the thresholds that were saved, and with boxes of different classes against each other, as there."""
    model, expected = ObjectDetector.from_preset(folder), golden(CASE)
    assert model.class_agnostic and (model.confidence_threshold, model.max_detections) == (0.4, 40)
    found = model.predict(expected["images"].astype("float32"))
    assert found["num_detections"].tolist() == expected["detected_num_detections"].tolist() == [10, 10]
    np.testing.assert_array_equal(found["classes"], expected["detected_classes"])
    np.testing.assert_allclose(found["confidence"], expected["detected_confidence"], atol=1e-5)
    np.testing.assert_allclose(found["boxes"], expected["detected_boxes"], atol=1e-3)


@pytest.mark.once
def test_settings(folder):
    model = YOLOV8Detector.from_preset(folder)
    assert (model.num_classes, model.bounding_box_format, model.fpn_depth, model.downsample_depth) == (5, "xywh", 1, 2)
    assert (model.class_channels, model.iou_threshold) == (16, 0.55)
    assert YOLOV8Detector.from_preset(folder, class_agnostic=False).class_agnostic is False
    backbone = YOLOV8Backbone.from_preset(folder)
    assert (backbone.stackwise_channels, backbone.stackwise_depth) == ([8, 16, 24, 32], [1, 2, 1, 1])
    assert backbone.include_rescaling


@pytest.mark.once
def test_another_depth(folder):
    edit(folder / "config.json", lambda d: d["config"].update(fpn_depth=2))
    with pytest.raises(PresetError, match=r"The weights do not fit YOLOV8Detector"):
        ObjectDetector.from_preset(folder)


def test_published_detector():
    """The first numbers that KerasCV's own test of `yolo_v8_m_pascalvoc` expects of an image of ones."""
    try:
        model = ObjectDetector.from_preset("yolo_v8_m_pascalvoc", bounding_box_format="xywh", preprocessor=None)
    except PresetError as error:
        if re.search("There is no preset|could not be had from any of its sources", str(error)) is None:
            raise
        pytest.skip(f"needs the published weights: {error}")
    raw = model(np.ones((1, 512, 512, 3), "float32"), training=False)
    first = keras.ops.convert_to_numpy(raw["boxes"][0, :5, 0])
    np.testing.assert_allclose(first, [-0.830356, 0.752131, 1.809205, 1.657676, 1.413475], atol=1e-5, rtol=1e-5)
    classes = keras.ops.convert_to_numpy(keras.ops.sigmoid(raw["classes"]))[0, :5, 0]
    expected = [7.6146556e-08, 8.0103280e-07, 9.7873999e-07, 2.2314548e-06, 2.5051115e-06]
    np.testing.assert_allclose(classes, expected, rtol=1e-3)
