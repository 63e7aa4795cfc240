"""Weight files of Keras, `*.weights.h5` and their shards, written one tensor at a time.

The HDF5 library lays a file out, which takes a few kilobytes; the values are then written where it says they belong, by
plain writes. For where it meets a full disk itself, it ends the process. Of the groups that Keras makes only those are
here that hold a tensor; Keras takes what is not there for empty.
"""

import errno
import os
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo.formats.files import write_json
from keras_zoo.formats.safetensors_file import in_shards, write_values

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
OF_A_TENSOR = 4096  # bytes that the description of a tensor takes at most


def write_tensors(folder, tensors, stem="model", max_shard_bytes=5_000_000_000):
    """Writes `{path in the file: keras_zoo.weights.Stored}` as `model.weights.h5`.

    Where that would be larger than `max_shard_bytes` it is `model_00000.weights.h5`, … and the index
    `model.weights.json`, in which a layer has one file, or a list of those that its variables are spread over.
    """
    folder, shards = Path(folder), in_shards(tensors, max_shard_bytes)
    if len(shards) == 1:
        write_file(folder / f"{stem}.weights.h5", shards[0])
        return
    weight_map = {}
    for number, shard in enumerate(shards):
        file = f"{stem}_{number:05}.weights.h5"
        write_file(folder / file, shard)
        for name in shard:
            files = weight_map.setdefault(f"/{name.rpartition('/')[0]}", [])
            files += [file] if file not in files else []
    total = sum(tensor.nbytes for tensor in tensors.values())
    weight_map = {name: files if len(files) > 1 else files[0] for name, files in weight_map.items()}
    write_json(folder / f"{stem}.weights.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_file(path, tensors):
    """One file; `OSError` where the disk is full."""
    reserve(path, sum(tensor.nbytes + OF_A_TENSOR for tensor in tensors.values()))
    offsets = lay_out(path, tensors)
    with open(path, "r+b") as file:
        for name, tensor in tensors.items():
            file.seek(offsets[name] or 0)  # none of a tensor without values
            write_values(file, tensor)


def reserve(path, size):
    """`OSError` where a file of so many bytes would not fit; it is then empty."""
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with open(path, "wb") as file:
        file.truncate(size)  # no block is taken, but limits of files and users hold


def lay_out(path, tensors):
    """Makes the file but for its values; `{name: where those begin}`.

    HDF5 has no bfloat16: Keras stores two opaque bytes, and the name as an attribute.
    """
    import h5py

    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    groups = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    groups.set_create_intermediate_group(True)
    offsets = {}
    with h5py.File(path, "w") as file:
        for name, tensor in tensors.items():
            opaque = tensor.dtype == BFLOAT16
            kind = h5py.h5t.py_create(np.dtype("V2") if opaque else tensor.dtype)
            space = h5py.h5s.create_simple(tensor.shape) if tensor.shape else h5py.h5s.create(h5py.h5s.SCALAR)
            dataset = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plist, groups))
            if opaque:
                dataset.attrs["dtype"] = BFLOAT16.name
            offsets[name] = dataset.id.get_offset()
    return offsets
