"""Photographs of scikit-image, small."""

import functools

import numpy as np


@functools.cache
def photographs(size=(48, 64)):
    """Four real pictures, `(4, *size, 3)`, uint8: a face, a cup, a cat, a rocket."""
    import cv2
    from skimage import data

    pictures = [getattr(data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")]
    return np.stack([cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) for p in pictures])
