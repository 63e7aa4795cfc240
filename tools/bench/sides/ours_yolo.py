"""This project's YOLOv8, on the backend that KERAS_BACKEND names, from Ultralytics' file; suppression included."""

from pathlib import Path

import keras
import numpy as np

from keras_cv.models import YOLOV8Detector
from sides import run_images
from sides.ours import forget  # noqa: F401  called by the worker

FOUND = 300  # boxes of an image above the threshold, about as many as an ordinary picture has


def load(folder, dtype, int8):
    file = Path(folder, "model.pt")
    detector = YOLOV8Detector.from_preset(str(file), preprocessor=None, bounding_box_format="xyxy").fuse()
    image = np.random.default_rng(0).random((1, 640, 640, 3), "float32")
    scores = keras.ops.convert_to_numpy(detector.decode(detector(image), image)["classes"])[0].max(-1)
    detector.confidence_threshold = float(np.sort(scores)[-FOUND])
    return detector


def detect(detector, work):
    return run_images(lambda x: detector.predict(x, batch_size=len(x), verbose=0), work)
