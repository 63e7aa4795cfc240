"""The archives that `torch.save` writes, without torch: one pickle, and the bytes of each storage beside it.

    NAME/data.pkl    a pickle that refers to storages by key, type and number of elements
    NAME/data/KEY    the storage's elements
    NAME/byteorder   "little" or "big"; older files have none and are little

Nothing is unpacked: the archive's directory says where each storage lies, every size is checked against the file, and
tensors are read from there. torch compresses nothing, so what is compressed is refused, and no few bytes can become
many.
"""

import math
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import opened
from keras_zoo.formats.pickled import LARGEST, Name, Persistent, Record, read_pickle
from keras_zoo.formats.safetensors_file import Tensor

DTYPES = {
    "DoubleStorage": np.dtype("float64"),
    "FloatStorage": np.dtype("float32"),
    "HalfStorage": np.dtype("float16"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("int64"),
    "IntStorage": np.dtype("int32"),
    "ShortStorage": np.dtype("int16"),
    "CharStorage": np.dtype("int8"),
    "ByteStorage": np.dtype("uint8"),
    "BoolStorage": np.dtype("bool"),
}
TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2")
PARAMETERS = ("_rebuild_parameter", "_rebuild_parameter_with_state")
SIGNATURE = b"PK\x03\x04"  # of a zip archive, and of each of its entries
ENTRY_HEADER = struct.Struct("<4s22xHH")
MOST_DIMENSIONS = 16


class StridedTensor(Tensor):
    """A tensor whose elements do not follow each other in the file, such as a transposed one."""

    def __init__(self, storage, shape, offset, strides):
        super().__init__(storage.path, storage.dtype, shape, storage.offset)
        self.storage, self.first, self.strides = storage, offset, strides

    def read(self):
        """The values, copied out of the whole storage."""
        strides = [stride * self.dtype.itemsize for stride in self.strides]
        values = self.storage.read()[self.first :]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(values, self.shape, strides))


@dataclass(frozen=True)
class Entry:
    """Where an entry of the archive lies in the file, in bytes."""

    offset: int
    size: int


class TorchFile:
    """A file that `torch.save` wrote, opened.

    path     where it is
    content  what its pickle holds
    names    all functions and classes that it names there
    entries  {key of a storage: Entry}
    """

    def __init__(self, path, pickled, entries):
        self.path, self.entries = Path(path), entries
        self.content, self.names = pickled.content, pickled.names

    def tensor(self, found, name):
        """The `Tensor` that `found`, a value of the content, stands for; `name` is what messages call it."""
        found = inside_parameter(found)
        if not made_by(found, TENSORS) or type(found.arguments) is not tuple or len(found.arguments) < 4:
            raise self.refused(name, "is stored in a way that is not known here")
        reference, offset, shape, strides = found.arguments[:4]
        storage = self.storage(reference, name)
        (count,) = storage.shape
        if not (whole(shape) and whole(strides) and whole([offset]) and len(shape) == len(strides) <= MOST_DIMENSIONS):
            raise self.refused(name, "has sizes that are no whole numbers")
        size = math.prod(shape)
        last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        if size > count or (size and last >= count) or offset > count:
            raise self.refused(name, f"claims {bounded(size)} elements from a storage that has {count}")
        shape = tuple(shape)
        if size == 0 or tuple(strides) == contiguous(shape) or follows(shape, strides):
            return Tensor(self.path, storage.dtype, shape, storage.offset + offset * storage.dtype.itemsize)
        return StridedTensor(storage, shape, offset, strides)

    def storage(self, reference, name):
        """A whole storage, as a `Tensor` of one dimension."""
        identity = reference.identity if type(reference) is Persistent else None
        if not is_storage(identity):
            raise self.refused(name, "refers to something that is no storage")
        _, kind, key, _, count = identity[:5]
        dtype = dtype_of(kind)
        if dtype is None:
            raise self.refused(name, f"is of a type other than {', '.join(DTYPES)}")
        if type(key) is not str or not re.fullmatch("[0-9]{1,20}", key, re.ASCII) or not whole([count]):
            raise self.refused(name, "refers to a storage by something other than a number")
        entry = self.entries.get(key)
        if entry is None or entry.size != count * dtype.itemsize:
            there = "is not there" if entry is None else f"has {entry.size} bytes"
            raise self.refused(name, f"refers to storage {key} of {bounded(count)} {dtype} elements, which {there}")
        return Tensor(self.path, dtype, (count,), entry.offset)

    def refused(self, name, reason):
        return PresetError(f"{self.path} is refused: {name:.200} {reason}.")


