"""Random sets of boxes, and what pycocotools says of them."""

import contextlib
import io

import numpy as np


def random_set(random, images=12, classes=4, most=8, scale=200.0, step=None, levels=None, extra=6, crowds=0.0):
    """Truth and detections as lists of one dictionary an image, boxes xywh; some images have none of either.

    Detections are moved copies of the truth, of the right class mostly, and others at random. `step` rounds boxes, so
    that overlaps meet thresholds and each other; `levels` rounds confidence, so that it is tied.
    """
    truths, detections = [], []
    for _ in range(images):
        count = int(random.integers(0, most + 1)) * int(random.random() > 0.15)
        size = scale * random.random((count, 2)) ** 2
        boxes = np.concatenate([random.random((count, 2)) * scale, size], -1)
        labels = random.integers(0, classes, count)
        truths.append({"boxes": boxes, "classes": labels, "is_crowd": random.random(count) < crowds})
        copies = random.integers(0, 3, count)
        moved = np.repeat(boxes, copies, 0)
        moved = moved + random.normal(size=moved.shape) * 0.08 * np.tile(moved[:, 2:], 2)
        others = random.random((int(random.integers(0, extra + 1)), 4)) * scale
        found = np.concatenate([moved, others])
        found[:, 2:] = np.maximum(found[:, 2:], 0)
        named = np.concatenate([np.repeat(labels, copies), random.integers(0, classes, len(others))])
        named = np.where(random.random(len(named)) < 0.1, random.integers(0, classes, len(named)), named)
        detections.append({"boxes": found, "classes": named, "confidence": random.random(len(named))})
        if random.random() < 0.1:
            detections[-1] = {key: value[:0] for key, value in detections[-1].items()}
    for one in truths + detections:
        if step is not None:
            one["boxes"] = np.round(one["boxes"] / step) * step
        if levels is not None and "confidence" in one:
            one["confidence"] = np.round(one["confidence"] * levels) / levels
    return truths, detections


def pycocotools_scores(truths, detections, classes=None):
    """The twelve numbers, and `{class: (AP, AP50, AP75, AR)}`, of lists of dictionaries with boxes xywh."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def annotations(dictionaries):
        for image, one in enumerate(dictionaries):
            for i, box in enumerate(np.asarray(one["boxes"], "float64").reshape(-1, 4).tolist()):
                row = {"image_id": image, "category_id": int(one["classes"][i]), "bbox": box}
                row["area"] = float(one["area"][i]) if "area" in one else box[2] * box[3]
                row["iscrowd"] = int(one["is_crowd"][i]) if "is_crowd" in one else 0
                if "confidence" in one:
                    row["score"] = float(one["confidence"][i])
                yield row

    if classes is None:
        classes = sorted({int(label) for one in truths for label in one["classes"]})
    with contextlib.redirect_stdout(io.StringIO()):
        pair = []
        for dictionaries in (truths, detections):
            coco = COCO()
            rows = [{**row, "id": number + 1} for number, row in enumerate(annotations(dictionaries))]
            images = [{"id": number} for number in range(len(truths))]
            coco.dataset = {"images": images, "categories": [{"id": c} for c in classes], "annotations": rows}
            coco.createIndex()
            pair.append(coco)
        evaluation = COCOeval(*pair, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()

    def mean(values):
        return float(values[values > -1].mean()) if (values > -1).any() else -1.0

    precision, recall = evaluation.eval["precision"][..., 0, -1], evaluation.eval["recall"][:, :, 0, -1]
    by_class = {
        c: (mean(precision[:, :, k]), mean(precision[0, :, k]), mean(precision[5, :, k]), mean(recall[:, k]))
        for k, c in enumerate(classes)
    }
    return evaluation.stats, by_class
