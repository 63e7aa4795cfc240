"""Mirrors images."""

import numpy as np

from keras_cv.layers.image_layer import RandomImageLayer
from keras_cv.ops.resampling import opencv
from keras_zoo.config import serializable

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


@serializable
class RandomFlip(RandomImageLayer):
    """Mirrors each image with a chance of `rate`, each way by itself.

    Args:
        mode: `"horizontal"` (left and right change places), `"vertical"` or `"horizontal_and_vertical"`.
        rate: how often, in [0, 1].
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`.
    """

    def __init__(self, mode="horizontal", rate=0.5, **kwargs):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must lie in [0, 1]; got {rate}.")
        self.mode = mode
        self.rate = rate

    def draw(self, random, count, height, width):
        flips = random.random((2, count)) < self.rate
        return {axis: flips[i] & (axis in self.mode) for i, axis in enumerate(("horizontal", "vertical"))}

    def images(self, images, p):
        flipped = np.empty(images.shape, images.dtype)
        rows = zip(images, p["horizontal"], p["vertical"], flipped, strict=True)
        for image, horizontal, vertical, out in rows:
            mirror(image, horizontal, vertical, out)
        return flipped

    masks = images

    def boxes(self, boxes, p, size):
        height, width = size
        x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)
        across, down = p["horizontal"][:, None], p["vertical"][:, None]
        x1, x2 = np.where(across, width - x2, x1), np.where(across, width - x1, x2)
        y1, y2 = np.where(down, height - y2, y1), np.where(down, height - y1, y2)
        return np.stack([x1, y1, x2, y2], -1)


def mirror(image, horizontal, vertical, out):
    """Writes an image `(H, W, C)` of any dtype into `out`, left and right, top and bottom exchanged if so said."""
    if (horizontal or vertical) and image.dtype in ("uint8", "float32") and image.shape[-1] <= 4:
        opencv().flip(image, -1 if horizontal and vertical else int(horizontal), dst=out)  # 40 times as fast
    else:
        np.copyto(out, image[:: -1 if vertical else 1, :: -1 if horizontal else 1])
