"""The residual network, written once for all its variants."""

import keras

from keras_cv.models.arguments import check_choice, check_sizes, image_shape_for
from keras_cv.models.feature_pyramid import FeaturePyramidBackbone
from keras_cv.models.resnet.blocks import EXPANSION, Blocks
from keras_cv.models.resnet.spellings import also_in_keras_cvs

BLOCK_TYPES = ("basic_block", "bottleneck_block", "basic_block_vd", "bottleneck_block_vd")
PADDINGS = ("symmetric", "same")
STRIDED_BLOCKS = ("first", "last")


class ResNetBackbone(FeaturePyramidBackbone):
    """ResNet: images `(B, H, W, channels)` in, a feature map `(B, H / 32, W / 32, features)` out, not pooled.

    v1 (He et al., 2015), v1.5 (the stride in the 3x3 convolution), v2 (He et al., 2016, `use_pre_activation`), and the
    stems and shortcuts of ResNet-C and -D (He et al., 2019, "Bag of Tricks") are arguments. The defaults compute what
    KerasHub and torchvision compute.

    KerasCV's spelling is taken too, all of it or none: `stackwise_filters`, `stackwise_blocks`, `stackwise_strides`,
    `include_rescaling`, `input_shape`, `block_type="block"`. It gives KerasCV's network, with its padding, its epsilon
    and the stride in the first convolution of a block.

    `pyramid_outputs` are the outputs of the stacks by name, `"P2"` to `"P5"`; of a v2 network they are not normalised.

    Args:
        input_conv_filters: width of each convolution of the stem: `[64]`, or `[32, 32, 64]` for C and D.
        input_conv_kernel_sizes: their sizes, as many: `[7]` or `[3, 3, 3]`. The first has stride 2.
        stackwise_num_filters: width of the blocks' inner convolutions, for each stack.
        stackwise_num_blocks: number of blocks of each stack.
        stackwise_num_strides: stride of each stack.
        block_type: `"basic_block"` (18, 34 layers) or `"bottleneck_block"` (50, 101, 152), whose output is four times
            as wide; with `"_vd"` shortcuts shrink by averaging, as in ResNet-D.
        use_pre_activation: normalise and activate before the convolutions instead of after them, v2.
        image_shape: of one image, in the order of `data_format`; sizes may be None.
        data_format: `"channels_last"` or `"channels_first"`, of images and feature maps; by default Keras' setting.
        include_rescaling: divide by 255 first, for images in 0-255.
        padding: of convolutions and pools with a stride: `"symmetric"`, as torch has it, or `"same"`, as TensorFlow has
            it, where KerasCV's weights come from.
        strided_conv: which convolution of a block has the stride, counted from 1; by default the first 3x3. 1 for a
            bottleneck is the original v1.
        strided_block: which block of a stack has the stride, `"first"` or `"last"`; the last in KerasCV's v2.
        project_first: whether the shortcut of the very first block has a convolution even where nothing changes in
            shape. By default, as in KerasHub, all types but `"basic_block"` do; torchvision's and timm's do not.
        use_bias: whether the convolutions without a normalisation behind them, in a v2 network those of the stem, of
            shortcuts and of a bottleneck's end, have biases; they have in KerasCV.
        activation: name of the activation.
        epsilon, momentum: of batch normalisation; KerasCV's epsilon is 1.001e-5.
        fused: convolutions with what `fuse` folds into them in place of the normalisations behind them. For inference.
        dtype: dtype policy.
    """

    @also_in_keras_cvs
    def __init__(
        self,
        input_conv_filters,
        input_conv_kernel_sizes,
        stackwise_num_filters,
        stackwise_num_blocks,
        stackwise_num_strides,
        block_type,
        use_pre_activation=False,
        image_shape=(None, None, 3),
        data_format=None,
        include_rescaling=False,
        padding="symmetric",
        strided_conv=None,
        strided_block="first",
        project_first=None,
        use_bias=False,
        activation="relu",
        epsilon=1e-5,
        momentum=0.9,
        fused=False,
        dtype=None,
        **kwargs,
    ):
        check_choice("block_type", block_type, BLOCK_TYPES)
        check_choice("padding", padding, PADDINGS)
        check_choice("strided_block", strided_block, STRIDED_BLOCKS)
        data_format = data_format or keras.config.image_data_format()
        check_choice("data_format", data_format, ("channels_last", "channels_first"))
        check_sizes("input_conv_", filters=input_conv_filters, kernel_sizes=input_conv_kernel_sizes)
        check_sizes(
            "stackwise_num_",
            filters=stackwise_num_filters,
            blocks=stackwise_num_blocks,
            strides=stackwise_num_strides,
        )
        bottleneck = block_type.startswith("bottleneck")
        strided_conv = (2 if bottleneck else 1) if strided_conv is None else strided_conv
        check_choice("strided_conv", strided_conv, (1, 2, 3)[: 3 if bottleneck else 2])
        self.image_shape = image_shape_for(data_format, image_shape)
        blocks = Blocks(
            bottleneck=bottleneck,
            pooled_shortcut=block_type.endswith("_vd"),
            pre_activation=use_pre_activation,
            padding=padding,
            strided_conv=strided_conv,
            use_bias=use_bias,
            activation=activation,
            epsilon=epsilon,
            momentum=momentum,
            fused=fused,
            data_format=data_format,
            dtype=dtype,
        )
        image = keras.Input(self.image_shape, name="images")
        x = image
        if include_rescaling:
            x = keras.layers.Rescaling(1 / 255, dtype=dtype, name="rescaling")(x)
        x = blocks.stem(x, input_conv_filters, input_conv_kernel_sizes)
        width, self.pyramid_outputs = input_conv_filters[-1], {}
        project_first = block_type != "basic_block" if project_first is None else project_first
        for i, (filters, depth, stride) in enumerate(
            zip(stackwise_num_filters, stackwise_num_blocks, stackwise_num_strides, strict=True)
        ):
            strided = 0 if strided_block == "first" else depth - 1
            wide = EXPANSION * filters if bottleneck else filters
            for j in range(depth):
                own_stride = stride if j == strided else 1
                changes = wide != width or (own_stride > 1 and strided_block == "first")
                project = j == 0 and (changes or i > 0 or project_first)
                x, width = blocks.block(x, filters, own_stride, project, f"stack{i}_block{j}"), wide
            self.pyramid_outputs[f"P{i + 2}"] = x
        if use_pre_activation:
            x = blocks.activate(blocks.norm(x, "post_bn"), "post_relu")
        self.input_conv_filters = list(input_conv_filters)
        self.input_conv_kernel_sizes = list(input_conv_kernel_sizes)
        self.stackwise_num_filters = list(stackwise_num_filters)
        self.stackwise_num_blocks = list(stackwise_num_blocks)
        self.stackwise_num_strides = list(stackwise_num_strides)
        self.block_type = block_type
        self.use_pre_activation = use_pre_activation
        self.data_format = data_format
        self.include_rescaling = include_rescaling
        self.padding = padding
        self.strided_conv = strided_conv
        self.strided_block = strided_block
        self.project_first = project_first
        self.use_bias = use_bias
        self.activation = activation
        self.epsilon = epsilon
        self.momentum = momentum
        self.fused = fused
        super().__init__(image, x, dtype=dtype, **kwargs)
