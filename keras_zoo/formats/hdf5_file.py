"""Weight files of Keras, `*.weights.h5` and their shards: what they hold is checked, then read by plain reads.

The HDF5 library is asked only where each data set lies; Keras stores all of them contiguously. So the values are read
like those of a safetensors file, one tensor at a time, and nothing that the format can do besides is ever followed:
links, other files, filters, conversions.
"""

from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import weight_files
from keras_zoo.formats.safetensors_file import Tensor

DEEPEST = 32  # groups inside groups; Keras makes a handful


def open_tensors(folder, stem="model"):
    """`{path in the file: Tensor}` of `model.weights.h5`, or of all shards that `model.weights.json` names."""
    tensors, index = {}, f"{stem}.weights.json"
    for file in weight_files(folder, f"{stem}.weights.h5", index):
        found = read_header(file)
        if twice := sorted(set(found) & set(tensors)):
            raise PresetError(f"{file} holds {twice[:5]}, which another shard of {index} holds as well.")
        tensors |= found
    return tensors


def read_header(path):
    """`{path in the file: Tensor}` of one file; every size is checked against the file, nothing is read yet."""
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return {name: locate(path, name, dataset) for name, dataset in datasets(path, file)}
    except PresetError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:  # whatever h5py raises
        raise PresetError(f"{path} is not a whole HDF5 file (truncated or corrupt): {error}") from None


def datasets(path, file):
    """All data sets below the root, `(name, dataset)`; each must have one name, a hard link."""
    import h5py

    waiting, seen = [("", file)], {file.id}
    while waiting:
        prefix, group = waiting.pop()
        for key in group:
            name, link = f"{prefix}{key}", group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise refused(path, name, f"is a {type(link).__name__}; only what lies in the file itself is read")
            item = group[key]
            if not isinstance(item, h5py.Group | h5py.Dataset):
                raise refused(path, name, "is neither a group nor a data set")
            if item.id in seen or name.count("/") >= DEEPEST:
                raise refused(path, name, f"is there under two names, or below {DEEPEST} groups")
            seen.add(item.id)
            if isinstance(item, h5py.Dataset):
                yield name, item
            else:
                waiting.append((f"{name}/", item))


def locate(path, name, dataset):
    """Where the values of a data set lie: a `Tensor`."""
    import h5py

    plist = dataset.id.get_create_plist()
    if plist.get_layout() != h5py.h5d.CONTIGUOUS or plist.get_external_count():
        raise refused(path, name, "is stored in chunks, compressed, virtual or in other files; Keras stores it whole")
    dtype = dtype_of(dataset)
    if dtype is None or dataset.shape is None:
        raise refused(path, name, f"is of the type {dataset.dtype}; weights are whole numbers or floats")
    offset, size = dataset.id.get_offset(), path.stat().st_size
    tensor = Tensor(path, dtype, dataset.shape, offset or 0)
    if tensor.nbytes and (offset is None or offset + tensor.nbytes > size):
        raise refused(path, name, f"{dataset.shape} takes {tensor.nbytes} bytes at {offset}; the file ends at {size}")
    return tensor


def dtype_of(dataset):
    """The NumPy dtype of the bytes as they lie in the file, None where they are no numbers of NumPy's own."""
    import h5py

    dtype = dataset.dtype
    if dtype.kind == "V" and dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":  # as Keras marks it
        return np.dtype(ml_dtypes.bfloat16)
    stored_alike = dtype.kind in "fiu" and dataset.id.get_type() == h5py.h5t.py_create(dtype)
    return dtype if stored_alike else None


def refused(path, name, reason):
    return PresetError(f"{path} is refused: {name} {reason}.")
