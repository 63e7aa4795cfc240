"""YOLOv8 as KerasCV stores it."""

from keras_cv.models.resnet.keras_hub import leaves
from keras_zoo.formats.keras_cv import CVCheckpoint, CVClass
from keras_zoo.formats.keras_objects import Settings, variables

KINDS = {"conv": "conv2d", "bn": "batch_normalization"}
HEAD = "yolo_v8_head_"
DECODER = ("confidence_threshold", "iou_threshold", "max_detections")


def numbered(layers):
    """Convolutions and normalisations are numbered apart, in the order of the layers in the network."""
    counts, entries = dict.fromkeys(KINDS, 0), {}
    for layer in layers:
        kind = layer.name.rpartition("_")[2]
        if kind in KINDS:
            count, counts[kind] = counts[kind], counts[kind] + 1
            group = f"layers/{KINDS[kind]}_{count}" if count else f"layers/{KINDS[kind]}"
            entries[layer.name] = variables(group, *leaves(layer))
    return entries


def table(backbone):
    return numbered(layer for layer in backbone.layers if layer.weights)


def head_table(detector):
    """The head's layers stand as Keras sorts them, by their distance from the outputs.

    There classes have one more layer than boxes, the sigmoid, and so come before them.
    """
    own = [layer for layer in detector.layers if layer.name.startswith((HEAD, "pa_fpn_")) and layer.weights]
    pyramid = [layer for layer in own if not layer.name.startswith(HEAD)]
    return numbered([*pyramid, *sorted((layer for layer in own if layer not in pyramid), key=place_in_head)])


def place_in_head(layer):
    level, kind, number, _ = layer.name.removeprefix(HEAD).split("_")
    return number, kind == "box", level


def read_detector(config):
    """Thresholds are the decoder's there; the depth of half of the pyramid is fixed."""
    decoder = config.get("prediction_decoder") or {}
    thresholds = {name: decoder.get("config", {})[name] for name in DECODER if name in decoder.get("config", {})}
    filters = config["backbone"]["config"]["stackwise_channels"]
    widest = max(config["num_classes"], filters[1])
    agnostic = decoder.get("class_name", "NonMaxSuppression") == "NonMaxSuppression"
    return {"downsample_depth": 2, "class_channels": widest, "class_agnostic": agnostic} | thresholds | config


KERAS_CV = CVCheckpoint(
    classes={
        "YOLOV8Backbone": CVClass(
            "YOLOV8Backbone",
            Settings(
                ("stackwise_channels", "stackwise_depth", "include_rescaling", "activation"),
                renamed={"input_shape": "image_shape"},
                defaults={"activation": "swish"},
                only={"input_tensor": None},
            ),
            group="layers/functional",
        ),
        "YOLOV8Detector": CVClass(
            "YOLOV8Detector",
            Settings(
                (
                    "num_classes",
                    "bounding_box_format",
                    "fpn_depth",
                    "downsample_depth",
                    "class_channels",
                    "class_agnostic",
                    *DECODER,
                ),
                unread=("label_encoder", "prediction_decoder"),
                prepare=read_detector,
            ),
        ),
    },
    table=table,
    heads={"YOLOV8Detector": head_table},
)
