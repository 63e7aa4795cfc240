"""KerasCV's classes and arguments of ResNets: the same networks, by other names."""

import json

import keras
import numpy as np
import pytest
from resnet_golden import copied, golden, images

from keras_cv import models
from keras_cv.models import (
    Backbone,
    ImageClassifier,
    ResNet18Backbone,
    ResNet18V2Backbone,
    ResNet50Backbone,
    ResNetBackbone,
    ResNetImageClassifier,
    ResNetV2Backbone,
)
from keras_cv.models.resnet import FAMILY
from keras_zoo import PresetError, list_presets

SMALL = {"stackwise_filters": [4, 8], "stackwise_blocks": [1, 2], "stackwise_strides": [1, 2]}
OURS = {**FAMILY.tiny, "input_conv_filters": [8]}


@pytest.mark.parametrize("case", ["resnet_basic", "resnet_v2_basic"])
def test_constructors_compute_what_kerascv_computes(tmp_path, case):
    """Built from the arguments that KerasCV wrote, with the weights that it wrote."""
    folder = copied(f"keras_cv/{case}", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    names = ("stackwise_filters", "stackwise_blocks", "stackwise_strides", "include_rescaling", "block_type")
    theirs = {name: config["config"][name] for name in names}
    cls = getattr(models, config["class_name"])
    backbone = cls(**theirs, input_shape=tuple(config["config"]["input_shape"]))
    loaded = Backbone.from_preset(folder)
    own, expected = ({**x.get_config(), "name": None} for x in (backbone, loaded))
    assert own == expected
    backbone.set_weights(loaded.get_weights())
    features = backbone.predict(images(f"keras_cv/{case}", backbone), verbose=0)
    np.testing.assert_allclose(features, golden(f"keras_cv/{case}")["features"], atol=1e-4)


@pytest.mark.once
def test_arguments():
    backbone = ResNetBackbone(**SMALL, include_rescaling=True, input_shape=(32, 32, 3), name="mine", dtype="bfloat16")
    assert (backbone.padding, backbone.strided_conv, backbone.epsilon) == ("same", 1, 1.001e-5)
    assert backbone.image_shape == (32, 32, 3) and backbone.include_rescaling and backbone.name == "mine"
    assert backbone.block_type == "bottleneck_block" and backbone.dtype_policy.name == "bfloat16"
    v2 = ResNetV2Backbone(**SMALL, include_rescaling=False, stackwise_dilations=[1, 1], input_tensor=None)
    assert v2.use_pre_activation and v2.use_bias and v2.strided_block == "last" and isinstance(v2, ResNetBackbone)
    assert ResNetBackbone(**OURS, input_shape=(32, 32, 3)).image_shape == (32, 32, 3)


@pytest.mark.once
def test_pyramid_level_inputs():
    for backbone in (
        ResNetV2Backbone(**SMALL, include_rescaling=False),
        models.YOLOV8Backbone([16, 16, 32, 32], [1, 1, 1, 1]),
    ):
        assert list(backbone.pyramid_level_inputs) == list(backbone.pyramid_outputs)
        for level, name in backbone.pyramid_level_inputs.items():
            assert backbone.get_layer(name).output is backbone.pyramid_outputs[level]


@pytest.mark.once
def test_sizes(monkeypatch):
    """Architectures have KerasCV's numbers of parameters, and the arguments that one gives."""
    backbone = ResNet18Backbone()
    assert backbone.count_params() == 11_186_112 and backbone.include_rescaling
    v2 = ResNet18V2Backbone(include_rescaling=False, input_shape=(64, 64, 3))
    assert v2.count_params() == 11_183_488 and not v2.include_rescaling and v2.image_shape == (64, 64, 3)
    assert isinstance(v2, ResNetV2Backbone)
    depths = {"18": 8, "34": 16, "50": 16, "101": 33, "152": 50}
    for size, count in depths.items():
        for version in ("", "V2"):
            cls = getattr(models, f"ResNet{size}{version}Backbone")
            assert sum(cls.given["stackwise_num_blocks"]) == count and cls.__name__ in models.__all__
            assert cls.given["use_pre_activation"] == bool(version)


@pytest.mark.once
def test_from_preset():
    small = {"load_weights": False, "stackwise_num_filters": [4, 8, 8, 8]}
    assert type(ResNetV2Backbone.from_preset("resnet50_v2_imagenet", **small)) is ResNetV2Backbone
    backbone = ResNet50Backbone.from_preset("resnet50_imagenet", **small)
    assert backbone.stackwise_num_filters == [4, 8, 8, 8] and not backbone.include_rescaling
    with pytest.raises(PresetError, match="ResNetV2Backbone is a ResNetBackbone with use_pre_activation=True; got"):
        ResNetV2Backbone.from_preset("resnet50_imagenet", **small)
    with pytest.raises(PresetError, match=r"ResNet18Backbone is .* got stackwise_num_blocks=\[3, 4, 6, 3\]"):
        ResNet18Backbone.from_preset("resnet50_imagenet", **small)


@pytest.mark.once
def test_saved(tmp_path):
    """In presets as the family's backbone, in `.keras` files as what it is."""
    images_given = np.random.default_rng(0).random((1, 32, 32, 3)).astype("float32")
    backbone = ResNetV2Backbone(**SMALL, include_rescaling=False)
    expected = backbone.predict(images_given, verbose=0)
    task = ImageClassifier(backbone, num_classes=3)
    task.save_to_preset(tmp_path / "task")
    again = ImageClassifier.from_preset(tmp_path / "task")
    assert type(again) is ResNetImageClassifier and type(again.backbone) is ResNetBackbone
    np.testing.assert_array_equal(again.backbone.predict(images_given, verbose=0), expected)
    backbone.save(tmp_path / "backbone.keras")
    again = keras.saving.load_model(tmp_path / "backbone.keras")
    assert type(again) is ResNetV2Backbone
    np.testing.assert_array_equal(again.predict(images_given, verbose=0), expected)
    np.testing.assert_allclose(backbone.fuse().predict(images_given, verbose=0), expected, atol=1e-4)


@pytest.mark.once
def test_presets_of_a_class():
    names = set(list_presets(family="resnet"))
    assert set(ResNetBackbone.presets) == set(ImageClassifier.presets) == set(ResNetImageClassifier.presets) == names
    assert "resnet50_v2_imagenet" in ResNetV2Backbone.presets and "resnet50_imagenet" not in ResNetV2Backbone.presets
    assert "resnet50_imagenet" in ResNet50Backbone.presets and "resnet_18_imagenet" not in ResNet50Backbone.presets
    assert set(models.ObjectDetector.presets) == set(list_presets(family="yolo_v8"))
    assert names < set(Backbone.presets) and "gpt2_base_en" in Backbone.presets
    assert ResNetBackbone.presets["resnet_18_imagenet"]["parameters"] == 11_186_112


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"stackwise_filters": [4]},
            "together; stackwise_blocks, stackwise_strides missing",
        ),
        ({**SMALL, "stackwise_dilations": [1, 2]}, r"does not express: stackwise_dilations=\[1, 2\]"),
        ({**SMALL, "input_tensor": 3}, "does not express: input_tensor=3"),
        ({**SMALL, "block_type": "wide"}, "block_type must be one of"),
        ({**SMALL, "stackwise_blocks": [1]}, "must be lists of one length"),
        (OURS, "ResNetV2Backbone is a ResNetBackbone with use_pre_activation=True; got use_pre_activation=None"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNetV2Backbone(**arguments)
