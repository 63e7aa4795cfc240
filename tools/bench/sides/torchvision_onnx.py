"""torchvision's ResNet-50, exported by torch, in ONNX Runtime."""

import tempfile
from pathlib import Path

import onnxruntime
import torch

from sides import run_images


def load(folder, dtype, int8):
    import torchvision

    model, image = torchvision.models.resnet50().eval(), torch.zeros(1, 3, 224, 224)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        axes = {"images": {0: "batch"}}
        torch.onnx.export(model, image, path, input_names=["images"], dynamic_axes=axes, dynamo=False)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def predict_images(session, work):
    return run_images(lambda x: session.run(None, {"images": x}), work, channels_last=False)
