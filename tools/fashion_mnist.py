"""Fashion-MNIST, from the Debian package `dataset-fashion-mnist`."""

import gzip
import subprocess
from pathlib import Path

import numpy as np

PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def read(work, part):
    """`(images, labels)` of `"train"` or `"t10k"`: uint8 `(N, 28, 28)`, white on black, and whole numbers `(N,)`.

    The package is fetched into the folder `work` unless it is installed.
    """
    folder = INSTALLED
    if not folder.is_dir():
        folder = work / "usr/share/datasets/fashion-mnist"
        if not folder.is_dir():
            subprocess.run(["apt-get", "download", PACKAGE], cwd=work, check=True)
            subprocess.run(["dpkg-deb", "-x", str(next(work.glob(f"{PACKAGE}_*.deb"))), str(work)], check=True)
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(images, "uint8", offset=16).reshape(-1, 28, 28), np.frombuffer(labels, "uint8", offset=8)
