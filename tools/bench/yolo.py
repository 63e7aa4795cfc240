"""The checkpoint of a YOLOv8 that all contestants load: random weights, as Ultralytics saves and exports them.

Usage: python tools/bench/yolo.py SHAPE float32 FOLDER     (with ultralytics)

Writes model.pt, model-1.onnx and model-8.onnx, whose batches have that many pictures, the fastest form.
"""

import json
import shutil
import sys
from pathlib import Path

import sides  # noqa: F401  before torchvision is imported
import torch
from rows import YOLO_SHAPES
from ultralytics import YOLO


def write(shape, folder):
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.pt"
    YOLO(f"{YOLO_SHAPES[shape]}.yaml").save(file)
    for size in (1, 8):
        exported = YOLO(file).export(format="onnx", imgsz=640, batch=size)
        shutil.move(exported, folder / f"model-{size}.onnx")
    (folder / "config.json").write_text(json.dumps({"model": YOLO_SHAPES[shape]}))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[3]))
