"""The folders that KerasHub saved, and what it computed with them; made by `tools/golden/keras_hub_folders.py`."""

import json
import shutil
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden" / "keras_hub"
SHARED = GOLDEN / "bert_text_classifier" / "model.weights.h5"  # of all tasks of BERT


def copied(case, folder):
    """A copy of a case below `folder`, whole, as KerasHub saved it."""
    shutil.copytree(GOLDEN / case, folder / case)
    if not list((folder / case).glob("model*")):
        shutil.copy(SHARED, folder / case)
    return folder / case


def golden(case):
    """`{name: array}`: inputs and KerasHub's outputs."""
    return dict(np.load(GOLDEN / f"{case}.npz"))


def edit(path, change):
    """Lets `change` alter the object in a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
