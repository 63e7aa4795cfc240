"""ResNet as transformers stores it."""

import numpy as np

from keras_cv.models.resnet.blocks import EXPANSION
from keras_cv.tasks.image_processor import read_preprocessor, write_preprocessor
from keras_zoo.errors import PresetError
from keras_zoo.formats import id2label
from keras_zoo.formats.transformers import Checkpoint, Head, read_numbers

BLOCK_TYPES = {"basic": "basic_block", "bottleneck": "bottleneck_block"}
# What a network there always has; of `strided_block` also the one value that says the same.
FIXED = {
    "input_conv_kernel_sizes": [7],
    "use_pre_activation": False,
    "include_rescaling": False,
    "padding": "symmetric",
    "strided_block": "first",
    "activation": "relu",
    "epsilon": 1e-5,
    "fused": False,
}


def read_config(config):
    layer_type = config.get("layer_type", "bottleneck")
    widths, depths = config.get("hidden_sizes", [256, 512, 1024, 2048]), config.get("depths", [3, 4, 6, 3])
    if layer_type not in BLOCK_TYPES or config.get("hidden_act", "relu") != "relu":
        raise PresetError(
            f"ResNetBackbone has layer_type {' or '.join(BLOCK_TYPES)} and hidden_act 'relu'; got {layer_type!r} and "
            f"{config.get('hidden_act', 'relu')!r}."
        )
    bottleneck = layer_type == "bottleneck"
    if bottleneck and any(width % EXPANSION for width in widths):
        raise PresetError(f"The hidden_sizes of bottleneck layers are multiples of {EXPANSION}; got {widths}.")
    sizes = read_numbers(config, {"stem": ("embedding_size", 64), "channels": ("num_channels", 3)})
    return {
        "input_conv_filters": [sizes["stem"]],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [width // EXPANSION if bottleneck else width for width in widths],
        "stackwise_num_blocks": list(depths),
        "stackwise_num_strides": [2 if config.get("downsample_in_first_stage", False) else 1, *[2] * (len(depths) - 1)],
        "block_type": BLOCK_TYPES[layer_type],
        "image_shape": (None, None, sizes["channels"]),
        "strided_conv": 1 if config.get("downsample_in_bottleneck", False) or not bottleneck else 2,
        "project_first": False,
    }


def write_config(backbone, tokenizer):
    wrong = [f"{name}={getattr(backbone, name)!r}" for name, value in FIXED.items() if getattr(backbone, name) != value]
    bottleneck = backbone.block_type == BLOCK_TYPES["bottleneck"]
    widths = [width * EXPANSION if bottleneck else width for width in backbone.stackwise_num_filters]
    strides = backbone.stackwise_num_strides
    if backbone.block_type not in BLOCK_TYPES.values():
        wrong.append(f"block_type={backbone.block_type!r}")
    if strides[0] not in (1, 2) or any(stride != 2 for stride in strides[1:]):
        wrong.append(f"stackwise_num_strides={strides}")
    if backbone.project_first and strides[0] == 1 and widths[0] == backbone.input_conv_filters[-1]:
        wrong.append("project_first=True")
    if backbone.strided_conv not in ((1, 2) if bottleneck else (1,)):
        wrong.append(f"strided_conv={backbone.strided_conv}")
    if wrong:
        raise PresetError(f"transformers' ResNet cannot express {', '.join(wrong)}.")
    return {
        "num_channels": backbone.image_shape[-1 if backbone.data_format == "channels_last" else 0],
        "embedding_size": backbone.input_conv_filters[0],
        "hidden_sizes": widths,
        "depths": backbone.stackwise_num_blocks,
        "layer_type": next(theirs for theirs, ours in BLOCK_TYPES.items() if ours == backbone.block_type),
        "hidden_act": "relu",
        "downsample_in_first_stage": strides[0] == 2,
        "downsample_in_bottleneck": bottleneck and backbone.strided_conv == 1,
    }


def table(backbone):
    names = {}
    for layer in backbone.layers:
        stack, _, rest = layer.name.partition("_block")
        if not layer.weights:
            continue
        kind = "convolution" if layer.name.endswith("_conv") else "normalization"
        if not stack.startswith("stack"):
            names[layer.name] = f"embedder.embedder.{kind}"
            continue
        block, number, _ = rest.split("_")
        where = "shortcut" if number == "0" else f"layer.{int(number) - 1}"
        names[layer.name] = f"encoder.stages.{stack.removeprefix('stack')}.layers.{block}.{where}.{kind}"
    return names


def write_extra(backbone):
    """torch's counters of batches, which say nothing where the momentum is fixed."""
    norms = [name for name in table(backbone).values() if name.endswith("normalization")]
    return {f"{name}.num_batches_tracked": np.zeros((), "int64") for name in norms}


def write_head(task):
    if task.pooling != "avg" or task.activation not in (None, "linear"):
        raise PresetError(
            "transformers' ResNet pools by averages and gives logits; this one has "
            f"pooling={task.pooling!r}, activation={task.activation!r}."
        )
    return id2label.write(task) | id2label.write_problem(task)


def read_head(config):
    classes = id2label.read(config)
    return classes | id2label.read_problem(config, classes["num_classes"])


TRANSFORMERS = Checkpoint(
    model_type="resnet",
    architecture="ResNetModel",
    read_config=read_config,
    write_config=write_config,
    table=table,
    heads={
        "ResNetImageClassifier": Head(
            "ResNetForImageClassification", lambda task: {"predictions": "classifier.1"}, read_head, write_head
        )
    },
    prefix="resnet.",
    ignored=("*.num_batches_tracked",),
    read_preprocessor=read_preprocessor,
    write_preprocessor=write_preprocessor,
    write_extra=write_extra,
)
