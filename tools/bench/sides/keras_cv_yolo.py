"""KerasCV's YOLOv8 with random weights, suppression included."""

import json
from pathlib import Path

import keras_cv
from sides import run_images

SIZES = {"yolov8n": ("yolo_v8_xs_backbone", 1), "yolov8m": ("yolo_v8_m_backbone", 2)}


def load(folder, dtype, int8):
    name, depth = SIZES[json.loads(Path(folder, "config.json").read_text())["model"]]
    backbone = keras_cv.models.YOLOV8Backbone.from_preset(name)
    return keras_cv.models.YOLOV8Detector(
        num_classes=80, bounding_box_format="xyxy", backbone=backbone, fpn_depth=depth
    )


def detect(detector, work):
    return run_images(lambda x: detector.predict(x, batch_size=len(x), verbose=0), work)
