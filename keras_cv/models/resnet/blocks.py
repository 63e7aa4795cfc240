"""What residual networks are made of, as calls on symbolic tensors."""

from dataclasses import dataclass

import keras

from keras_cv.models.conv_norm import ConvNorm

EXPANSION = 4  # how much wider than its inner convolutions a bottleneck is


@dataclass(frozen=True)
class Blocks(ConvNorm):
    """Residual blocks that share the settings of one network.

    See `ResNetBackbone` for what they mean. Every method takes and returns a symbolic feature map.
    """

    bottleneck: bool = False
    pooled_shortcut: bool = False
    pre_activation: bool = False
    strided_conv: int = 1
    use_bias: bool = False

    def stem(self, x, filters, kernel_sizes):
        """The convolutions before the first stack, the first with stride 2, and a max pool with stride 2."""
        last = len(filters)
        for i, (width, kernel_size) in enumerate(zip(filters, kernel_sizes, strict=True), 1):
            stride = 2 if i == 1 else 1
            if i == last and self.pre_activation:
                x = self.conv(x, width, kernel_size, stride, f"conv{i}_conv", self.use_bias)
            else:
                x = self.conv_norm(x, width, kernel_size, stride, f"conv{i}", self.use_bias)
                x = self.activate(x, f"conv{i}_relu")
        if self.padding == "same":
            return keras.layers.MaxPooling2D(3, 2, padding="same", name="pool1_pool", **self.shape)(x)
        sides = [[1, 1], [1, 1]]
        sides = [[0, 0], *sides, [0, 0]] if self.data_format == "channels_last" else [[0, 0], [0, 0], *sides]
        x = keras.ops.pad(x, sides, constant_values=float("-inf"))  # what is padded is never the largest
        return keras.layers.MaxPooling2D(3, 2, name="pool1_pool", **self.shape)(x)

    def block(self, x, filters, stride, project, name):
        """A residual block. `project`: its shortcut is a 1x1 convolution, else the input, every `stride`-th pixel."""
        widths, kernel_sizes = ((filters, filters), (3, 3))
        if self.bottleneck:
            widths, kernel_sizes = (filters, filters, EXPANSION * filters), (1, 3, 1)
        shortcut = x
        if self.pre_activation:
            x = self.activate(self.norm(x, f"{name}_pre_activation_bn"), f"{name}_pre_activation_relu")
        if project:
            shortcut = self.projection(x, widths[-1], stride, name)
        elif stride > 1:
            shortcut = keras.layers.MaxPooling2D(1, stride, name=f"{name}_0_pool", **self.shape)(shortcut)
        last = len(widths)
        for i, (width, kernel_size) in enumerate(zip(widths, kernel_sizes, strict=True), 1):
            arguments = (x, width, kernel_size, stride if i == self.strided_conv else 1)
            if i == last and self.pre_activation:
                x = self.conv(*arguments, f"{name}_{i}_conv", self.use_bias and self.bottleneck)
            else:
                x = self.conv_norm(*arguments, f"{name}_{i}")
            if i < last:
                x = self.activate(x, f"{name}_{i}_relu")
        if self.pre_activation:
            return keras.layers.Add(dtype=self.dtype, name=f"{name}_out")([shortcut, x])
        x = keras.layers.Add(dtype=self.dtype, name=f"{name}_add")([shortcut, x])
        return self.activate(x, f"{name}_out")

    def projection(self, x, filters, stride, name):
        if self.pooled_shortcut and stride > 1:
            x = keras.layers.AveragePooling2D(2, stride, padding="same", name=f"{name}_0_pool", **self.shape)(x)
            stride = 1
        if self.pre_activation:
            return self.conv(x, filters, 1, stride, f"{name}_0_conv", self.use_bias)
        return self.conv_norm(x, filters, 1, stride, f"{name}_0")
