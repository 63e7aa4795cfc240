"""A convolution whose biases are right in every order of axes, and which torch computes without copying its inputs."""

import keras
from keras import ops

from keras_zoo.config import serializable


@serializable
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with two differences that cannot be seen.

    Under TensorFlow Keras adds the biases of a `"channels_first"` layer along the width where that happens to have the
    size of the channels; here they are added to the channels. Under torch Keras copies the inputs of a
    `"channels_last"` layer twice; here torch reads them as they are. Without gradients the kernel is kept in the order
    of torch as well: otherwise it is copied into that at each call, which for one image takes longer than the
    convolution.
    """

    def call(self, inputs):
        if keras.backend.backend() == "torch":
            outputs = self.convolved_by_torch(inputs)
            return outputs if self.activation is None else self.activation(outputs)
        product = self.is_product(inputs)
        outputs = self.product(inputs) if product else self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            shape = (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1)
            bias = ops.reshape(self.bias, shape)  # comes first, so that Keras takes it for no bias of the last axis
            outputs = outputs + bias if self.data_format == "channels_last" else ops.add(bias, outputs)
        return outputs if self.activation is None else self.activation(outputs)

    def is_product(self, inputs):
        """Whether this is a product of matrices, which XLA computes and trains faster on a CPU.

        Where a program is made for any size, as for export, the sizes of both could not be told to be the same.
        """
        plain = self.kernel_size == (1, 1) and self.groups == 1 and self.data_format == "channels_last"
        return plain and keras.backend.backend() == "jax" and all(isinstance(n, int) for n in inputs.shape[1:3])

    def product(self, inputs):
        rows, columns = self.strides
        x = inputs if rows == columns == 1 else inputs[:, ::rows, ::columns]
        flat = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), self.kernel[0, 0])
        return ops.reshape(flat, (*ops.shape(x)[:-1], self.filters))

    def convolved_by_torch(self, inputs):
        import torch
        from torch.nn import functional

        last = self.data_format == "channels_last"
        x = ops.convert_to_tensor(inputs)
        x = x.permute(0, 3, 1, 2) if last else x
        pads = [(0, 0), (0, 0)]
        if self.padding == "same":
            pads = [
                same_padding(*sizes) for sizes in zip(x.shape[2:], self.kernel_size, self.strides, self.dilation_rate)
            ]
        if any(before != after for before, after in pads):
            x = functional.pad(x, [n for pair in reversed(pads) for n in pair])
            pads = [(0, 0), (0, 0)]
        kernel = ops.convert_to_tensor(self.kernel_to_read()).permute(3, 2, 0, 1)
        kernel = kernel.contiguous(memory_format=torch.channels_last) if last else kernel  # once, not there and back
        bias = ops.convert_to_tensor(self.bias) if self.use_bias else None
        padding = [before for before, _ in pads]
        outputs = functional.conv2d(x, kernel, bias, self.strides, padding, self.dilation_rate, self.groups)
        return outputs.permute(0, 2, 3, 1) if last else outputs

    def kernel_to_read(self):
        """The kernel; without gradients in the order of torch, seen in that of Keras."""
        if self.lora_enabled:
            return self.kernel
        import torch

        kernel = self.kernel.value
        if torch.is_grad_enabled() or kernel.is_meta:
            vars(self).pop("turned", None)  # a step follows, of which torch's fused optimizers leave no trace
            return self.kernel
        state = (kernel.data_ptr(), None if kernel.is_inference() else kernel._version, kernel.dtype, kernel.device)
        known, turned = vars(self).get("turned", (None, None))
        if known != state:
            layout = torch.channels_last if self.data_format == "channels_last" else torch.contiguous_format
            turned = kernel.detach().permute(3, 2, 0, 1).contiguous(memory_format=layout).permute(2, 3, 1, 0)
            vars(self)["turned"] = (state, turned)  # past Keras' tracking of attributes
        return turned


def same_padding(size, kernel_size, stride, dilation):
    """Zeros before and after an axis, so that it gets `size / stride` long, rounded up; the odd one comes after."""
    needed = max((-(-size // stride) - 1) * stride + dilation * (kernel_size - 1) + 1 - size, 0)
    return needed // 2, needed - needed // 2
