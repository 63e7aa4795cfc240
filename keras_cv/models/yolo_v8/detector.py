"""YOLOv8: a backbone, a pyramid of features, and a head without anchor boxes."""

import keras

from keras_cv.bounding_box import convert_format
from keras_cv.models.arguments import check_sizes
from keras_cv.models.yolo_v8.blocks import blocks
from keras_cv.models.yolo_v8.head import BINS, LEVELS, aggregate, head
from keras_cv.models.yolo_v8.label_encoder import YOLOV8LabelEncoder
from keras_cv.models.yolo_v8.loss import GAINS, detection_loss
from keras_cv.ops.anchors import anchor_points, boxes_from_distances, distances_from_bins
from keras_cv.ops.nms import rows_of
from keras_cv.tasks import ObjectDetector, ObjectDetectorPreprocessor
from keras_cv.tasks.detecting import image_size
from keras_cv.training import detection_optimizer


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
        prediction_decoder: a `keras_cv.layers.NonMaxSuppression`, or another such layer, in place of these four. Files
            keep it, too; of a layer of one's own they keep the four.
        label_encoder: a `YOLOV8LabelEncoder`, for another way of giving points their objects in training; not saved.
        fused: see `keras_cv.ops.fuse`.
    """

    preprocessor_class = YOLOV8DetectorPreprocessor
    class_weights = ("yolo_v8_head_*_class_*",)

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
        prediction_decoder=None,
        fused=False,
        **kwargs,
    ):
        self.read_arguments(
            num_classes,
            bounding_box_format,
            class_names,
            prediction_decoder,
            confidence_threshold=confidence_threshold,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
            class_agnostic=class_agnostic,
        )
        self.label_encoder = kwargs.pop("label_encoder", None) or YOLOV8LabelEncoder(self.num_classes)
        self.fpn_depth = fpn_depth
        self.downsample_depth = fpn_depth if downsample_depth is None else downsample_depth
        check_sizes("", fpn_depth=[self.fpn_depth], downsample_depth=[self.downsample_depth])
        features = [feature for _, feature in sorted(backbone.feature_pyramid(LEVELS)(backbone.input).items())]
        least = max(features[0].shape[-1], min(self.num_classes, 100))
        self.class_channels = least if class_channels is None else class_channels
        block = blocks(activation, fused, backbone.dtype_policy)
        maps = aggregate(block, features, self.fpn_depth, self.downsample_depth)
        outputs = head(block, maps, self.num_classes, self.class_channels)
        self.activation = activation
        self.fused = fused
        super().__init__(backbone.input, outputs, backbone, preprocessor, **kwargs)

    def compile(
        self,
        optimizer="auto",
        box_loss="ciou",
        classification_loss="binary_crossentropy",
        box_loss_weight=GAINS[0],
        classification_loss_weight=GAINS[1],
        dfl_loss_weight=GAINS[2],
        **kwargs,
    ):
        """As `keras.Model.compile`, with the losses that YOLOv8 trains by; see `keras_cv.models.yolo_v8.loss`.

        Args:
            optimizer: `"auto"` is `keras_cv.training.detection_optimizer(num_classes)`.
            box_loss: `"ciou"`, the only one.
            classification_loss: `"binary_crossentropy"`, the only one.
            box_loss_weight, classification_loss_weight, dfl_loss_weight: factors of the three parts, the last of which
                teaches how far the sides of a box are.
            kwargs: those of `keras.Model.compile`. Metrics are computed of detections and not of raw outputs: see
                `keras_cv.callbacks.PyCOCOCallback`.
        """
        if box_loss != "ciou" or classification_loss != "binary_crossentropy":
            raise ValueError(
                f"{type(self).__name__} trains by box_loss='ciou' and classification_loss='binary_crossentropy'; got "
                f"{box_loss!r} and {classification_loss!r}."
            )
        if kwargs.get("loss") is not None or kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            raise ValueError(
                f"{type(self).__name__} has its own loss, and metrics are those of detections: give "
                "keras_cv.callbacks.PyCOCOCallback to fit."
            )
        super().compile(detection_optimizer(self.num_classes) if optimizer == "auto" else optimizer, **kwargs)
        self.gains = box_loss_weight, classification_loss_weight, dfl_loss_weight
        if not hasattr(self, "loss_trackers"):
            self.loss_trackers = [keras.metrics.Mean(name=f"{part}_loss") for part in ("box", "class", "dfl")]

    def get_compile_config(self):
        names = "box_loss_weight", "classification_loss_weight", "dfl_loss_weight"
        return {**super().get_compile_config(), **dict(zip(names, self.gains, strict=True))}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        size = image_size(x)
        boxes = convert_format(y["boxes"], self.bounding_box_format, "xyxy", image_shape=size)
        how = {"gains": self.gains, "assigner": self.label_encoder, "sample_weight": sample_weight}
        parts = detection_loss(y_pred, *anchor_points(*size), boxes, y["classes"], **how)
        for tracker, part in zip(self.loss_trackers, parts.values(), strict=True):
            tracker.update_state(part)
        return sum(parts.values(), sum(self.losses, 0.0))

    def corners(self, raw, size, index=None):
        points, strides = map(keras.ops.convert_to_tensor, anchor_points(*size))
        logits, strides = raw["boxes"], strides[:, None]
        if index is not None:
            logits = rows_of(logits)(index)
            points, strides = keras.ops.take(points, index, axis=0), keras.ops.take(strides, index, axis=0)
        return boxes_from_distances(distances_from_bins(logits, BINS) * strides, points)
