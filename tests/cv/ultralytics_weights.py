"""Weights and images for YOLOv8 by a rule, so that two programs have the same without a file. NumPy alone is needed.

`tools/golden/ultralytics_outputs.py` gives them to Ultralytics' modules, tests to ours. Names and shapes are those of
Ultralytics' state dicts, which `tests/golden/ultralytics/shapes.json` lists.
"""

import re
import zlib

import numpy as np

IMAGE_SIZE = (160, 192)
IMAGES = 2
SIZES = ("n", "s", "m")
CLASS_BIAS = {"n": -8.0, "s": -5.3, "m": -5.0}  # such that some tens of boxes are above the threshold
LAST = re.compile(r"model\.22\.cv[23]\.[012]\.2\.(weight|bias)")  # the convolutions that give logits
DFL = "model.22.dfl.conv.weight"


def value(name, shape, size):
    """The tensor `name` of YOLOv8 `size`, float32: its random numbers depend on the name alone.

    Kernels keep the size of activations behind a SiLU, and differ between places of an image, since their sum is 0;
    statistics of the normalisations are away from 0 and 1.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    if name == DFL:
        found = np.arange(16.0).reshape(shape)
    elif kind == "num_batches_tracked":
        return np.zeros(shape, "int64")
    elif len(shape) == 4:
        found = random.normal(0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
        found = (found - found.mean((1, 2, 3), keepdims=True)) * (4 if LAST.fullmatch(name) else 1)
    elif kind == "running_var":
        found = random.uniform(0.5, 1.5, shape)
    elif kind == "weight":
        found = random.uniform(0.6, 1.4, shape)
    else:  # biases and running means
        found = random.normal(0, 0.2, shape)
        found += CLASS_BIAS[size] if LAST.fullmatch(name) and ".cv3." in name else 0
    return found.astype("float32")


def images():
    """uint8 `(IMAGES, height, width, 3)`: noise at several scales, so that places differ."""
    random, (height, width) = np.random.default_rng(6), IMAGE_SIZE
    total = np.zeros((IMAGES, height, width, 3))
    for cell in (32, 16, 8, 4, 1):
        cells = random.uniform(-1, 1, (IMAGES, height // cell, width // cell, 3))
        total += cells.repeat(cell, 1).repeat(cell, 2)
    low, high = total.min(), total.max()
    return np.round((total - low) / (high - low) * 255).astype("uint8")
