"""ResNet as KerasHub stores it."""

import math

from keras_cv.models.resnet.blocks import EXPANSION
from keras_zoo.errors import PresetError
from keras_zoo.formats.keras_hub import HubCheckpoint
from keras_zoo.formats.keras_objects import Settings, read_activation, variables

NETWORK = (
    "input_conv_filters",
    "input_conv_kernel_sizes",
    "stackwise_num_filters",
    "stackwise_num_blocks",
    "stackwise_num_strides",
    "block_type",
    "use_pre_activation",
    "image_shape",
)
# What KerasHub does not say of its network.
FIXED = {
    "include_rescaling": False,
    "padding": "symmetric",
    "strided_block": "first",
    "use_bias": False,
    "activation": "relu",
    "epsilon": 1e-5,
    "momentum": 0.9,
    "fused": False,
}
NARROWEST = 64  # the only width that KerasHub takes for the first stack
CONVERTER = (
    "image_size",
    "scale",
    "offset",
    "interpolation",
    "antialias",
    "crop_to_aspect_ratio",
    "pad_to_aspect_ratio",
)


def ordered(backbone):
    """What the layers' names begin with, in the order in which Keras sorts a graph by its depth.

    So the projection of a shortcut comes beside the last convolution of its block, to which it is added.
    """
    yield from (f"conv{i + 1}" for i in range(len(backbone.input_conv_filters)))
    last = 3 if backbone.block_type.startswith("bottleneck") else 2
    for i, depth in enumerate(backbone.stackwise_num_blocks):
        for j in range(depth):
            yield from (f"stack{i}_block{j}_{part}" for part in ("pre_activation", *range(1, last), 0, last))
    yield "post"


def table(backbone):
    """Convolutions and normalisations are numbered apart, as everything that is of one class."""
    layers, entries = {layer.name: layer for layer in backbone.layers}, {}
    for kind, suffix in (("conv2d", "conv"), ("batch_normalization", "bn")):
        names = [name for name in (f"{prefix}_{suffix}" for prefix in ordered(backbone)) if name in layers]
        for i, name in enumerate(names):
            group = f"layers/{kind}_{i}" if i else f"layers/{kind}"
            entries[name] = variables(group, *leaves(layers[name]))
    return entries


def leaves(layer):
    return [weight.path.rpartition("/")[2] for weight in layer.weights]


def classifier_table(task):
    return {"predictions": variables("layers/dense", "kernel", "bias")}


def usual(arguments):
    """Without what is the same there where it is not said; `PresetError` for sizes that KerasHub refuses."""
    arguments, first = dict(arguments), arguments["stackwise_num_filters"][0]
    if first != NARROWEST:
        raise PresetError(
            f"KerasHub's ResNetBackbone has a first stack of {NARROWEST} filters; here stackwise_num_filters begins "
            f"with {first}."
        )
    bottleneck = arguments["block_type"].startswith("bottleneck")
    widened = EXPANSION * first if bottleneck else first
    changes = widened != arguments["input_conv_filters"][-1] or arguments["stackwise_num_strides"][0] > 1
    projects = arguments["block_type"] != "basic_block"  # the first block's shortcut, even where nothing changes
    same = {"strided_conv": 2 if bottleneck else 1, "data_format": "channels_last"}
    same["project_first"] = arguments["project_first"] if changes else projects
    return {name: value for name, value in arguments.items() if name not in same or value != same[name]}


def older_converter(config):
    """Older folders have sizes and statistics of pixels apart: here they are `image_size`, `scale` and `offset`."""
    config = dict(config)
    if "height" in config and "width" in config:
        config["image_size"] = (config.pop("height"), config.pop("width"))
    if "mean" in config and "variance" in config:
        stds = [math.sqrt(variance) for variance in config.pop("variance")]
        config["offset"] = [-mean / std for mean, std in zip(config.pop("mean"), stds, strict=True)]
        config["scale"] = [config["scale"] / std for std in stds]
    return config


KERAS_HUB = HubCheckpoint(
    classes={
        "ResNetBackbone": Settings(NETWORK, defaults=FIXED, restate=usual),
        "ResNetImageClassifier": Settings(
            ("num_classes", "pooling", "activation", "dropout"),
            defaults={"head_dtype": None},
            unsaid=("problem", "class_names"),
            convert={"activation": read_activation},
        ),
        "ResNetImageClassifierPreprocessor": Settings(defaults={"image_size": None, "scale": None, "offset": None}),
    },
    table=table,
    heads={"ResNetImageClassifier": classifier_table},
    image_converters={
        "ResNetImageConverter": Settings(
            CONVERTER,
            unread=("bounding_box_format",),
            prepare=older_converter,
            defaults={
                "crop_to_aspect_ratio": True,
                "interpolation": "bilinear",
                "antialias": False,
                "resize_to": None,
            },
        )
    },
)
