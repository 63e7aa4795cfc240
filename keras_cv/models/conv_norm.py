"""A convolution with its normalisation, which most networks of images consist of, as calls on symbolic tensors."""

from dataclasses import dataclass

import keras

from keras_cv.layers import BatchNormalization, Conv2D


@dataclass(frozen=True)
class ConvNorm:
    """Convolutions and normalisations that share the settings of one network.

    Every method takes and returns a symbolic feature map. `padding` is `"symmetric"`, both sides alike, as torch has
    it, or `"same"`, as TensorFlow has it; they differ where there is a stride. With `fused` convolutions have biases
    and no normalisation, see `keras_cv.ops.fuse`. `kernels` are the arguments of the `VarianceScaling` that kernels
    start from.
    """

    activation: str
    epsilon: float
    momentum: float
    fused: bool
    data_format: str
    dtype: object
    padding: str = "symmetric"
    kernels: tuple = (2.0, "fan_out")

    @property
    def shape(self):
        """What layers of pooling, padding and convolution are told."""
        return {"data_format": self.data_format, "dtype": self.dtype}

    @property
    def channels(self):
        """The axis of the channels."""
        return -1 if self.data_format == "channels_last" else 1

    def conv(self, x, filters, kernel_size, stride, name, use_bias=False, **options):
        """A convolution that does not shrink the map but by its stride; torch pads both sides alike, "same" may not."""
        padding = "same"
        if stride > 1 and kernel_size > 1 and self.padding == "symmetric":
            x = keras.layers.ZeroPadding2D((kernel_size - 1) // 2, name=name.replace("_conv", "_pad"), **self.shape)(x)
            padding = "valid"
        options = {"kernel_initializer": keras.initializers.VarianceScaling(*self.kernels)} | options
        return Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding=padding,
            use_bias=use_bias,
            name=name,
            **options,
            **self.shape,
        )(x)

    def norm(self, x, name):
        options = {"momentum": self.momentum, "epsilon": self.epsilon, "dtype": self.dtype}
        return BatchNormalization(axis=self.channels, name=name, **options)(x)

    def conv_norm(self, x, filters, kernel_size, stride, name, use_bias=False):
        """A convolution and its normalisation, `name_conv` and `name_bn`; of a fused network the convolution alone."""
        x = self.conv(x, filters, kernel_size, stride, f"{name}_conv", use_bias or self.fused)
        return x if self.fused else self.norm(x, f"{name}_bn")

    def activate(self, x, name):
        return keras.layers.Activation(self.activation, dtype=self.dtype, name=name)(x)
