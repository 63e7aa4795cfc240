"""Safetensors files and indexed shards: checked headers, one tensor read or written at a time.

That is why they are not the `safetensors` library's. To read, it maps the file, and pages of a mapped file count as the
process's memory once touched, so that loading would peak at twice the weights; here each tensor is read into a buffer
of its own, which the backend can keep. To write, it makes a copy of all tensors first.
"""

import json
import math
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo import memory
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import weight_files

LARGEST_HEADER = 100_000_000  # bytes; the limit of the reference implementation
DTYPES = {
    "F64": np.dtype("float64"),
    "F32": np.dtype("float32"),
    "F16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("int64"),
    "I32": np.dtype("int32"),
    "I16": np.dtype("int16"),
    "I8": np.dtype("int8"),
    "U8": np.dtype("uint8"),
    "BOOL": np.dtype("bool"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Tensor:
    """A tensor in a file: its shape and dtype are known, `read()` gives its values."""

    def __init__(self, path, dtype, shape, offset):
        self.path, self.dtype, self.shape, self.offset = path, dtype, shape, offset

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self):
        values = memory.empty(self.shape, self.dtype)
        buffer = values.reshape(-1).view("uint8")
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.offset)
            view, done = memoryview(buffer), 0
            while done < self.nbytes:
                count = file.readinto(view[done:])
                if not count:
                    raise PresetError(f"{self.path} ended while it was read.")
                done += count
        return values


def read_header(path):
    """`{name: Tensor}` of one file; every size is checked against the file before anything is allocated."""
    return read_file(path)[0]


def read_file(path):
    """`read_header` and the file's metadata, as they stand in it: unchecked, None where there are none."""
    path = Path(path)
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(LARGEST_HEADER, size - 8):
                raise ValueError(f"its header claims {length} bytes, the file has {size}")
            header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is not a JSON object")
        metadata = header.pop("__metadata__", None)
        return {name: read_entry(path, name, entry, 8 + length, size) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
        if isinstance(error, PresetError):
            raise
        raise PresetError(f"{path} is not a whole safetensors file (truncated or corrupt): {error}") from None


def read_entry(path, name, entry, data_begin, size):
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in DTYPES:
        raise ValueError(f"{name} has the dtype {dtype!r}; known are {', '.join(DTYPES)}")
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, begin, end)):
        raise ValueError(f"{name} has sizes that are no whole numbers")
    tensor = Tensor(path, DTYPES[dtype], tuple(shape), data_begin + begin)
    if tensor.nbytes != end - begin or data_begin + end > size:
        raise ValueError(
            f"{name} {tuple(shape)} should take {tensor.nbytes} bytes at {data_begin + begin}; its entry gives "
            f"{end - begin}, the file ends at {size}"
        )
    return tensor


def open_tensors(folder, stem="model"):
    """`{name: Tensor}` of `model.safetensors`, or of all shards that `model.safetensors.index.json` names."""
    tensors = {}
    for file in weight_files(folder, f"{stem}.safetensors", f"{stem}.safetensors.index.json"):
        tensors |= read_header(file)
    return tensors


def write_tensors(folder, tensors, stem="model", max_shard_bytes=5_000_000_000, metadata=None):
    """Writes `{name: array or keras_zoo.weights.Stored}` as one file, or as indexed shards above `max_shard_bytes`."""
    shards = in_shards(tensors, max_shard_bytes)
    if len(shards) == 1:
        save(shards[0], metadata, Path(folder) / f"{stem}.safetensors")
        return
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        save(shard, metadata, Path(folder) / file)
        weight_map |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (Path(folder) / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def in_shards(tensors, max_shard_bytes):
    """`{name: tensor}` as a list of such, each not above `max_shard_bytes`, unless it is one tensor that is larger."""
    if not max_shard_bytes > 0:
        raise ValueError(f"max_shard_size must be greater than 0; got {max_shard_bytes / 1e9}.")
    shards, room = [{}], max_shard_bytes
    for name, tensor in tensors.items():
        if tensor.nbytes > room and shards[-1]:
            shards.append({})
            room = max_shard_bytes
        shards[-1][name] = tensor
        room -= tensor.nbytes
    return shards


def save(tensors, metadata, path):
    """One file. The widest numbers come first, as the library has them: all lie at multiples of their size."""
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header, end = {} if metadata is None else {"__metadata__": metadata}, 0
    for name in names:
        tensor, begin = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            write_values(file, tensors[name])


def write_values(file, tensor):
    """The bytes of an array, or of what a `Stored` reads, in the order of its axes."""
    array = tensor if isinstance(tensor, np.ndarray) else tensor.read()
    if array.size:
        file.write(np.ascontiguousarray(array).view("uint8").data)
