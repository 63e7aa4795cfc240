"""YOLOv8 (Jocher et al., Ultralytics, 2023; there is no paper), a detector without anchor boxes."""

import numpy as np

from keras_cv.models.yolo_v8.backbone import YOLOV8Backbone
from keras_cv.models.yolo_v8.detector import YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_cv.models.yolo_v8.keras_cv import KERAS_CV
from keras_cv.models.yolo_v8.torch_names import STATE_DICT
from keras_zoo.registry import Family, register


def image_batch(backbone, random, size):
    """`{"images"}`: `size` float32 images of 0-255, 64 pixels high and 32 wide."""
    return {"images": random.integers(0, 256, (size, 64, 32, 3)).astype(np.float32)}


FAMILY = register(
    Family(
        name="yolo_v8",
        backbone=YOLOV8Backbone,
        tasks=(YOLOV8Detector,),
        tiny={"stackwise_channels": [4, 6, 8, 10], "stackwise_depth": [1, 1, 1, 1]},
        tiny_tasks={"YOLOV8Detector": {"num_classes": 3, "bounding_box_format": "xywh", "fpn_depth": 1}},
        example=image_batch,
        tiny_preprocessors={"YOLOV8Detector": lambda: YOLOV8DetectorPreprocessor((64, 32))},
        keras_cv=KERAS_CV,
        state_dict=STATE_DICT,
    )
)
