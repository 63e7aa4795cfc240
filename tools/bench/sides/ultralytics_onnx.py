"""Ultralytics' own export of its YOLOv8 in ONNX Runtime: the forward pass with decoding, without suppression."""

import functools
from pathlib import Path

import onnxruntime

from sides import run_images


def load(folder, dtype, int8):
    return folder


def detect(folder, work):
    session = loaded(Path(folder, f"model-{work['rows'][0]}.onnx"))
    return run_images(lambda x: session.run(None, {"images": x}), work, channels_last=False)


@functools.lru_cache(maxsize=1)
def loaded(file):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
