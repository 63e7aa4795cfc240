"""Makes the files in tests/golden/ultralytics with Ultralytics itself: what its YOLOv8 computes with given weights.

Ultralytics is under the AGPL-3.0. It runs in an environment of its own, and nothing of it is kept but numbers that it
computes, and the names and shapes of its tensors:

    python -m venv peers && peers/bin/pip install ultralytics
    peers/bin/python tools/golden/ultralytics_outputs.py

Weights and images follow the rule in `tests/cv/ultralytics_weights.py`, so that no weights are kept either. In
`yolov8<size>.npz` are

    points                          numbers of some of the points
    boxes, classes                  the raw logits there, `(B, points, 64)` and `(B, points, 80)`
    boxes_mean, boxes_std, …        of the logits of all points, by channel
    decoded                         boxes of all points, xyxy in pixels
    detections_<i>                  of image i after non-max suppression: xyxy, confidence and class in each row

No score is nearer than 1e-4 to the threshold or 3e-6 to another, and no overlap nearer than 1e-4 to its threshold, so
that rounding cannot change which boxes are found.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import ultralytics
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.nms import non_max_suppression

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "golden" / "ultralytics"
sys.path.insert(0, str(ROOT / "tests" / "cv"))
from ultralytics_weights import SIZES, images, value  # noqa: E402

CONFIDENCE, OVERLAP = 0.25, 0.7
POINTS = 48


def network(size):
    model = DetectionModel(f"yolov8{size}.yaml", verbose=False).eval()
    state = {name: value(name, tuple(tensor.shape), size) for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return model


def overlaps(boxes):
    """Of all pairs."""
    left_top = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    right_bottom = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(right_bottom - left_top, 0), -1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], -1)
    return shared / (areas[:, None] + areas - shared)


def check_margins(decoded, probabilities, detections):
    """Rounding decides nothing: greedy suppression in float64 finds the same, and nothing is close to a limit.

    Ultralytics moves boxes by 7,680 pixels times their class, so that its float32 overlaps are off by up to 1e-3.
    """
    for boxes, scores, found in zip(decoded.astype("float64"), probabilities, detections, strict=True):
        second, best = np.sort(scores, -1)[:, -2:].T
        kept, label = best > CONFIDENCE, scores.argmax(-1)
        alike = label[kept][:, None] == label[kept]
        margins = {
            "score and threshold": np.abs(best - CONFIDENCE).min() / 1e-4,
            "overlap and threshold": np.abs(overlaps(boxes[kept]) - OVERLAP)[alike].min() / 1e-4,
            "two scores": np.diff(np.sort(best[kept])).min() / 3e-6,
            "two classes": (best - second)[kept].min() / 3e-6,
        }
        print(kept.sum(), "candidates,", len(found), "kept,", len(set(label[kept])), "classes;", margins)
        expected = greedy(boxes[kept], best[kept], label[kept])
        if min(margins.values()) < 1 or not np.array_equal(found[:, 4].numpy(), best[kept][expected]):
            raise ValueError("choose another CLASS_BIAS: rounding would decide")


def greedy(boxes, scores, labels):
    """Indices of the boxes that remain, the surest first."""
    kept = []
    pairs = overlaps(boxes)
    for i in np.argsort(-scores):
        if not any(labels[i] == labels[j] and pairs[i, j] > OVERLAP for j in kept):
            kept.append(i)
    return kept


def main():
    shapes = {}
    for size in SIZES:
        model = network(size)
        shapes[size] = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        x = torch.from_numpy(images().transpose(0, 3, 1, 2) / np.float32(255))
        with torch.inference_mode():
            found, raw = model(x)
        boxes, classes = (raw[key].permute(0, 2, 1).numpy() for key in ("boxes", "scores"))
        detections = non_max_suppression(found, CONFIDENCE, OVERLAP, max_det=300)
        centre, extent = found[:, :2].permute(0, 2, 1).numpy(), found[:, 2:4].permute(0, 2, 1).numpy()
        decoded = np.concatenate([centre - extent / 2, centre + extent / 2], -1)
        check_margins(decoded, found[:, 4:].permute(0, 2, 1).numpy(), detections)
        points = np.sort(np.random.default_rng(0).permutation(boxes.shape[1])[:POINTS])
        arrays = {"points": points, "boxes": boxes[:, points], "classes": classes[:, points], "decoded": decoded}
        for name, logits in (("boxes", boxes), ("classes", classes)):
            arrays |= {f"{name}_mean": logits.mean((0, 1)), f"{name}_std": logits.std((0, 1))}
        arrays |= {f"detections_{i}": rows.numpy() for i, rows in enumerate(detections)}
        print(size, [len(rows) for rows in detections], boxes.std(), classes.std(), classes.mean())
        np.savez_compressed(FOLDER / f"yolov8{size}.npz", **arrays)
    (FOLDER / "shapes.json").write_text(json.dumps(shapes, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    main()
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{total:,} bytes by ultralytics {ultralytics.__version__} and torch {torch.__version__}")
