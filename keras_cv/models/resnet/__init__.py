"""Residual networks (He et al., 2015 and 2016)."""

from keras_cv.models.resnet.backbone import ResNetBackbone
from keras_cv.models.resnet.checkpoint import TRANSFORMERS
from keras_cv.models.resnet.keras_cv import KERAS_CV
from keras_cv.models.resnet.keras_hub import KERAS_HUB
from keras_cv.models.resnet.tasks import ResNetImageClassifier, ResNetImageClassifierPreprocessor
from keras_cv.models.resnet.torch_names import STATE_DICT
from keras_cv.testing import image_batch
from keras_zoo.registry import Family, register

FAMILY = register(
    Family(
        name="resnet",
        backbone=ResNetBackbone,
        tasks=(ResNetImageClassifier,),
        tiny={
            "input_conv_filters": [8],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [4, 6],
            "stackwise_num_blocks": [1, 2],
            "stackwise_num_strides": [1, 2],
            "block_type": "bottleneck_block",
        },
        tiny_tasks={"ResNetImageClassifier": {"num_classes": 3}},
        example=image_batch,
        tiny_preprocessors={"ResNetImageClassifier": lambda: ResNetImageClassifierPreprocessor((32, 32), 1 / 255)},
        transformers=TRANSFORMERS,
        state_dict=STATE_DICT,
        keras_hub=KERAS_HUB,
        keras_cv=KERAS_CV,
    )
)

__all__ = ["ResNetBackbone", "ResNetImageClassifier", "ResNetImageClassifierPreprocessor"]
