"""This project's YOLOv8, exported with decoding and suppression inside, in ONNX Runtime."""

import tempfile
from pathlib import Path

import onnxruntime

from sides import ours_yolo, run_images


def load(folder, dtype, int8):
    detector = ours_yolo.load(folder, dtype, int8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        detector.export(path, format="onnx", image_size=(640, 640), verbose=False)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def detect(session, work):
    name = session.get_inputs()[0].name
    return run_images(lambda x: session.run(None, {name: x}), work)
