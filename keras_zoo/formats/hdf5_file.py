"""Weight files of Keras, `*.weights.h5` and their shards: what they hold is checked, then read by plain reads.

Keras stores all data sets contiguously, so the values are read like those of a safetensors file, one tensor at a time.
Where they lie is found by `keras_zoo.formats.hdf5_structure`; nothing that the format can do besides is ever followed:
links, other files, filters, conversions.
"""

from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo.errors import PresetError
from keras_zoo.formats import hdf5_structure
from keras_zoo.formats.files import opened, weight_files
from keras_zoo.formats.hdf5_structure import Structure
from keras_zoo.formats.safetensors_file import Tensor, check_together, merged

DEEPEST = 32  # groups inside groups; Keras makes a handful


def open_tensors(folder, stem="model"):
    """`{path in the file: Tensor}` of `model.weights.h5`, or of all shards that `model.weights.json` names."""
    index = f"{stem}.weights.json"
    return merged(weight_files(folder, f"{stem}.weights.h5", index), read_header, index)


def read_header(path):
    """`{path in the file: Tensor}` of one file; every size is checked against the file, nothing is read yet."""
    path = Path(path)
    try:
        with opened(path) as (file, size):
            structure = Structure(file, size)
            tensors = {name: locate(path, name, found, size) for name, found in datasets(path, structure)}
        check_together(tensors, size)
        return tensors
    except PresetError:
        raise
    except ValueError as error:
        raise PresetError(
            f"{path} is not a whole HDF5 file as Keras writes it (truncated or corrupt): {error}"
        ) from None


def datasets(path, structure):
    """All data sets below the root, `(name, Object)`; each must have one name, a hard link."""
    waiting, seen = [("", structure.root)], set()
    while waiting:
        prefix, address = waiting.pop()
        name = prefix.rstrip("/")
        if address in seen or prefix.count("/") > DEEPEST:
            raise refused(path, name, f"is there under two names, or below {DEEPEST} groups")
        seen.add(address)
        found = structure.object_at(address)
        if found.other.intersection(hdf5_structure.NEW_LINKS):
            raise refused(path, name or "its root", "is a group with links as Keras makes none, such as to other files")
        if found.group is None:
            if found.layout is None:
                raise refused(path, name or "its root", "is neither a group nor a data set")
            yield name, found
            continue
        for key, target in structure.links(found.group):
            if target is None:
                raise refused(path, f"{prefix}{key}", "is a soft link; only what lies in the file itself is read")
            waiting.append((f"{prefix}{key}/", target))


def locate(path, name, found, size):
    """Where the values of a data set lie: a `Tensor`."""
    layout, offset = found.layout
    if layout != 1 or hdf5_structure.EXTERNAL in found.other:
        raise refused(path, name, "is stored in chunks, compressed, virtual or in other files; Keras stores it whole")
    dtype = found.dtype
    if dtype == "<2 bytes>" and found.attributes.get("dtype") == "bfloat16":  # as Keras marks it
        dtype = "bfloat16"
    if dtype is None or dtype.startswith("<") or found.shape is None:
        raise refused(path, name, f"is of the type {dtype}; weights are whole numbers or floats, little-endian")
    tensor = Tensor(path, np.dtype(getattr(ml_dtypes, dtype, dtype)), found.shape, offset)
    if tensor.nbytes == 0:
        tensor.offset = 0  # what is empty may have no place
    elif offset + tensor.nbytes > size:
        offset = "no place" if offset == hdf5_structure.UNDEFINED else offset
        raise refused(path, name, f"{found.shape} takes {tensor.nbytes} bytes at {offset}; the file ends at {size}")
    return tensor


def refused(path, name, reason):
    return PresetError(f"{path} is refused: {name} {reason}.")
