"""Weight files of Keras, `*.weights.h5` and their shards, written one tensor at a time.

Of the groups that Keras makes only those are here that hold a tensor; Keras takes what is not there for empty.
"""

from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo.formats.files import write_json
from keras_zoo.formats.safetensors_file import in_shards

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


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
    """One file; `OSError` where the disk is full, whatever the HDF5 library makes of it."""
    import h5py

    try:
        with h5py.File(path, "w") as file:
            for name, tensor in tensors.items():
                write_dataset(file, name, tensor.read())
    except RuntimeError as error:  # when it closes the file
        raise OSError(f"{path.name}: {error}") from error


def write_dataset(file, name, array):
    """Stored contiguously. HDF5 has no bfloat16: Keras stores two opaque bytes, and the name as an attribute."""
    opaque = array.dtype == BFLOAT16
    dataset = file.create_dataset(name, data=array.view("V2") if opaque else array)
    if opaque:
        dataset.attrs["dtype"] = BFLOAT16.name
