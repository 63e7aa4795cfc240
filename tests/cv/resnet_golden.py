"""The folders that KerasHub and KerasCV saved, and what they computed; made by the programs in `tools/golden/`."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden"
IMAGES = "resnet_images"


def copied(case, folder):
    """A copy of a case such as `"keras_cv/resnet_basic"` below `folder`, as it was saved: HDF5 files unpacked."""
    target = folder / case
    shutil.copytree(GOLDEN / case, target)
    for path in target.glob("*.h5.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return target


def golden(case):
    """`{name: array}`: outputs of the library that saved the case."""
    return dict(np.load(GOLDEN / f"{case}.npz"))


def images(case, backbone):
    """What the outputs are of, float32 `(2, 37, 50, 3)`, in the range that the network takes."""
    pixels = golden(f"{case.partition('/')[0]}/{IMAGES}")["images"].astype("float32")
    return pixels if backbone.include_rescaling else pixels / 255


def edit(path, change):
    """Lets `change` alter the object in a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
