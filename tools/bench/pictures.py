"""Writes pictures to augment into a file of NumPy, `(COUNT, SIZE, SIZE, 3)` uint8: parts of four photographs.

Usage: python tools/bench/pictures.py COUNT SIZE FILE     (with scikit-image and Pillow)
"""

import sys

import numpy as np
from PIL import Image
from skimage import data

NAMES = ("astronaut", "coffee", "chelsea", "rocket")


def part(random, size):
    """A random square of a random photograph, at least half of its shorter side, at the wanted size."""
    photograph = Image.fromarray(getattr(data, random.choice(NAMES))())
    side = int(min(photograph.size) * random.uniform(0.5, 1))
    left, top = (int(random.integers(length - side + 1)) for length in photograph.size)
    return np.asarray(photograph.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS))


if __name__ == "__main__":
    count, size = map(int, sys.argv[1:3])
    random = np.random.default_rng(0)
    with open(sys.argv[3], "wb") as file:
        np.save(file, np.stack([part(random, size) for _ in range(count)]))
