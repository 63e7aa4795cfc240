"""A callback that evaluates a detector after each epoch."""

import keras
import numpy as np

from keras_cv.metrics.evaluation import NUMBERS, as_dictionary, evaluate_records
from keras_cv.metrics.records import BoxRecords
from keras_cv.ops.boxes import is_relative, known_format
from keras_zoo import feeding, tfdata


class PyCOCOCallback(keras.callbacks.Callback):
    """Evaluates a detector at the end of each epoch and logs COCO's twelve numbers.

    They are called `val_AP` (mean over IoU 0.5 to 0.95), `val_AP50`, `val_AP75`, `val_APs`, `val_APm`, `val_APl`,
    `val_ARmax1`, `val_ARmax10`, `val_ARmax100`, `val_ARs`, `val_ARm` and `val_ARl`, are in 0-1, or -1 where there is
    nothing to find. Callbacks after this one in the list can monitor them: `EarlyStopping("val_AP", mode="max")`,
    which has to be told that more is better.

    Images go through `model.predict` batch by batch, and the dictionary it gives is compared with the boxes of the same
    batch, so the order of the images does not matter. pycocotools is not needed.

    Args:
        validation_data: a data set (tf.data, `PyDataset`, torch's `DataLoader`, a list of batches) of
            `(images, boxes)` or `{"images", "bounding_boxes"}`, or one such pair in memory; boxes as
            `keras_cv.metrics.evaluate_boxes` takes them, images as the model's `predict` does.
        bounding_box_format: the format of the boxes in `validation_data`. Predictions are in the model's
            `bounding_box_format` where it has one, otherwise in the same as the data.
        cache: keeps the batches in memory after the first epoch, as KerasCV does, so that reading and preparing them
            is done once. With False they are asked for each time; a generator then has nothing more to give.
        class_names: a list, or a dictionary from numbers to names; by default the model's or the data's `class_names`.
        confidence_threshold: for detectors that have one: precision at every recall counts unsure detections, too.

    Attributes:
        scores: the last `BoxScores`, whose `print` is a table of classes; None before.

    Raises `ValueError` for data without boxes, for predictions that are no dictionary of boxes, and as `evaluate_boxes`
    does.
    """

    def __init__(self, validation_data, bounding_box_format, cache=True, class_names=None, confidence_threshold=0.001):
        super().__init__()
        self.validation_data = validation_data
        self.bounding_box_format = known_format(bounding_box_format)
        if not cache and feeding.kind(validation_data) == "generator":
            raise ValueError("A generator yields its batches once: give cache=True, or a data set.")
        self.cache = cache
        self.confidence_threshold = confidence_threshold
        self.cached = None
        self.class_names = class_names if class_names is not None else getattr(validation_data, "class_names", None)
        as_dictionary(self.class_names)
        self.scores = None

    def on_epoch_end(self, epoch, logs=None):
        self.scores = self.evaluate()
        if logs is not None:
            logs.update({f"val_{short}": self.scores.numbers[name] for short, name in NUMBERS.items()})

    def evaluate(self):
        """`BoxScores` of what the model predicts now."""
        records = BoxRecords()
        predicted = getattr(self.model, "bounding_box_format", None) or self.bounding_box_format
        formats = self.bounding_box_format, known_format(predicted)
        detector = hasattr(self.model, "confidence_threshold")
        options = {"confidence_threshold": self.confidence_threshold} if detector else {}
        for images, boxes in self.batches():
            detections = self.model.predict(images, verbose=0, **options)
            if not isinstance(detections, dict):
                raise ValueError(f"The model's predict must give a dictionary of boxes; got {type(detections)}.")
            sizes = sizes_of(images) if any(map(is_relative, formats)) else None
            records.add(boxes, detections, formats, sizes)
        names = self.class_names if self.class_names is not None else getattr(self.model, "class_names", None)
        return evaluate_records(records, names)

    def batches(self):
        if self.cached is not None:
            return self.cached
        data = self.validation_data
        if feeding.kind(data) is None and not isinstance(data, list):
            data = [data]
        batches = map(unpack, feeding.batches(data))
        if self.cache:
            batches = self.cached = list(batches)
        return batches


def unpack(batch):
    """`(images, boxes)` of a batch, images in NumPy, or a list of such where they are of unequal sizes."""
    if isinstance(batch, dict):
        images, boxes = batch.get("images"), batch.get("bounding_boxes")
    else:
        images, boxes = batch if isinstance(batch, list | tuple) and len(batch) == 2 else (None, None)
        boxes = boxes.get("bounding_boxes", boxes) if isinstance(boxes, dict) else None
    if images is None or not isinstance(boxes, dict):
        keys = sorted(batch) if isinstance(batch, dict) else type(batch).__name__
        raise ValueError(f"validation_data must have (images, boxes) or a dictionary of both for batches; got {keys}.")
    return tfdata.as_rows(images), boxes


def sizes_of(images):
    """Height and width of each image, `(B, 2)`."""
    shapes = [np.shape(image)[:2] for image in images if hasattr(image, "shape")]
    if len(shapes) < len(images):
        raise ValueError(
            "Relative boxes are evaluated in pixels, so images must be arrays whose size can be told; got "
            f"{next(type(image).__name__ for image in images if not hasattr(image, 'shape'))}."
        )
    return np.array(shapes, "int64").reshape(-1, 2)
