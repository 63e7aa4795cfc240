"""YOLOv8: a backbone, a pyramid of features, and a head without anchor boxes."""

import math

import keras

from keras_cv.models.arguments import check_sizes
from keras_cv.models.yolo_v8.blocks import blocks
from keras_cv.models.yolo_v8.head import BINS, LEVELS, aggregate, head
from keras_cv.ops.anchors import anchor_points, boxes_from_distances, distances_from_bins
from keras_cv.ops.nms import rows_of
from keras_cv.tasks import ObjectDetector, ObjectDetectorPreprocessor


class YOLOV8DetectorPreprocessor(ObjectDetectorPreprocessor):
    """Images to YOLOv8's input."""


class YOLOV8Detector(ObjectDetector):
    """YOLOv8 on a backbone: images in, objects out.

    Called on images it gives raw outputs, `{"boxes": (B, A, 64), "classes": (B, A, num_classes)}`: logits of how many
    cells a point is from the left, top, right and bottom of its object, 16 each, and logits of the classes. The points
    are the centres of the cells of levels P3, P4 and P5. `decode` makes boxes of them, `predict` detections.

    The defaults are Ultralytics' network. KerasCV's is `downsample_depth=2` and `class_channels` as many as the finest
    level has, or classes where there are more.

    Args:
        backbone: a `keras_cv.models.FeaturePyramidBackbone` with levels P3, P4 and P5.
        num_classes: number of classes, by default as many as `class_names`.
        bounding_box_format: of boxes that are trained on and predicted, such as `"xywh"`; see
            `keras_cv.bounding_box.convert_format`.
        fpn_depth: number of bottlenecks in the blocks of the pyramid: 1 for xs and s, 2 for m, 3 for l and xl.
        downsample_depth: the same for its blocks on the way back to coarse maps, by default `fpn_depth`.
        class_channels: width of the convolutions before the classes; by default that of the finest level, and at least
            as many as classes or 100, whichever is less.
        activation: name of the activation.
        preprocessor: a `YOLOV8DetectorPreprocessor`, or None for a model that takes tensors.
        class_names: the names of the classes, saved in presets.
        confidence_threshold, iou_threshold, max_detections, class_agnostic: of `prediction_decoder`, see
            `keras_cv.layers.NonMaxSuppression`.
        prediction_decoder: a `keras_cv.layers.NonMaxSuppression` in place of these four.
        fused: see `keras_cv.ops.fuse`.
    """

    preprocessor_class = YOLOV8DetectorPreprocessor

    def __init__(
        self,
        backbone,
        num_classes=None,
        bounding_box_format="xyxy",
        fpn_depth=2,
        downsample_depth=None,
        class_channels=None,
        activation="swish",
        preprocessor=None,
        class_names=None,
        confidence_threshold=0.2,
        iou_threshold=0.7,
        max_detections=100,
        class_agnostic=False,
        fused=False,
        **kwargs,
    ):
        self.read_arguments(
            num_classes,
            bounding_box_format,
            class_names,
            kwargs.pop("prediction_decoder", None),
            confidence_threshold=confidence_threshold,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
            class_agnostic=class_agnostic,
        )
        self.fpn_depth = fpn_depth
        self.downsample_depth = fpn_depth if downsample_depth is None else downsample_depth
        check_sizes("", fpn_depth=[self.fpn_depth], downsample_depth=[self.downsample_depth])
        features = [feature for _, feature in sorted(backbone.feature_pyramid(LEVELS)(backbone.input).items())]
        least = max(features[0].shape[-1], min(self.num_classes, 100))
        self.class_channels = least if class_channels is None else class_channels
        block = blocks(activation, fused, backbone.dtype_policy)
        maps = aggregate(block, features, self.fpn_depth, self.downsample_depth)
        outputs = head(block, maps, self.num_classes, self.class_channels, self.first_class_bias)
        self.activation = activation
        self.fused = fused
        super().__init__(backbone.input, outputs, backbone, preprocessor, **kwargs)

    def first_class_bias(self, stride):
        """The logit of the share of a level's cells that show a class, at five objects in an image of 640 x 640."""
        return math.log(5 / self.num_classes / (640 / stride) ** 2)

    def corners(self, raw, size, index=None):
        points, strides = anchor_points(*size)
        logits, strides = raw["boxes"], strides[:, None]
        if index is not None:
            logits = rows_of(logits)(index)
            points, strides = keras.ops.take(points, index, axis=0), keras.ops.take(strides, index, axis=0)
        return boxes_from_distances(distances_from_bins(logits, BINS) * strides, points)
