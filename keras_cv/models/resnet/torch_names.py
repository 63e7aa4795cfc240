"""ResNet as torchvision and timm store it: a state dict, whose names and shapes say what the network is.

v1        conv1, bn1, layer{1..4}.{j}.conv{1..3}, bn{1..3}, downsample.{0, 1}, fc
C and D   conv1.{0, 3, 6} and conv1.{1, 4} in place of conv1; with D downsample.{1, 2}, since 0 is the pool
v2        timm's: stem.conv or stem.conv{1..3}, stages.{i}.blocks.{j}.norm{1..3}, conv{1..3}, downsample.conv,
          norm, head.fc, which is a 1x1 convolution
"""

import math
import re
from collections import Counter

from keras_cv.layers.image_converter import from_mean_and_std
from keras_cv.models.resnet.blocks import EXPANSION
from keras_cv.tasks.image_processor import IMAGENET
from keras_zoo import weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.state_dict import StateDict

# timm's names of what the tensors show in full; others have parts that they do not show, or that are not here.
ARCHITECTURES = r"(tv_)?resnet(10|14|18|26|34|50|101|152|200)[cdst]?|resnetv2_(18|34|50|101|152)[dt]?"
POOLINGS = ("avg", "max")
INTERPOLATIONS = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "lanczos3"}
MOST_STAGES = 16
DEEP_STEM = {"conv1_conv": "0", "conv1_bn": "1", "conv2_conv": "3", "conv2_bn": "4", "conv3_conv": "6"}


def fits(tensors):
    return "layer1.0.conv1.weight" in tensors or "stages.0.blocks.0.conv1.weight" in tensors


def read_config(tensors):
    """The backbone's arguments."""
    v2 = "stages.0.blocks.0.conv1.weight" in tensors
    stem = {name: shape(tensors, name) for name in tensors if name.startswith("stem.conv" if v2 else "conv1.")}
    stem = [size for name, size in sorted(stem.items()) if name.endswith("weight") and len(size) == 4]
    depths = depths_of(tensors, v2)
    firsts = [block_name(v2, i, 0) for i in range(len(depths))]
    bottleneck = f"{firsts[0]}.conv3.weight" in tensors
    widths = [shape(tensors, f"{first}.conv1.weight")[0] for first in firsts]
    pooled = len(stem) > 1 if v2 else any(f"{first}.downsample.2.weight" in tensors for first in firsts)
    check(tensors, firsts, widths, bottleneck, stem)
    return {
        "input_conv_filters": [size[0] for size in stem],
        "input_conv_kernel_sizes": [size[-1] for size in stem],
        "stackwise_num_filters": widths,
        "stackwise_num_blocks": depths,
        "stackwise_num_strides": [1] + [2] * (len(depths) - 1),
        "block_type": ("bottleneck_block" if bottleneck else "basic_block") + ("_vd" if pooled else ""),
        "use_pre_activation": v2,
        "image_shape": (None, None, stem[0][1]),
        "project_first": False,
    }


def check(tensors, firsts, widths, bottleneck, stem):
    """`PresetError` where tensors show what the backbone does not have."""
    if not stem:
        raise PresetError("The state dict has no first convolution, conv1.weight or stem.conv.weight.")
    for first, width in zip(firsts, widths, strict=True):
        kernel = shape(tensors, f"{first}.conv2.weight")
        if kernel != (width, width, 3, 3):
            raise PresetError(
                f"{first}.conv2.weight has the shape {kernel} where ResNet has {(width, width, 3, 3)}: grouped "
                "convolutions (ResNeXt) and wider bottlenecks (wide ResNet) are not expressed by ResNetBackbone."
            )
        if bottleneck and shape(tensors, f"{first}.conv3.weight")[0] != EXPANSION * width:
            raise PresetError(f"{first}.conv3.weight does not widen {width} channels by {EXPANSION}.")
    own = ("conv", "bn", "norm", "downsample")
    parts = {
        name.removeprefix(f"{first}.").split(".")[0] for first in firsts for name in tensors if within(name, first)
    }
    if foreign := sorted(part for part in parts if not part.startswith(own)):
        raise PresetError(f"The blocks of the state dict have parts that ResNetBackbone has not: {', '.join(foreign)}.")


def within(name, block):
    return name.startswith(f"{block}.")


def shape(tensors, name):
    if name not in tensors:
        raise PresetError(f"The state dict has no {name}.")
    return tuple(tensors[name].shape)


def depths_of(tensors, v2):
    """The number of blocks in each stage."""
    pattern = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\." if v2 else r"layer(\d+)\.(\d+)\.")
    blocks = {match.groups() for match in map(pattern.match, tensors) if match}
    counts = Counter(int(stage) for stage, _ in blocks)
    if len(counts) > MOST_STAGES:
        raise PresetError(f"The state dict has {len(counts)} stages; a ResNet has 4, and up to {MOST_STAGES} are read.")
    return [counts[stage] for stage in sorted(counts)]


