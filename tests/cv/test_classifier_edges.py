"""Classifiers and detectors at the edges: no images, one image, no preprocessor, adapters, the names of ImageNet."""

import keras
import numpy as np
import pytest

from keras_cv.models import (
    ImageClassifier,
    ResNetBackbone,
    ResNetImageClassifier,
    ResNetImageClassifierPreprocessor,
    YOLOV8Backbone,
    YOLOV8Detector,
)
from keras_cv.models.resnet import FAMILY
from keras_zoo import list_presets, lora
from keras_zoo.labels import numbers_of


def classifier(preprocessor=None):
    keras.utils.set_random_seed(0)
    return ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), 3, preprocessor)


@pytest.mark.parametrize("prepares", [True, False])
def test_no_images(prepares):
    model = classifier(ResNetImageClassifierPreprocessor((32, 32)) if prepares else None)
    for nothing in ([], (), np.zeros((0, 32, 32, 3), "uint8"), keras.ops.zeros((0, 32, 32, 3))):
        found = model.predict(nothing)
        assert found.shape == (0, 3) and found.dtype == "float32"
        assert model.predict(nothing, return_classes=True) == model.top_k(nothing) == []


@pytest.mark.once
def test_no_images_for_a_detector():
    backbone = YOLOV8Backbone([16, 16, 32, 32], [1, 1, 1, 1])
    model = YOLOV8Detector(backbone, num_classes=2, bounding_box_format="xywh", preprocessor=None, fpn_depth=1)
    for nothing in ([], np.zeros((0, 64, 64, 3), "float32")):
        found = model.predict(nothing, max_detections=7)
        shapes = {name: (x.shape, x.dtype.name) for name, x in found.items()}
        assert shapes == {
            "boxes": ((0, 7, 4), "float32"),
            "confidence": ((0, 7), "float32"),
            "classes": ((0, 7), "int32"),
            "num_detections": ((0,), "int32"),
        }
    one = model.predict(np.zeros((64, 64, 3), "float32"))
    assert {name: x.dtype.name for name, x in one.items()} == {name: dtype for name, (_, dtype) in shapes.items()}
    assert one["boxes"].shape[0] == 1


def test_without_a_preprocessor():
    """One image, a list of images and tensors give what a batch gives."""
    model = classifier()
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    expected = model.predict(images)
    np.testing.assert_allclose(model.predict(images[1]), expected[1:], atol=1e-5)
    np.testing.assert_allclose(model.predict(keras.ops.convert_to_tensor(images[0])), expected[:1], atol=1e-5)
    np.testing.assert_allclose(model.predict(list(images)), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict([keras.ops.convert_to_tensor(x) for x in images]), expected, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 32, 32, 4)), r"takes images \(B, None, None, 3\) as numbers.* shape \(2, 32, 32, 4\) of float64"),
        (np.zeros((32, 32)), r"got shape \(32, 32\)"),
        ([np.zeros((32, 32, 3)), np.zeros((16, 16, 3))], "got none, or some of different sizes"),
        (["shoe.png"], r"got shape \(1,\) of <U8\. Give it a preprocessor"),
        ("shoe.png", "Without a preprocessor ResNetImageClassifier takes images"),
    ],
)
def test_refused_without_a_preprocessor(x, message):
    with pytest.raises(ValueError, match=message):
        classifier().predict(x)


def test_adapters():
    """All convolutions by default; a step moves the adapters and the head, and nothing else, statistics included."""
    model = classifier()
    images = np.random.default_rng(0).random((4, 32, 32, 3)).astype("float32")
    before = model.predict(images)
    model.backbone.enable_lora(rank=2)
    model.compile(keras.optimizers.Adam(0.01))
    assert len(lora.adapters(model.backbone)) == sum(layer.name.endswith("_conv") for layer in model.backbone.layers)
    np.testing.assert_allclose(model.predict(images), before, atol=1e-5)
    values = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    model.fit(images, np.array([0, 1, 2, 0]), epochs=2, verbose=0)
    moved = {path for path, x in values.items() if not np.array_equal(x, weight_of(model, path))}
    assert {path.rpartition("/")[2] for path in moved} == {"lora_kernel_a", "lora_kernel_b", "kernel", "bias"}
    assert {path for path in moved if "lora" not in path} == {"predictions/kernel", "predictions/bias"}
    adapted = model.predict(images)
    model.backbone.merge_lora_weights()
    np.testing.assert_allclose(model.predict(images), adapted, atol=1e-4)


def weight_of(model, path):
    return next(keras.ops.convert_to_numpy(weight) for weight in model.weights if weight.path == path)


@pytest.mark.once
def test_names_of_imagenet():
    records = list_presets(family="resnet", embedded=False)
    for name, record in records.items():
        assert ("imagenet" if record.get("task") else None) == record.get("classes"), name
    model = ImageClassifier.from_preset(
        "resnet_18_imagenet", load_weights=False, stackwise_num_filters=[4] * 4, preprocessor=None
    )
    names = model.class_names
    assert len(set(names)) == 1000
    known = {0: "tench", 134: "crane bird", 207: "golden retriever", 281: "tabby", 517: "crane", 999: "toilet tissue"}
    assert {i: names[i] for i in known} == known
    image = np.zeros((1, 32, 32, 3), "float32")
    best = model.top_k(image, 2)[0]
    assert best[0]["class_name"] == names[int(model.predict(image).argmax())] != best[1]["class_name"]
    assert set(model.predict(image, return_classes=True)[0]["probabilities"]) == set(names)
    few = ImageClassifier.from_preset(
        "resnet_18_imagenet", load_weights=False, stackwise_num_filters=[4] * 4, num_classes=7
    )
    assert few.class_names is None and few.num_classes == 7
    with pytest.raises(ValueError, match=r"Unknown class names \['shoe'\]; the task has \['tench', .* and 980 more"):
        numbers_of(["shoe"], names)


@pytest.mark.once
def test_names_agree_with_timm():
    """Class by class one of WordNet's names for the class, but for the two that torchvision writes otherwise."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    names = ImageClassifier.from_preset(
        "resnet50_imagenet", load_weights=False, stackwise_num_filters=[4] * 4, stackwise_num_blocks=[1] * 4
    ).class_names
    lemmas = [info.index_to_description(i).lower().split(", ") for i in range(1000)]
    differ = [i for i, name in enumerate(names) if name.lower() not in lemmas[i]]
    assert differ == [134, 639]


def test_keras_cvs_architectures_by_name():
    """No weights are published for them: they are random."""
    small = {"stackwise_num_filters": [4, 4, 8, 8], "stackwise_num_blocks": [1, 1, 1, 1]}
    v1, v2 = (ResNetBackbone.from_preset(name, **small) for name in ("resnet50", "resnet152_v2"))
    assert (v1.padding, v1.strided_conv, v1.include_rescaling) == ("same", 1, True)
    assert v2.use_pre_activation and v2.use_bias and v2.strided_block == "last"
    assert v1.predict(np.zeros((1, 32, 32, 3)), verbose=0).shape == (1, 1, 1, 32)
