"""COCO's numbers for detected boxes, as a Keras metric."""

import keras

from keras_cv.metrics.evaluation import NUMBERS, as_dictionary, evaluate_records
from keras_cv.metrics.records import BoxRecords
from keras_cv.ops.boxes import known_format
from keras_zoo.config import serializable


@serializable
class BoxCOCOMetrics(keras.metrics.Metric):
    """Mean average precision and recall of detected boxes, COCO's twelve numbers, equal to those of pycocotools.

    `update_state(y_true, y_pred)` takes dictionaries of boxes, see `evaluate_boxes`; `result()` is a dictionary of
    floats in 0-1, under KerasCV's names: `"MaP"`, `"MaP@[IoU=50]"`, `"MaP@[IoU=75]"`, `"MaP@[area=small]"`, `medium`,
    `large`, `"Recall@[max_detections=1]"`, `10`, `100`, `"Recall@[area=small]"`, `medium`, `large`. A number is -1
    while there is nothing to evaluate, such as no true box of that size; KerasCV says 0 there. A name of one's own
    goes before each, with `_` between.

    Boxes are kept in NumPy on the host until `reset_state`, and each evaluation looks at all of them. So the metric
    cannot run in a compiled step: use it after `predict`, in a step with `run_eagerly=True`, or by the callback
    `keras_cv.callbacks.PyCOCOCallback`.

    Args:
        bounding_box_format: the format of the boxes in `y_true` and `y_pred`.
        evaluate_freq: `result()` is new after each so many updates and stays as it was in between, since an
            evaluation of many images takes seconds. None for one that is always new. `result(force=True)` always is.
        name: what the metric is called.
        image_shape: `(H, W)` or `(H, W, C)` of the images, which relative formats need.
        class_names: a list, or a dictionary from numbers to names, for `scores()`.
        dtype: accepted for Keras' sake; numbers are floats.

    Raises `ValueError` as `evaluate_boxes` does.
    """

    def __init__(
        self, bounding_box_format, evaluate_freq=None, name=None, image_shape=None, class_names=None, dtype=None
    ):
        super().__init__(dtype, name)
        if evaluate_freq is not None and not evaluate_freq >= 1:
            raise ValueError(f"evaluate_freq must be None or a number of updates, at least 1; got {evaluate_freq!r}.")
        self.bounding_box_format = known_format(bounding_box_format)
        self.evaluate_freq = evaluate_freq
        self.image_shape = image_shape
        self.class_names = class_names
        as_dictionary(class_names)
        self.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            raise ValueError(f"{type(self).__name__} takes no sample_weight; mark boxes by is_crowd instead.")
        self.records.add(y_true, y_pred, [self.bounding_box_format] * 2, self.image_shape)
        self.updates += 1
        self.due = self.evaluate_freq is None
        if not self.due and self.updates % self.evaluate_freq == 0:
            self.numbers = self.scores().numbers

    def result(self, force=False):
        if force or self.due:
            self.numbers, self.due = self.scores().numbers, False
        prefix = "" if self.name.startswith("box_coco_metrics") else f"{self.name}_"
        return {prefix + name: value for name, value in self.numbers.items()}

    def scores(self):
        """All that has been found so far as `BoxScores`, with a table of classes."""
        return evaluate_records(self.records, self.class_names)

    def reset_state(self):
        self.records = BoxRecords()
        self.numbers = dict.fromkeys(NUMBERS.values(), -1.0)
        self.updates, self.due = 0, False

    def get_config(self):
        names = ("bounding_box_format", "evaluate_freq", "image_shape", "class_names")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
