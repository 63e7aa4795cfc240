"""The network that finds features for YOLOv8."""

import keras

from keras_cv.models.arguments import check_sizes, image_shape_for
from keras_cv.models.feature_pyramid import FeaturePyramidBackbone
from keras_cv.models.yolo_v8.blocks import blocks


class YOLOV8Backbone(FeaturePyramidBackbone):
    """YOLOv8's CSPDarkNet: images `(B, H, W, channels)` in, a feature map `(B, H / 32, W / 32, channels)` out.

    Height and width are multiples of 32. `pyramid_outputs` are the outputs of the stacks, `"P2"` to `"P5"`.

    Args:
        stackwise_channels: output channels of each stack, even; the first stack follows a stem that shrinks by 4.
        stackwise_depth: number of bottlenecks in each stack.
        include_rescaling: divide by 255 first, for images in 0-255.
        activation: name of the activation.
        image_shape: of one image, `(height, width, channels)`; sizes may be None. Also `input_shape`, as in KerasCV.
        fused: convolutions with what `fuse` folds into them in place of the normalisations behind them. For inference.
        dtype: dtype policy.
    """

    def __init__(
        self,
        stackwise_channels,
        stackwise_depth,
        include_rescaling=True,
        activation="swish",
        image_shape=(None, None, 3),
        fused=False,
        dtype=None,
        **kwargs,
    ):
        check_sizes("stackwise_", channels=stackwise_channels, depth=stackwise_depth)
        if any(width % 2 for width in stackwise_channels):
            raise ValueError(f"stackwise_channels must be even, since blocks halve them; got {stackwise_channels}.")
        self.image_shape = image_shape_for("channels_last", kwargs.pop("input_shape", image_shape))
        block = blocks(activation, fused, dtype)
        images = keras.Input(self.image_shape, name="images")
        x = images
        if include_rescaling:
            x = keras.layers.Rescaling(1 / 255, dtype=dtype, name="rescaling")(x)
        x = block.unit(x, stackwise_channels[0] // 2, 3, 2, "stem_1")
        x = block.unit(x, stackwise_channels[0], 3, 2, "stem_2")
        self.pyramid_outputs = {}
        for i, (filters, depth) in enumerate(zip(stackwise_channels, stackwise_depth, strict=True), 1):
            if i > 1:
                x = block.unit(x, filters, 3, 2, f"stack{i}_downsample")
            x = block.c2f(x, filters, depth, f"stack{i}_c2f", shortcut=True)
            if i == len(stackwise_channels):
                x = block.pooled_pyramid(x, f"stack{i}_spp_fast")
            self.pyramid_outputs[f"P{i + 1}"] = x
        self.stackwise_channels = list(stackwise_channels)
        self.stackwise_depth = list(stackwise_depth)
        self.include_rescaling = include_rescaling
        self.activation = activation
        self.fused = fused
        super().__init__(images, x, dtype=dtype, **kwargs)
