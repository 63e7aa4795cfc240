"""KerasCV's YOLOv8 presets by name: what their records say, without a network."""

import numpy as np
import pytest

import keras_zoo
from keras_cv.models import Backbone, ObjectDetector, YOLOV8Backbone, YOLOV8Detector
from keras_zoo import PresetError

RECORDS = keras_zoo.list_presets(family="yolo_v8", embedded=False)
pytestmark = pytest.mark.once


def test_names():
    sizes = ("xs", "s", "m", "l", "xl")
    backbones = {f"yolo_v8_{size}_backbone{end}" for size in sizes for end in ("", "_coco")}
    assert set(RECORDS) == backbones | {"yolo_v8_m_pascalvoc"}


@pytest.mark.parametrize("name", ["yolo_v8_xs_backbone", "yolo_v8_s_backbone_coco", "yolo_v8_l_backbone"])
def test_parameters(name):
    backbone = Backbone.from_preset(name, load_weights=False)
    assert type(backbone) is YOLOV8Backbone and backbone.count_params() == RECORDS[name]["parameters"]


def test_detector_of_pascal_voc():
    detector = ObjectDetector.from_preset("yolo_v8_m_pascalvoc", bounding_box_format="rel_yxyx", load_weights=False)
    assert detector.count_params() == RECORDS["yolo_v8_m_pascalvoc"]["parameters"]
    assert detector.class_names[14] == "Person" and detector.bounding_box_format == "rel_yxyx"
    assert detector.preprocessor.image_size == (640, 640) and detector.class_agnostic


def test_an_architecture_has_random_weights():
    """As in KerasCV, a name without weights gives a network, and a detector on it a new head."""
    options = {"bounding_box_format": "xywh", "fpn_depth": 1, "preprocessor": None}
    detector = YOLOV8Detector.from_preset("yolo_v8_xs_backbone", num_classes=2, **options)
    assert detector(np.zeros((1, 32, 32, 3), "float32"))["classes"].shape == (1, 21, 2)


def test_weights_that_cannot_be_had():
    with pytest.raises(PresetError, match=r"could not be had from any of its sources(.|\n)*kaggle"):
        YOLOV8Detector.from_preset("yolo_v8_xs_backbone_coco", num_classes=2)
