"""Boxes: formats, overlap, padding; pure functions on arrays of any backend and inside tf.data."""

from keras_cv.ops.box_rows import mask_invalid_detections, to_dense, to_ragged, validate_format
from keras_cv.ops.boxes import FORMATS, as_relative, clip_to_image, convert_format, is_relative, preserve_rel
from keras_cv.ops.iou import compute_ciou, compute_diou, compute_giou, compute_iou

__all__ = [
    "FORMATS",
    "as_relative",
    "clip_to_image",
    "compute_ciou",
    "compute_diou",
    "compute_giou",
    "compute_iou",
    "convert_format",
    "is_relative",
    "mask_invalid_detections",
    "preserve_rel",
    "to_dense",
    "to_ragged",
    "validate_format",
]
