"""Published ResNets by name: what their records say, without a network."""

import numpy as np
import pytest
import timm

import keras_zoo
from keras_cv.models import Backbone, ImageClassifier, ResNetImageClassifierPreprocessor
from keras_cv.models.resnet.torch_names import read_pretrained
from keras_zoo import PresetError

RECORDS = keras_zoo.list_presets(family="resnet", embedded=False)
pytestmark = pytest.mark.once


def parameters(config):
    """Counted by hand: kernels, and four numbers for each channel of a normalisation."""
    bottleneck, v2 = config["block_type"].startswith("bottleneck"), config.get("use_pre_activation", False)
    vd_basic = config["block_type"] == "basic_block_vd"
    biases = 1 if config.get("use_bias") else 0  # of what has no normalisation behind it
    total, width = 0, 3
    stem = list(zip(config["input_conv_filters"], config["input_conv_kernel_sizes"], strict=True))
    for i, (filters, size) in enumerate(stem):
        total += size * size * width * filters + (4 if not v2 or i + 1 < len(stem) else biases) * filters
        width = filters
    for i, (filters, depth) in enumerate(
        zip(config["stackwise_num_filters"], config["stackwise_num_blocks"], strict=True)
    ):
        out = 4 * filters if bottleneck else filters
        for j in range(depth):
            if j == 0 and (width != out or i > 0 or config.get("project_first", vd_basic)):
                total += width * out + (biases if v2 else 4) * out
            sizes = [(width, filters, 1), (filters, filters, 9), (filters, out, 1)]
            sizes = sizes if bottleneck else [(width, filters, 9), (filters, out, 9)]
            total += sum(inner * outer * area for inner, outer, area in sizes)
            total += 4 * sum([width, *(x[1] for x in sizes[:-1])] if v2 else [x[1] for x in sizes])
            total += biases * out if bottleneck else 0
            width = out
    return total + (4 * width if v2 else 0)


@pytest.mark.parametrize("name", RECORDS)
def test_parameter_counts(name):
    assert RECORDS[name]["parameters"] == parameters(RECORDS[name]["config"])


@pytest.mark.parametrize("name", ["resnet_18_imagenet", "resnet_v2_50_imagenet", "resnet18d.ra4_e3600_r224_in1k"])
def test_networks_without_weights(name):
    model = ImageClassifier.from_preset(name, load_weights=False, stackwise_num_blocks=[1, 1, 1, 1])
    assert model.num_classes == 1000 and model.preprocessor.image_size == (224, 224)
    assert Backbone.from_preset("resnet18_imagenet", load_weights=False).count_params() == 11_186_112


@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if "timm/" in str(record["sources"][:1])])
def test_preprocessing_is_timms(name):
    source = RECORDS[name]["sources"][0].removeprefix("hf://timm/")
    expected = read_pretrained(timm.get_pretrained_cfg(source).to_dict())
    found = ResNetImageClassifierPreprocessor(**RECORDS[name]["preprocessor"])
    for argument, value in expected.items():
        np.testing.assert_equal(
            np.round(getattr(found, argument), 8) if argument in ("scale", "offset") else getattr(found, argument),
            np.round(value, 8) if argument in ("scale", "offset") else tuple(value) if type(value) is list else value,
        )


def test_older_spellings():
    """KerasCV's names are the same networks here; their weights are those of today's names."""
    for alias, name in {
        "resnet50_imagenet": "resnet_50_imagenet",
        "resnet50_v2_imagenet": "resnet_v2_50_imagenet",
        "resnet50_v2_imagenet_classifier": "resnet_v2_50_imagenet",
        "resnet50.a1_in1k": "resnet_50_imagenet",
    }.items():
        assert RECORDS[alias] == RECORDS[name] | {"alias_of": name}


def test_weights_need_a_network():
    with pytest.raises(PresetError, match=r"'resnet_50_imagenet' could not be had from any of its sources"):
        ImageClassifier.from_preset("resnet_50_imagenet")
    with pytest.raises(PresetError, match=r"Did you mean .*'resnet_50_imagenet'"):
        ImageClassifier.from_preset("resnet_50_imagenets")
