"""Makes tests/golden/keras_cv/yolo_v8_detector with KerasCV itself, as `keras_cv_folders.py` does for classifiers.

    KERAS_BACKEND=tensorflow peers/bin/python tools/golden/keras_cv_detector.py

`yolo_v8_detector.npz` has the images, uint8, the raw `boxes` and `classes` of all points, where classes are
probabilities, and what KerasCV's decoder makes of them. Its non-max suppression compares boxes of all classes with each
other. As for Ultralytics, rounding cannot change which boxes are found.
"""

import sys

import keras
import numpy as np
from keras_cv.src.utils.preset_utils import save_to_preset
from keras_cv_folders import FOLDER, compress, scaled

import keras_cv
from keras_cv.layers import NonMaxSuppression
from keras_cv.models import YOLOV8Backbone, YOLOV8Detector

sys.path.insert(0, str(FOLDER.parent.parent / "cv"))
from ultralytics_weights import images

CASE = "yolo_v8_detector"
SIZE = (96, 64)
THRESHOLDS = {"confidence_threshold": 0.4, "iou_threshold": 0.55, "max_detections": 40}


def detector():
    backbone = YOLOV8Backbone([8, 16, 24, 32], [1, 2, 1, 1], include_rescaling=True, input_shape=(None, None, 3))
    decoder = NonMaxSuppression("xywh", from_logits=False, **THRESHOLDS)
    model = YOLOV8Detector(backbone, 5, "xywh", fpn_depth=1, prediction_decoder=decoder)
    return scaled(model, seed=6, levels=1)


def balanced(model, batch):
    """Logits of a few units, with biases such that each class is the likeliest somewhere."""
    for level in (1, 2, 3):
        for kind in ("box", "class"):
            layer = model.get_layer(f"yolo_v8_head_{level}_{kind}_3_conv")
            layer.kernel.assign(layer.kernel / 4)
        layer = model.get_layer(f"yolo_v8_head_{level}_class_3_conv")
        logits = keras.Model(model.inputs, layer.output)(batch, training=False)
        layer.bias.assign(layer.bias - np.mean(logits, (0, 1, 2)) - 1)
    return model


def main():
    batch = images()[:, : SIZE[0], : SIZE[1]]
    pixels = keras.ops.convert_to_tensor(batch.astype("float32"))
    model = balanced(detector(), pixels)
    save_to_preset(model, str(FOLDER / CASE))
    compress(FOLDER / CASE)
    raw = model(pixels, training=False)
    found = model.decode_predictions(raw, pixels)
    arrays = {"images": batch} | {name: np.array(raw[name]) for name in ("boxes", "classes")}
    arrays |= {f"detected_{name}": np.array(value) for name, value in found.items()}
    np.savez_compressed(FOLDER / f"{CASE}.npz", **arrays)
    best = arrays["classes"].max(-1)
    print("nearest to the threshold", np.abs(best - THRESHOLDS["confidence_threshold"]).min())
    print("candidates", (best > THRESHOLDS["confidence_threshold"]).sum(-1), "found", arrays["detected_num_detections"])
    print(arrays["boxes"].std(), arrays["detected_classes"])


if __name__ == "__main__":
    main()
    total = sum(path.stat().st_size for path in FOLDER.glob(f"{CASE}*") if path.is_file())
    print(f"{total:,} bytes by keras-cv {keras_cv.__version__} and keras {keras.__version__}")
