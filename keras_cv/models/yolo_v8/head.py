"""From the features of three levels to YOLOv8's raw outputs."""

import keras
from keras import ops

from keras_cv.models.yolo_v8.biases import box_bias, class_bias

BINS = 16  # whole numbers of cells, 0 to 15, that a distance is told by
BOX_CHANNELS = 4 * BINS
LEVELS = ("P3", "P4", "P5")


def aggregate(block, features, depth, downsample_depth):
    """Features of the levels, fine to coarse, each told of the others: down the pyramid and up again (PANet).

    Args:
        block: `CrossStageBlocks`.
        features: three maps.
        depth: number of bottlenecks in the blocks on the way down.
        downsample_depth: and in those on the way up.
    """
    p3, p4, p5 = features
    p4p5 = block.c2f(joined(doubled(p5, "p5"), p4), p4.shape[-1], depth, "pa_fpn_p4p5", shortcut=False)
    fine = block.c2f(joined(doubled(p4p5, "p4p5"), p3), p3.shape[-1], depth, "pa_fpn_p3p4p5", shortcut=False)
    maps, name = [fine], "pa_fpn_p3p4p5_downsample"
    for i, (skip, width) in enumerate(((p4p5, p4.shape[-1]), (p5, p5.shape[-1])), 1):
        down = block.unit(maps[-1], maps[-1].shape[-1], 3, 2, f"{name}{i}")
        maps.append(block.c2f(joined(down, skip), width, downsample_depth, f"{name}{i}_block", shortcut=False))
    return maps


def joined(*maps):
    return ops.concatenate(maps, axis=-1)


def doubled(x, name):
    return keras.layers.UpSampling2D(2, "channels_last", dtype=x.dtype, name=f"pa_fpn_{name}_upsampled")(x)


def head(block, maps, num_classes, class_channels):
    """`{"boxes": (B, A, 4 * BINS), "classes": (B, A, num_classes)}`, logits, float32; the levels one after the other.

    Args:
        block: `CrossStageBlocks`.
        maps: of the levels, fine to coarse.
        num_classes: number of classes.
        class_channels: width of the convolutions before the classes.
    """
    widths = {"box": max(BOX_CHANNELS, maps[0].shape[-1] // 4), "class": class_channels}
    outputs = {"box": BOX_CHANNELS, "class": num_classes}
    found = {"box": [], "class": []}
    for level, x in enumerate(maps, 1):
        biases = {"box": box_bias(), "class": class_bias(num_classes, stride=4 * 2**level)}
        for kind, width in widths.items():
            name = f"yolo_v8_head_{level}_{kind}"
            y = block.unit(x, width, 3, 1, f"{name}_1")
            y = block.unit(y, width, 3, 1, f"{name}_2")
            y = block.conv(y, outputs[kind], 1, 1, f"{name}_3_conv", use_bias=True, bias_initializer=biases[kind])
            reshape = keras.layers.Reshape((-1, outputs[kind]), dtype=block.dtype, name=f"{name}_reshape")
            found[kind].append(reshape(y))
    return {
        key: keras.layers.Activation("linear", dtype="float32", name=key)(ops.concatenate(found[kind], axis=1))
        for key, kind in (("boxes", "box"), ("classes", "class"))
    }
