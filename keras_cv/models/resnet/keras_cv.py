"""ResNet as KerasCV stores it."""

from keras_cv.models.resnet.keras_hub import classifier_table, table
from keras_zoo.formats.keras_cv import CVCheckpoint, CVClass
from keras_zoo.formats.keras_objects import Settings, read_activation

NETWORK = {
    "stackwise_filters": "stackwise_num_filters",
    "stackwise_blocks": "stackwise_num_blocks",
    "stackwise_strides": "stackwise_num_strides",
    "input_shape": "image_shape",
}
# What KerasCV does not say: the order of axes, one convolution as stem, padding as TensorFlow has it, its own epsilon.
FIXED = {
    "data_format": "channels_last",
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "padding": "same",
    "epsilon": 1.001e-5,
    "momentum": 0.99,
}
BLOCK_TYPES = {"block": "bottleneck_block", "basic_block": "basic_block"}


def with_block_type(config):
    """Its name here; of version 1 the first convolution of a block has the stride, of version 2 the second."""
    return {"block_type": "block"} | config


def undilated(config):
    """Without dilations where there are none."""
    dilations = config.get("stackwise_dilations")
    plain = dilations is None or all(dilation == 1 for dilation in dilations)
    return with_block_type({k: v for k, v in config.items() if not (plain and k == "stackwise_dilations")})


def network(prepare, **fixed):
    return Settings(
        ("include_rescaling", "block_type"),
        renamed=NETWORK,
        defaults=FIXED | fixed,
        only={"input_tensor": None},
        convert={"block_type": lambda block_type: BLOCK_TYPES.get(block_type, block_type)},
        prepare=prepare,
    )


KERAS_CV = CVCheckpoint(
    classes={
        "ResNetBackbone": CVClass(
            "ResNetBackbone", network(with_block_type, strided_conv=1), group="layers/res_net_backbone"
        ),
        "ResNetV2Backbone": CVClass(
            "ResNetBackbone",
            network(undilated, use_pre_activation=True, strided_conv=2, strided_block="last", use_bias=True),
            group="layers/res_net_v2_backbone",
        ),
        "ImageClassifier": CVClass(
            "ResNetImageClassifier",
            Settings(
                ("num_classes", "pooling", "activation"),
                defaults={"dropout": 0.0},
                convert={"activation": read_activation},
            ),
        ),
    },
    table=table,
    heads={"ResNetImageClassifier": classifier_table},
)
