"""This project's ResNet-50, fused and exported, in ONNX Runtime."""

import tempfile
from pathlib import Path

import onnxruntime

from keras_cv.models import ResNetBackbone, ResNetImageClassifier
from sides import RESNET_50, run_images


def load(folder, dtype, int8):
    network = RESNET_50 | {"image_shape": (224, 224, 3), "dtype": dtype}  # for one size, as torch exports it
    classifier = ResNetImageClassifier(ResNetBackbone(**network), num_classes=1000).fuse()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        classifier.export(path, format="onnx", verbose=False)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def predict_images(session, work):
    name = session.get_inputs()[0].name
    return run_images(lambda x: session.run(None, {name: x}), work)
