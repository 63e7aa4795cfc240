"""An image to a given size, by Pillow."""

import numpy as np

from keras_cv.images.decode import pillow

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def resize(image, size, interpolation="bilinear", crop=False, pad=False):
    """A uint8 array `(H, W, C)` as `(height, width, C)`, for `size` = `(height, width)`; smoothed where it shrinks.

    Without `crop` or `pad` the proportions change. `crop` keeps them and cuts what is too much, in equal parts on both
    sides; `pad` keeps them and adds black.
    """
    pil = pillow()
    (height, width), (rows, columns) = size, image.shape[:2]
    box, inner = None, (width, height)
    if crop:
        scale = max(height / rows, width / columns)
        cut_x, cut_y = (columns - width / scale) / 2, (rows - height / scale) / 2
        box = (cut_x, cut_y, columns - cut_x, rows - cut_y)
    elif pad:
        scale = min(height / rows, width / columns)
        inner = max(1, round(columns * scale)), max(1, round(rows * scale))
    method = pil.Resampling[interpolation.upper()]
    planes = pil.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(planes.resize(inner, method, box)).reshape(inner[1], inner[0], -1)
    if inner == (width, height):
        return resized
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    padded = np.zeros((height, width, image.shape[-1]), "uint8")
    padded[top : top + inner[1], left : left + inner[0]] = resized
    return padded
