"""What YOLOv8 is made of, as calls on symbolic tensors. Names of layers are KerasCV's."""

import keras
from keras import ops

from keras_cv.models.conv_norm import ConvNorm

POOL_SIZE = 5
# Narrow enough that the first boxes and classes are the biases' and hardly chance, and that AdamW's steps, whose length
# does not depend on the weights', change them soon; torch's default, with which YOLOv8 was published.
KERNELS = (1 / 3, "fan_in", "uniform")


class CrossStageBlocks(ConvNorm):
    """Convolutions with activations, and the two blocks of YOLOv8; maps are channels last."""

    def unit(self, x, filters, kernel_size, stride, name):
        """A convolution, its normalisation and the activation."""
        return self.activate(self.conv_norm(x, filters, kernel_size, stride, name), name)

    def c2f(self, x, filters, depth, name, shortcut):
        """A cross-stage partial block: half of the channels go through `depth` bottlenecks, and all of the way counts.

        `shortcut` adds to each bottleneck its input. The block is called C2f where YOLOv8 comes from.
        """
        inner = filters // 2
        maps = ops.split(self.unit(x, 2 * inner, 1, 1, f"{name}_pre"), 2, axis=-1)
        for i in range(depth):
            deep = self.unit(maps[-1], inner, 3, 1, f"{name}_pre_{i}_1")
            deep = self.unit(deep, inner, 3, 1, f"{name}_pre_{i}_2")
            maps.append(ops.add(maps[-1], deep) if shortcut else deep)
        return self.unit(ops.concatenate(maps, axis=-1), filters, 1, 1, f"{name}_output")

    def pooled_pyramid(self, x, name):
        """Max pools of sizes 5, 9 and 13 beside the map (SPPF), each made from the one before it."""
        filters = x.shape[-1]
        maps = [self.unit(x, filters // 2, 1, 1, f"{name}_pre")]
        for i in range(1, 4):
            pool = keras.layers.MaxPooling2D(POOL_SIZE, 1, padding="same", name=f"{name}_pool_{i}", **self.shape)
            maps.append(pool(maps[-1]))
        return self.unit(ops.concatenate(maps, axis=-1), filters, 1, 1, f"{name}_output")


def blocks(activation, fused, dtype):
    return CrossStageBlocks(
        activation=activation,
        epsilon=1e-3,
        momentum=0.97,
        fused=fused,
        data_format="channels_last",
        dtype=dtype,
        kernels=KERNELS,
    )
