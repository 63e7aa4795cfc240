"""ResNets of torchvision, timm and transformers: the same outputs, from their own files."""

import json

import keras
import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch_resnets import compare, ours, pixels, randomised, theirs
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from keras_cv.models import Backbone, ImageClassifier, ResNetBackbone, ResNetImageClassifier
from keras_zoo import PresetError, Task

TIMM = ("resnet18", "resnet18d", "resnet50c", "resnet50d", "resnet14t", "resnetv2_18", "resnetv2_50d")


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision_files(name, tmp_path):
    module = randomised(getattr(torchvision.models, name)(num_classes=11))
    path = tmp_path / f"{name}.pth"
    torch.save(module.state_dict(), path)
    model = ImageClassifier.from_preset(path)
    assert type(model) is ResNetImageClassifier and model.num_classes == 11
    compare(model, module)
    expected = ours(model, pixels())
    features = Backbone.from_preset(str(path))
    with torch.inference_mode():
        wanted = torch.nn.Sequential(*list(module.children())[:-2])(torch.from_numpy(pixels().transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(ours(features, pixels()), wanted.permute(0, 2, 3, 1).numpy(), atol=1e-4)
    alone = tmp_path / "alone"  # the only state dict of a folder, as safetensors, and in torch's older format
    alone.mkdir()
    save_file(module.state_dict(), alone / "weights.safetensors")
    np.testing.assert_array_equal(ours(Task.from_preset(alone), pixels()), expected)
    if name == "resnet18":
        wrapped = {"state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}}
        torch.save(wrapped, path, _use_new_zipfile_serialization=False)
        np.testing.assert_array_equal(ours(Task.from_preset(path), pixels()), expected)


def timm_folder(folder, module, name, **config):
    folder.mkdir()
    save_file(module.state_dict(), folder / "model.safetensors")
    cfg = {k: v for k, v in module.pretrained_cfg.items() if k not in ("url", "hf_hub_id")}
    (folder / "config.json").write_text(
        json.dumps({"architecture": name, "num_classes": module.num_classes, "pretrained_cfg": cfg} | config)
    )
    return folder


@pytest.mark.parametrize("name", TIMM)
def test_timm_folders(name, tmp_path):
    module = randomised(timm.create_model(name, num_classes=7))
    folder = timm_folder(tmp_path / name, module, name)
    model = Task.from_preset(folder)
    compare(model, module)
    assert model.num_classes == 7 and model.preprocessor.image_size == tuple(module.pretrained_cfg["input_size"][1:])


def test_timm_heads(tmp_path):
    """Maximum pooling, names of classes, no head at all."""
    module = randomised(timm.create_model("resnet10t", num_classes=3, global_pool="max"))
    options = {"global_pool": "max", "label_names": ["a", "b", "c"], "label_descriptions": {"c": "sea"}}
    model = Task.from_preset(timm_folder(tmp_path / "max", module, "resnet10t.x_in1k", **options))
    compare(model, module)
    assert model.pooling == "max" and model.class_names == ["a", "b", "sea"]
    bare = randomised(timm.create_model("resnet10t", num_classes=0))
    folder = timm_folder(tmp_path / "bare", bare, "resnet10t")
    features = ours(Backbone.from_preset(folder), pixels())
    np.testing.assert_allclose(features.mean((1, 2)), theirs(bare, pixels()), atol=1e-4)
    assert Task.from_preset(folder, num_classes=4).num_classes == 4


@pytest.mark.parametrize(
    "options",
    [
        {"layer_type": "basic", "hidden_sizes": [8, 12, 16, 20], "embedding_size": 8},
        {"layer_type": "bottleneck", "hidden_sizes": [16, 24, 32], "embedding_size": 16, "depths": [2, 1, 2]},
        {"hidden_sizes": [32, 64], "depths": [1, 2], "downsample_in_bottleneck": True},
        {"hidden_sizes": [32, 64], "depths": [1, 2], "downsample_in_first_stage": True},
    ],
)
def test_transformers_folders(options, tmp_path):
    labels = {0: "crane", 1: "tench", 2: "crane"}
    config = ResNetConfig(**{"depths": [1, 2, 1, 1], "embedding_size": 8} | options, id2label=labels)
    module = randomised(ResNetForImageClassification(config))
    module.save_pretrained(tmp_path / "theirs")
    model = Task.from_preset(tmp_path / "theirs")
    assert type(model) is ResNetImageClassifier and model.class_names == ["crane", "tench", "crane (2)"]
    compare(model, module)
    model.save_to_preset(tmp_path / "ours", format="transformers")
    again, info = ResNetForImageClassification.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    compare(model, again.eval())
    assert again.config.id2label[2] == "crane (2)" and again.config.problem_type == "single_label_classification"
    module.resnet.save_pretrained(tmp_path / "bare")
    compare(Backbone.from_preset(tmp_path / "bare"), module.resnet)
    model.backbone.save_to_preset(tmp_path / "bare_ours", format="transformers")
    compare(model.backbone, ResNetModel.from_pretrained(tmp_path / "bare_ours").eval())


def test_default_configuration_of_transformers(tmp_path):
    """A config.json that leaves out what has its default is a ResNet-50."""
    module = randomised(ResNetForImageClassification(ResNetConfig()))
    module.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    kept = {"model_type": "resnet", "architectures": ["ResNetForImageClassification"]}
    path.write_text(json.dumps(kept))
    model = Task.from_preset(tmp_path)
    assert model.backbone.count_params() == 23_561_152 and model.num_classes == 2
    compare(model, module)


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "seresnet50"}, "timm's 'seresnet50', which no network here expresses"),
        ({"architecture": "resnet50_gn"}, "timm's 'resnet50_gn'"),
        ({"architecture": "resnetv2_50x1_bit"}, "timm's 'resnetv2_50x1_bit'"),
        ({"global_pool": "catavgmax"}, r"global_pool is one of \('avg', 'max'\), got 'catavgmax'"),
        ({"model_args": {"output_stride": 16}}, "made with arguments that are not expressed here: output_stride"),
        ({"pretrained_cfg": {"crop_mode": "border"}}, "crop_mode='border'; known are"),
        ({"pretrained_cfg": {"interpolation": "box"}}, "interpolation='box'"),
        ({"pretrained_cfg": {"crop_pct": "x"}}, "holds values of a wrong type: .*TypeError"),
        ({"pretrained_cfg": {"std": [0, 1, 1]}}, "std must be above 0"),
    ],
)
def test_timm_refused(settings, message, tmp_path):
    folder = timm_folder(tmp_path / "timm", timm.create_model("resnet10t", num_classes=2), "resnet10t", **settings)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