def open_archive(path):
    """The `TorchFile` in an archive."""
    entries = read_directory(path)
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise PresetError(f"{path} is an archive without the one data.pkl that torch.save writes.")
    folder = pickles[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in entries and bytes_of(path, entries[order], order, most=16) != b"little":
        raise PresetError(f"{path} was written in another order of bytes than little-endian, which is read.")
    pickled = read_content(path, bytes_of(path, entries[pickles[0]], pickles[0], most=LARGEST))
    storages = f"{folder}data/"
    found = {name.removeprefix(storages): entry for name, entry in entries.items() if name.startswith(storages)}
    return TorchFile(path, pickled, found)


def bytes_of(path, entry, name, most):
    if entry.size > most:
        raise PresetError(f"{path} is refused: {name} has {entry.size} bytes; up to {most} are read.")
    with opened(path) as (file, _):
        file.seek(entry.offset)
        return file.read(entry.size)


def read_content(path, source):
    """The `Pickled` of a torch file."""
    try:
        return read_pickle(source)
    except ValueError as error:
        raise PresetError(f"{path} cannot be read as a torch file: {error}.") from None


def check_views(tensors, path, size):
    """`PresetError` where tensors together exceed the file; one that is there under two names counts once.

    One whose elements do not follow each other counts as its whole storage, which is read for it.
    """
    views = {
        (tensor.offset, tensor.shape, tensor.dtype, getattr(tensor, "first", 0)): tensor.storage.nbytes
        if isinstance(tensor, StridedTensor)
        else tensor.nbytes
        for tensor in tensors.values()
    }
    if sum(views.values()) > size:
        raise PresetError(f"{path} is refused: it has tensors that overlap: together they exceed the file.")


def read_directory(path):
    """`{name: Entry}` of an archive; `PresetError` unless all entries lie in the file as they are, side by side."""
    try:
        with opened(path) as (file, size), zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if any(info.filename.endswith("/constants.pkl") for info in infos):
                raise PresetError(f"{path} is a TorchScript program, which is not read; save module.state_dict().")
            if len({info.filename for info in infos}) != len(infos):
                raise ValueError("two entries have the same name")
            if sum(info.file_size for info in infos) > size:
                raise ValueError("its entries are larger than the file, so they are compressed or overlap")
            return {info.filename: locate(file, info, size) for info in infos}
    except PresetError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        raise PresetError(f"{path} is not a whole archive of torch (truncated or corrupt): {error}") from None


def locate(file, info, size):
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
        raise ValueError(f"{info.filename!r:.200} is compressed or encrypted; torch stores everything as it is")
    file.seek(info.header_offset)
    signature, name_length, extra_length = ENTRY_HEADER.unpack(file.read(ENTRY_HEADER.size))
    offset = info.header_offset + ENTRY_HEADER.size + name_length + extra_length
    if signature != SIGNATURE or offset + info.file_size > size:
        raise ValueError(f"{info.filename!r:.200} does not lie where its directory says")
    return Entry(offset, info.file_size)


def dtype_of(kind):
    """The NumPy dtype of one of torch's classes of storages, None for whatever is none."""
    return DTYPES.get(kind.name) if type(kind) is Name and kind.module == "torch" else None


def is_storage(identity):
    """Whether it is `("storage", class, key, device, number of elements)`; older files have a view behind it."""
    whole = type(identity) is tuple and (len(identity) == 5 or (len(identity) == 6 and identity[5] is None))
    return whole and identity[0] == "storage"


def inside_parameter(found):
    """The tensor in what may be a parameter."""
    wrapped = made_by(found, PARAMETERS) and type(found.arguments) is tuple and found.arguments
    return found.arguments[0] if wrapped else found


def made_by(found, names):
    """Whether a value is a record of one of torch's functions that rebuild tensors."""
    return type(found) is Record and found.made_by in [Name("torch._utils", name) for name in names]


def is_tensor(found):
    return made_by(inside_parameter(found), TENSORS)


def whole(sizes):
    """Whether it is a list or tuple of numbers that can be sizes."""
    return type(sizes) in (list, tuple) and all(type(size) is int and 0 <= size < 2**63 for size in sizes)


def contiguous(shape):
    """The strides, in elements, of a tensor whose elements follow each other."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def follows(shape, strides):
    """Whether elements follow each other; the stride of an axis of length 1 says nothing."""
    pairs = zip(shape, strides, contiguous(shape), strict=True)
    return all(length == 1 or stride == wanted for length, stride, wanted in pairs)


def bounded(number):
    """A number for a message, however many digits a file gave it."""
    return number if number < 2**63 else "over 2**63"
