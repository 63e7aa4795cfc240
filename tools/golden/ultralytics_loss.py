"""Makes tests/golden/ultralytics_loss.npz: what Ultralytics' detection loss and its gradients are on random outputs.

Ultralytics is AGPL-3.0: it runs in an environment of its own, and only numbers come out of it.

    python -m venv peers && peers/bin/pip install ultralytics
    peers/bin/python tools/golden/ultralytics_loss.py

Each case is a batch of images of 64×96 pixels: logits `boxes` `(B, A, 4 * 16)` and `classes` `(B, A, C)`, truth
`truth_boxes` `(B, N, 4)` xyxy in pixels and `truth_classes` `(B, N)`; `losses`, the three parts, not multiplied by the
batch size; the gradients of their sum; and what its assigner gave. Logits are such that many predictions overlap their
object, some do not, and points are disputed. `tiny` has objects of a few pixels, `empty` an image without any, `none`
no object at all. `published` is the assignment as it was at first, where a small box is not widened.
"""

import types
from pathlib import Path

import numpy as np
import torch
from ultralytics.utils.loss import v8DetectionLoss

FILE = Path(__file__).parent.parent.parent / "tests" / "golden" / "ultralytics_loss.npz"
HEIGHT, WIDTH, BINS, CLASSES, STRIDES = 64, 96, 16, 5, (8, 16, 32)
CASES = {"many": (3, 12, 90), "tiny": (2, 6, 12), "empty": (2, 4, 60), "none": (2, 0, 60), "published": (2, 6, 12)}


def truth(random, batch, count, largest):
    """Boxes within the image, with sides of up to `largest` pixels, and their classes."""
    size = random.uniform(3, largest, (batch, count, 2)).clip(max=[WIDTH - 2, HEIGHT - 2])
    corner = random.uniform(0, 1, (batch, count, 2)) * ([WIDTH, HEIGHT] - size)
    boxes = np.concatenate([corner, corner + size], -1).astype("float32")
    return boxes, random.integers(0, CLASSES, (batch, count))


def criterion():
    head = types.SimpleNamespace(stride=torch.tensor(STRIDES, dtype=torch.float32), nc=CLASSES, reg_max=BINS)
    head.no = head.nc + 4 * head.reg_max
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(1))
    model.args = types.SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    model.model = [head]
    return v8DetectionLoss(model)


def case(random, name, batch, count, largest):
    points = sum(HEIGHT // s * (WIDTH // s) for s in STRIDES)
    boxes = random.normal(0, 1.5, (batch, points, 4 * BINS)).astype("float32")
    boxes -= np.tile(np.linspace(0, 4, BINS, dtype="float32"), 4)  # short distances more often than long ones
    boxes = np.round(boxes * 8) / 8  # exact in half precision
    classes = np.round(random.normal(-2, 2, (batch, points, CLASSES)) * 8).astype("float32") / 8
    truth_boxes, truth_classes = truth(random, batch, count, largest)
    if name == "empty":
        truth_boxes[1], truth_classes[1] = -1, -1
        truth_boxes[0, 2:], truth_classes[0, 2:] = -1, -1
    real = truth_classes >= 0
    corners = truth_boxes[real]
    size = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    xywh = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], -1)
    labels = {
        "batch_idx": torch.tensor(np.nonzero(real)[0], dtype=torch.float32),
        "cls": torch.tensor(truth_classes[real], dtype=torch.float32)[:, None],
        "bboxes": torch.tensor(xywh).reshape(-1, 4) / size,
    }
    loss = criterion()
    if name == "published":
        loss.assigner.stride_val = 0
    given = {}
    assign = loss.assigner.forward

    def kept(*args, **kwargs):
        given["assigned"] = assign(*args, **kwargs)
        return given["assigned"]

    loss.assigner.forward = kept
    raw = {"boxes": torch.tensor(boxes).requires_grad_(), "scores": torch.tensor(classes).requires_grad_()}
    outputs = {key: value.permute(0, 2, 1) for key, value in raw.items()}
    outputs["feats"] = [torch.zeros(batch, 1, HEIGHT // s, WIDTH // s) for s in STRIDES]
    losses, _ = loss(outputs, labels)
    (losses.sum() / batch).backward()
    scores = given["assigned"][2]
    return {
        "boxes": boxes.astype("float16"),
        "classes": classes.astype("float16"),
        "truth_boxes": truth_boxes,
        "truth_classes": truth_classes.astype("int8"),
        "losses": losses.detach().numpy() / batch,
        "boxes_gradient": raw["boxes"].grad.numpy(),
        "classes_gradient": raw["scores"].grad.numpy(),
        "target_scores": scores.numpy().astype("float32"),
    }


def main():
    random = np.random.default_rng(0)
    arrays = {}
    for name, settings in CASES.items():
        found = case(random, name, *settings)
        print(name, found["losses"], "assigned", int((found["target_scores"].sum(-1) > 0).sum()))
        arrays |= {f"{name}/{key}": value for key, value in found.items()}
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
