"""Exported to ONNX, a classifier computes in ONNX Runtime what it computes here, in no more steps than it must."""

import collections

import keras
import numpy as np
import pytest

from keras_cv.models.resnet import FAMILY, ResNetBackbone, ResNetImageClassifier

BACKEND = keras.backend.backend()
EXPORTERS = {"tensorflow": "tf2onnx", "torch": "onnxscript", "jax": "tf2onnx"}  # JAX has TensorFlow write the file


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_exported_classifier(data_format, random, tmp_path):
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip(EXPORTERS[BACKEND])
    if EXPORTERS[BACKEND] == "tf2onnx" and data_format == "channels_first":
        pytest.skip("TensorFlow computes channels first on a GPU only, so there is nothing to compare with")
    classifier = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny | {"data_format": data_format}), num_classes=3)
    path, fused = tmp_path / "model.onnx", classifier.fuse()
    fused.export(path, format="onnx", verbose=False)
    images = random.normal(size=(2, 40, 48, 3)).astype("float32")
    images = images if data_format == "channels_last" else images.transpose(0, 3, 1, 2)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(classifier(images)), atol=1e-4)
    nodes = onnx.load(path).graph.node
    counts = collections.Counter(node.op_type for node in nodes)
    turns = [list(node.attribute[0].ints) for node in nodes if node.op_type == "Transpose"]
    assert ([0, 2, 1] in turns) == (data_format == "channels_last")  # of the images
    convolutions = [layer for layer in fused.backbone.layers if isinstance(layer, keras.layers.Conv2D)]
    assert counts["Conv"] == len(convolutions) and counts["BatchNormalization"] == 0
    assert counts["Pad"] == 0


@pytest.mark.once
def test_options_of_another_process(tmp_path):
    """Under JAX the file is written elsewhere, where what is no plain data cannot go."""
    pytest.importorskip("tf2onnx")
    classifier = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), num_classes=3)
    with pytest.raises(ValueError, match="so options must be numbers, strings and the like"):
        classifier.export(tmp_path / "x.onnx", format="onnx", input_signature=[keras.InputSpec(shape=(1, 32, 32, 3))])
    with pytest.raises(ValueError, match=r"The export to onnx, in a process under tensorflow, failed: .*opset"):
        classifier.export(tmp_path / "x.onnx", format="onnx", opset_version=-3)
    assert not list(tmp_path.iterdir())
