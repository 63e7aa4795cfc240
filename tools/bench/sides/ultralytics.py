"""Ultralytics' YOLOv8 in torch: the forward pass with decoding, without suppression."""

from pathlib import Path

import torch

import sides


def load(folder, dtype, int8):
    from ultralytics import YOLO

    return YOLO(Path(folder, "model.pt")).model.float().fuse(verbose=False).eval()


@torch.inference_mode()
def detect(model, work):
    return sides.run_images(lambda x: model(torch.from_numpy(x)), work, channels_last=False)
