"""Losses of boxes by how much they overlap: 1 - CIoU, 1 - GIoU and functions of IoU."""

import keras
from keras import ops

from keras_cv.losses.configured import ConfiguredLoss
from keras_cv.ops.boxes import known_format
from keras_cv.ops.iou import compute_ciou, compute_giou, overlap, pairs
from keras_zoo.config import serializable

MODES = ("linear", "quadratic", "log")


class OverlapLoss(ConfiguredLoss):
    """Compares the boxes of `y_true` with those of `y_pred` one by one, `(..., N, 4)` each, in float32.

    Arguments of all: `bounding_box_format`, the format of both, see `convert_format`; those of `ConfiguredLoss`.
    """

    def __init__(self, bounding_box_format, **kwargs):
        super().__init__(**kwargs)
        self.bounding_box_format = known_format(bounding_box_format)

    def call(self, y_true, y_pred):
        if tuple(y_true.shape[-2:]) != tuple(y_pred.shape[-2:]) or y_true.shape[-1] != 4:
            raise ValueError(
                f"{type(self).__name__} takes y_true and y_pred with as many boxes (..., N, 4) each; got shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}."
            )
        return self.losses(y_true, y_pred)


@serializable
class CIoULoss(OverlapLoss):
    """1 - CIoU (Zheng et al., 2020), `(..., N)` in [0, 3): overlap, distance of the centres and aspect ratio.

    Args:
        bounding_box_format: see `OverlapLoss`.
        eps: accepted as by KerasCV, where it changes nothing either; quotients and their gradients are finite without.
        **kwargs: `reduction`, `name`, `dtype`.
    """

    def __init__(self, bounding_box_format, eps=1e-7, **kwargs):
        super().__init__(bounding_box_format, **kwargs)
        self.eps = eps

    def losses(self, y_true, y_pred):
        return 1 - compute_ciou(y_true, y_pred, self.bounding_box_format)


class MeanOverlapLoss(OverlapLoss):
    """A loss of the mean overlap over `axis`, that of the boxes, or of each box's with `axis="no_reduction"`."""

    def __init__(self, bounding_box_format, axis=-1, **kwargs):
        super().__init__(bounding_box_format, **kwargs)
        self.axis = axis

    def mean(self, overlaps):
        return overlaps if self.axis == "no_reduction" else ops.mean(overlaps, axis=self.axis)


@serializable
class GIoULoss(MeanOverlapLoss):
    """1 - GIoU (Rezatofighi et al., 2019), in [0, 2): has a gradient where the boxes do not overlap, too.

    Args:
        bounding_box_format: see `OverlapLoss`.
        axis: that of the mean over boxes, -1, or `"no_reduction"` for the loss of each box.
        **kwargs: `reduction`, `name`, `dtype`.
    """

    def __init__(self, bounding_box_format, axis=-1, **kwargs):
        super().__init__(bounding_box_format, axis, **kwargs)

    def losses(self, y_true, y_pred):
        return 1 - self.mean(compute_giou(y_true, y_pred, self.bounding_box_format))


@serializable
class IoULoss(MeanOverlapLoss):
    """A function of IoU (UnitBox, Yu et al., 2016). Boxes that do not overlap have no gradient.

    Args:
        bounding_box_format: see `OverlapLoss`.
        mode: `"linear"`, 1 - IoU; `"quadratic"`, 1 - IoU²; or `"log"`, - log IoU, at most 16.1.
        axis: that of the mean over boxes, -1, before the function; or `"no_reduction"` for the loss of each box.
        **kwargs: `reduction`, `name`, `dtype`.
    """

    def __init__(self, bounding_box_format, mode="log", axis=-1, **kwargs):
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}; got {mode!r}.")
        super().__init__(bounding_box_format, axis, **kwargs)
        self.mode = mode

    def losses(self, y_true, y_pred):
        functions, first, second = pairs(y_true, y_pred, self.bounding_box_format, False, None, None)
        iou = self.mean(overlap(functions, first, second)[0])
        if self.mode == "log":
            return -ops.log(ops.maximum(iou, keras.config.epsilon()))
        return 1 - (iou if self.mode == "linear" else iou**2)
