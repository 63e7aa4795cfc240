"""COCO's twelve numbers, and a table of classes, for detected boxes."""

import dataclasses

import numpy as np

from keras_cv.metrics.average_precision import precision_and_recall
from keras_cv.metrics.matching import IOU_THRESHOLDS
from keras_cv.metrics.records import BoxRecords
from keras_cv.ops.boxes import known_format

# pycocotools' short names and KerasCV's long ones, in pycocotools' order.
NUMBERS = {
    "AP": "MaP",
    "AP50": "MaP@[IoU=50]",
    "AP75": "MaP@[IoU=75]",
    "APs": "MaP@[area=small]",
    "APm": "MaP@[area=medium]",
    "APl": "MaP@[area=large]",
    "ARmax1": "Recall@[max_detections=1]",
    "ARmax10": "Recall@[max_detections=10]",
    "ARmax100": "Recall@[max_detections=100]",
    "ARs": "Recall@[area=small]",
    "ARm": "Recall@[area=medium]",
    "ARl": "Recall@[area=large]",
}


@dataclasses.dataclass
class BoxScores:
    """What `evaluate_boxes` found; printed, it is a table.

    Attributes:
        numbers: COCO's twelve numbers under KerasCV's names, floats in 0-1, or -1 where there was nothing to find.
        classes: for each class, by name or number, a dictionary of `"AP"`, `"AP50"`, `"AP75"`, `"AR"` (recall with up
            to 100 detections), as above, and `"boxes"`, the number of true boxes, but for crowds and difficult ones.
    """

    numbers: dict
    classes: dict

    def __str__(self):
        width = max([len(name) for name in (*self.numbers, *map(str, self.classes))])
        lines = [f"{name:<{width}}  {value:7.4f}" for name, value in self.numbers.items()]
        lines += ["", f"{'class':<{width}}       AP    AP50    AP75      AR  boxes"]
        for name, row in self.classes.items():
            scores = " ".join(f"{row[key]:7.4f}" for key in ("AP", "AP50", "AP75", "AR"))
            lines.append(f"{name!s:<{width}}  {scores} {row['boxes']:6d}")
        return "\n".join(lines)


def evaluate_boxes(y_true, y_pred, bounding_box_format, image_shape=None, class_names=None):
    """Compares detections with the truth: mean average precision and recall, equal to those of pycocotools.

    Precision is the mean over 101 values of recall, over IoU from 0.5 to 0.95 in steps of 0.05 unless the name says
    another, and over the classes that have true boxes. Small boxes have an area of up to 32 x 32 pixels, large ones of
    96 x 96 and more. Where two detections are equally sure, the one that comes first counts first.

    Args:
        y_true: `{"boxes": (B, N, 4), "classes" or "labels": (B, N)}`. Rows of a negative class are padding. Images of
            unequal numbers of boxes may be lists of arrays or ragged tensors as well. `"is_crowd"`, `(B, N)`, marks
            boxes around many objects, `"is_difficult"` difficult ones: finding them is neither right nor wrong, in a
            crowd as often as one likes. `"area"`, `(B, N)` in square pixels, takes the place of width times height to
            tell small from large, as in COCO's own annotations. One image, `(N, 4)`, and a list of such dictionaries,
            of images or batches, do as well.
        y_pred: the same images, `"confidence"`, `(B, N)`, and optionally `"num_detections"`, `(B,)`, the rows that
            count. No more than the 100 surest of a class in an image are looked at.
        bounding_box_format: the format of the boxes of both, see `keras_cv.bounding_box.convert_format`.
        image_shape: `(H, W)`, `(H, W, C)` or `(B, 2)`, which relative formats need, since areas are in pixels.
        class_names: a list, or a dictionary from numbers to names. Only these classes may occur then, and all of them
            have a line in the table.

    Returns:
        `BoxScores`.

    Raises:
        ValueError: for numbers that are not finite, numbers of images that differ, arrays whose shapes do not go
            together, classes without a name, and tensors inside a compiled step.
    """
    records = BoxRecords()
    formats = [known_format(bounding_box_format)] * 2
    y_true, y_pred = ([x] if isinstance(x, dict) else list(x) for x in (y_true, y_pred))
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true and y_pred must go together; got {len(y_true)} and {len(y_pred)} dictionaries.")
    for truth, detections in zip(y_true, y_pred, strict=True):
        sizes = image_shape[records.count :] if np.ndim(image_shape) == 2 else image_shape
        records.add(truth, detections, formats, sizes)
    return evaluate_records(records, class_names)


def evaluate_records(records, class_names=None):
    """`BoxScores` of `BoxRecords`."""
    truths, detections = records.truths, records.detections
    classes = np.unique(truths["class"])
    names = as_dictionary(class_names)
    if names is not None:
        found = set(classes.tolist()) | set(detections["class"].tolist())
        if unknown := sorted(found - set(names)):
            raise ValueError(f"class_names has no name for the classes {unknown[:10]}; it names {sorted(names)}.")
        classes = np.array(sorted(names), "int64")
    precision, recall = precision_and_recall(truths, detections, classes)
    half, three_quarters = (int(np.argmin(abs(IOU_THRESHOLDS - iou))) for iou in (0.5, 0.75))
    parts = (
        precision[:, :, 0],
        precision[:, half, 0],
        precision[:, three_quarters, 0],
        *(precision[:, :, area] for area in (1, 2, 3)),
        *(recall[:, :, 0, limit] for limit in (0, 1, 2)),
        *(recall[:, :, area, 2] for area in (1, 2, 3)),
    )
    numbers = {name: mean(part) for name, part in zip(NUMBERS.values(), parts, strict=True)}
    rows = {}
    for k, number in enumerate(classes.tolist()):
        rows[number if names is None else names[number]] = {
            "AP": mean(precision[k, :, 0]),
            "AP50": float(precision[k, half, 0]),
            "AP75": float(precision[k, three_quarters, 0]),
            "AR": mean(recall[k, :, 0, 2]),
            "boxes": int(((truths["class"] == number) & ~truths["crowd"] & ~truths["difficult"]).sum()),
        }
    return BoxScores(numbers, rows)


def mean(values):
    """The mean of what could be evaluated; -1 where nothing could."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def as_dictionary(class_names):
    """Names by number, or None."""
    if class_names is None:
        return None
    pairs = class_names.items() if isinstance(class_names, dict) else enumerate(class_names)
    names = {int(number): str(name) for number, name in pairs}
    if len(set(names.values())) < len(names):
        raise ValueError(f"class_names must differ from each other; got {list(names.values())}.")
    return names