def block_name(v2, stage, block):
    return f"stages.{stage}.blocks.{block}" if v2 else f"layer{stage + 1}.{block}"


def table(backbone):
    v2, deep = backbone.use_pre_activation, len(backbone.input_conv_filters) > 1
    pooled = backbone.block_type.endswith("_vd")
    names = {}
    for layer in backbone.layers:
        if not layer.weights:
            continue
        stack, _, rest = layer.name.partition("_block")
        kind = layer.name.rpartition("_")[2]
        if not stack.startswith("stack"):
            names[layer.name] = stem_name(layer.name, v2, deep)
            continue
        where = block_name(v2, int(stack.removeprefix("stack")), rest.split("_")[0])
        number = rest.split("_")[1]
        if v2:  # the normalisation before the first convolution is norm1 there
            after = f"norm{int(number) + 1}" if number.isdecimal() else "norm1"
            part = "downsample.conv" if number == "0" else f"conv{number}" if kind == "conv" else after
        elif number == "0":
            part = f"downsample.{('conv', 'bn').index(kind) + pooled}"
        else:
            part = f"{kind}{number}"
        names[layer.name] = f"{where}.{part}"
    return names


def stem_name(name, v2, deep):
    if name == "post_bn":
        return "norm"
    if v2:
        return (
            "stem." + name.split("_")[0].replace("conv", "conv" if name.endswith("conv") else "norm")
            if deep
            else "stem.conv"
        )
    if deep and name in DEEP_STEM:
        return f"conv1.{DEEP_STEM[name]}"
    return "conv1" if name.endswith("conv") else "bn1"


def read_task(tensors):
    """The classifier's arguments, None for a state dict without one."""
    head = next((name for name in ("fc.weight", "head.fc.weight") if name in tensors), None)
    return None if head is None else {"num_classes": shape(tensors, head)[0]}


def head_table(task):
    if not task.backbone.use_pre_activation:
        return {"predictions": "fc"}
    kernel = (task.num_classes, task.output_dense.kernel.shape[0], 1, 1)
    return {
        "predictions": {
            "kernel": weights.Binding("head.fc.weight", transposed=True, shape=kernel),
            "bias": weights.Binding("head.fc.bias"),
        }
    }


def read_timm(config):
    """`(task's arguments, preprocessor's arguments)` of timm's config.json."""
    given = config.get("pretrained_cfg") or {}
    arguments = config.get("model_args") or {}
    pooling = arguments.get("global_pool", config.get("global_pool", "avg")) or "avg"
    unknown = sorted(set(arguments) - {"num_classes", "in_chans", "global_pool", "drop_rate"})
    if unknown or pooling not in POOLINGS:
        raise PresetError(
            f"The timm model was made with arguments that are not expressed here: {', '.join(unknown) or 'none'}; "
            f"global_pool is one of {POOLINGS}, got {pooling!r}."
        )
    names = config.get("label_names")
    descriptions = config.get("label_descriptions") or {}
    if isinstance(names, list):
        names = [str(descriptions.get(name, name)) for name in names]
    task = {"pooling": pooling} | ({"class_names": names} if isinstance(names, list) else {})
    return task, read_pretrained(given)


def read_pretrained(given):
    size = list(given.get("input_size") or (3, 224, 224))[1:]
    crop, mode = given.get("crop_pct") or 0.875, given.get("crop_mode") or "center"
    interpolation = given.get("interpolation") or "bicubic"
    if interpolation not in INTERPOLATIONS or mode not in ("center", "squash"):
        raise PresetError(
            f"pretrained_cfg has interpolation={interpolation!r} and crop_mode={mode!r}; known are "
            f"{', '.join(INTERPOLATIONS)} and center, squash."
        )
    first = [math.floor(length / crop) for length in size]
    return {
        "image_size": size,
        "resize_to": first[0] if mode == "center" and size[0] == size[1] else first,
        "interpolation": INTERPOLATIONS[interpolation],
        "antialias": True,
    } | from_mean_and_std(given.get("mean") or IMAGENET["mean"], given.get("std") or IMAGENET["std"])


STATE_DICT = StateDict(
    fits=fits,
    read_config=read_config,
    read_task=read_task,
    table=table,
    head_table=head_table,
    head=("fc.*", "head.fc.*"),
    ignored=("*.num_batches_tracked",),
    # torchvision's transforms for its first weights of every ResNet
    preprocessor={"image_size": [224, 224], "resize_to": 256, "antialias": True}
    | from_mean_and_std(IMAGENET["mean"], IMAGENET["std"]),
    architectures=ARCHITECTURES,
    read_timm=read_timm,
)
