"""KerasCV's YOLOv8 with random weights, suppression included."""

import json
from pathlib import Path

import keras_cv
from sides import run_images

# The widths and depths of KerasCV's xs and m, which are Ultralytics' n and m, and the depth of the pyramid's blocks.
SIZES = {
    "yolov8n": ([32, 64, 128, 256], [1, 2, 2, 1], 1),
    "yolov8m": ([96, 192, 384, 576], [2, 4, 4, 2], 2),
}


def load(folder, dtype, int8):
    channels, depths, depth = SIZES[json.loads(Path(folder, "config.json").read_text())["model"]]
    backbone = keras_cv.models.YOLOV8Backbone(
        stackwise_channels=channels, stackwise_depth=depths, include_rescaling=True
    )
    return keras_cv.models.YOLOV8Detector(
        num_classes=80, bounding_box_format="xyxy", backbone=backbone, fpn_depth=depth
    )


def detect(detector, work):
    return run_images(lambda x: detector.predict(x, batch_size=len(x), verbose=0), work)