class Anything:
    pass


@pytest.mark.once
def test_files_that_are_no_state_dict(tmp_path):
    path = tmp_path / "model.pth"
    torch.save(Anything(), path)
    with pytest.raises(PresetError, match=r"model\.pth is refused: .* names test_resnet_parity\.Anything"):
        Task.from_preset(path)
    torch.save(torchvision.models.resnet18(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(PresetError, match=r"is no state dict, .*Save module\.state_dict\(\), or use safetensors"):
        Task.from_preset(path)
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(PresetError, match="cannot be read as a torch file"):
        Task.from_preset(path)
    torch.save({"epoch": 3, "weights": [1.0]}, path)
    with pytest.raises(PresetError, match=r"is no state dict, .* it has \['epoch', 'weights'\]"):
        Task.from_preset(path)
    torch.save({"embed.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(PresetError, match=r"of no network that is known here; it starts with \['embed\.weight'\]"):
        Task.from_preset(path)
    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(
        PresetError, match=r"is a file; a preset is a folder, an archive \(.*\), or a state dict \(\.pth"
    ):
        Task.from_preset(tmp_path / "picture.png")


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnext50_32x4d", r"has the shape \(128, 4, 3, 3\) .*grouped"),
        ("wide_resnet50_2", r"shape .* does not widen|conv3.weight does not widen 128 channels by 4"),
    ],
)
def test_other_networks_of_torchvision(name, message, tmp_path):
    torch.save(getattr(torchvision.models, name)().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(PresetError, match=message):
        Task.from_preset(tmp_path / "weights.pth")


@pytest.mark.once
def test_parts_and_tensors_that_are_not_here(tmp_path):
    state = timm.create_model("seresnet18").state_dict()
    torch.save(state, tmp_path / "se.pth")
    with pytest.raises(PresetError, match="parts that ResNetBackbone has not: se"):
        Task.from_preset(tmp_path / "se.pth")
    state = torchvision.models.resnet18(num_classes=3).state_dict()
    del state["layer2.1.bn1.running_var"]
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "r.pth")
    with pytest.raises(PresetError, match=r"missing from the file:\s+layer2\.1\.bn1\.running_var\s.*\s+extra"):
        Task.from_preset(tmp_path / "r.pth")


@pytest.mark.once
def test_heads_of_files(tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), path)
    with pytest.raises(PresetError, match=r"made for num_classes=3; got num_classes=5\. For a new head"):
        Task.from_preset(path, num_classes=5)
    with pytest.raises(PresetError, match="class_names must be 3 different names"):
        Task.from_preset(path, class_names=["a", "b", "b"])
    assert Task.from_preset(path, class_names=["a", "b", "c"]).class_names == ["a", "b", "c"]
    model = ResNetImageClassifier(ResNetBackbone.from_preset(path), 5)
    assert model.output_shape == (None, 5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_act": "gelu"}, "hidden_act 'relu'; got 'basic' and 'gelu'"),
        ({"layer_type": "other"}, "layer_type basic or bottleneck .*got 'other'"),
        ({"layer_type": "bottleneck", "hidden_sizes": [6, 8]}, r"multiples of 4; got \[6, 8\]"),
        ({"embedding_size": "x"}, "embedding_size in config.json must be a whole number"),
        ({"depths": 3}, "wrong type"),
        ({"problem_type": "ranking"}, "problem_type is one of .*got 'ranking'"),
    ],
)
def test_transformers_refused(config, message, tmp_path):
    own = {"layer_type": "basic", "hidden_sizes": [8, 8], "depths": [1, 1], "embedding_size": 8}
    ResNetForImageClassification(ResNetConfig(**own)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    with pytest.raises(PresetError, match=message):
        Task.from_preset(tmp_path)


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_pre_activation": True}, "use_pre_activation=True"),
        ({"block_type": "bottleneck_block_vd"}, "block_type='bottleneck_block_vd'"),
        ({"padding": "same", "epsilon": 1.001e-5}, "padding='same', epsilon="),
        ({"stackwise_num_strides": [1, 1]}, r"stackwise_num_strides=\[1, 1\]"),
        ({"input_conv_filters": [16], "stackwise_num_filters": [4, 4]}, "project_first=True"),
        ({"fused": True}, "fused=True"),
    ],
)
def test_what_transformers_cannot_express(settings, message, tmp_path):
    settings = {
        "input_conv_filters": [8],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [4, 8],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
        "block_type": "bottleneck_block",
    } | settings
    with pytest.raises(PresetError, match=f"transformers' ResNet cannot express .*{message}"):
        ResNetBackbone(**settings).save_to_preset(tmp_path / "preset", format="transformers")
    assert not (tmp_path / "preset").exists()


def test_channels_first_and_dtypes(tmp_path):
    module = randomised(torchvision.models.resnet18(num_classes=5))
    torch.save(module.state_dict(), tmp_path / "r.pth")
    model = Task.from_preset(tmp_path / "r.pth", data_format="channels_first")
    expected = theirs(module, pixels())
    found = ours(model, pixels().transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-4 * abs(expected).max())
    half = ResNetBackbone.from_preset(tmp_path / "r.pth", dtype="bfloat16")
    assert keras.backend.standardize_dtype(half(pixels()).dtype) == "bfloat16"
