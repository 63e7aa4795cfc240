"""Non-maximum suppression as layers, by KerasCV's names."""

import keras

from keras_cv.ops.boxes import convert_format, is_relative, known_format
from keras_cv.ops.nms import check_limits, check_thresholds, non_max_suppression
from keras_cv.ops.soft_nms import check_method, soft_non_max_suppression
from keras_zoo.config import Configured, serializable


class Suppression(Configured, keras.layers.Layer):
    """What both layers share: formats of boxes, and what goes in and comes out.

    `layer(box_prediction, class_prediction)` takes boxes `(B, A, 4)` in `bounding_box_format` and scores `(B, A, C)`,
    and returns `{"boxes": (B, max_detections, 4) float32 in that format, "confidence": (B, max_detections) float32,
    "classes": (B, max_detections) int32, "num_detections": (B,) int32}`, best first, with -1 in the rows past
    `num_detections`. It is a layer of a network as well as a function of arrays, and compiles on every backend.

    `images` and `image_shape` are taken as in KerasCV; no format needs them, since overlaps of relative boxes are
    those of pixels.

    Args:
        bounding_box_format: see `keras_cv.bounding_box.convert_format`.
        from_logits: whether scores are logits, and not probabilities.
        iou_threshold: 0 to 1; boxes that overlap a better one by more are suppressed.
        confidence_threshold: 0 to 1; boxes with no score above it are dropped.
        max_detections: the number of rows of the result.

    Raises:
        ValueError: for arguments out of their range, and shapes that do not fit.
    """

    def __init__(
        self,
        bounding_box_format,
        from_logits,
        iou_threshold=0.5,
        confidence_threshold=0.5,
        max_detections=100,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # in half precision pixels would be rounded
        check_thresholds(iou_threshold, confidence_threshold)
        check_limits(max_detections=max_detections)
        self.bounding_box_format = known_format(bounding_box_format)
        self.from_logits = from_logits
        self.iou_threshold = iou_threshold
        self.confidence_threshold = confidence_threshold
        self.max_detections = max_detections
        self.built = True

    def call(self, box_prediction, class_prediction, images=None, image_shape=None):
        corners = "rel_xyxy" if is_relative(self.bounding_box_format) else "xyxy"
        boxes = convert_format(box_prediction, self.bounding_box_format, corners)
        detections = self.suppress(boxes, class_prediction)
        return convert_format(detections, corners, self.bounding_box_format)

    def suppress(self, boxes, scores):
        """The detections among boxes in corners, pixels or relative."""
        raise NotImplementedError

    def compute_output_spec(self, box_prediction, class_prediction, images=None, image_shape=None):
        batch, rows = box_prediction.shape[0], self.max_detections
        return {
            "boxes": keras.KerasTensor((batch, rows, 4), "float32"),
            "confidence": keras.KerasTensor((batch, rows), "float32"),
            "classes": keras.KerasTensor((batch, rows), "int32"),
            "num_detections": keras.KerasTensor((batch,), "int32"),
        }


@serializable
class NonMaxSuppression(Suppression):
    """Of boxes of a class that overlap, the one with the highest score. A box counts with its best class.

    KerasCV's layer of this name lets boxes of different classes suppress each other; `class_agnostic=True` does so
    here. The result is exact, see `keras_cv.ops.nms.non_max_suppression`.

    Args:
        bounding_box_format, from_logits, iou_threshold, confidence_threshold, max_detections, and what goes in and
            comes out: as of `Suppression`.
        class_agnostic: whether boxes of different classes suppress each other, too.
        soft_method: `"linear"` or `"gaussian"`: boxes that overlap a better one lose part of their score instead of
            all of it, see `keras_cv.ops.soft_nms.soft_non_max_suppression`. `"gaussian"` has no use for
            `iou_threshold`.
        soft_sigma: how wide the gaussian is.
    """

    def __init__(
        self,
        bounding_box_format,
        from_logits,
        iou_threshold=0.5,
        confidence_threshold=0.5,
        max_detections=100,
        class_agnostic=False,
        soft_method=None,
        soft_sigma=0.5,
        **kwargs,
    ):
        super().__init__(
            bounding_box_format, from_logits, iou_threshold, confidence_threshold, max_detections, **kwargs
        )
        if soft_method is not None:
            check_method(soft_method, soft_sigma)
        self.class_agnostic = class_agnostic
        self.soft_method = soft_method
        self.soft_sigma = soft_sigma

    def suppress(self, boxes, scores):
        limits = (self.iou_threshold, self.confidence_threshold, self.max_detections, self.class_agnostic)
        if self.soft_method is None:
            return non_max_suppression(boxes, scores, *limits, from_logits=self.from_logits)
        soft = (self.soft_method, self.soft_sigma, self.from_logits)
        return soft_non_max_suppression(boxes, scores, *limits, *soft)


@serializable
class MultiClassNonMaxSuppression(Suppression):
    """Of boxes of a class that overlap, the one with the highest score; a box counts with each class above threshold.

    Args:
        bounding_box_format, from_logits, iou_threshold, confidence_threshold, max_detections, and what goes in and
            comes out: as of `Suppression`.
        max_detections_per_class: the most detections of one class.
    """

    def __init__(
        self,
        bounding_box_format,
        from_logits,
        iou_threshold=0.5,
        confidence_threshold=0.5,
        max_detections=100,
        max_detections_per_class=100,
        **kwargs,
    ):
        super().__init__(
            bounding_box_format, from_logits, iou_threshold, confidence_threshold, max_detections, **kwargs
        )
        check_limits(max_detections_per_class=max_detections_per_class)
        self.max_detections_per_class = max_detections_per_class

    def suppress(self, boxes, scores):
        return non_max_suppression(
            boxes,
            scores,
            self.iou_threshold,
            self.confidence_threshold,
            self.max_detections,
            multi_label=True,
            max_detections_per_class=self.max_detections_per_class,
            from_logits=self.from_logits,
        )
