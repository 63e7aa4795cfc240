"""State dicts that torch has pickled, read without torch and without unpickling them."""

import io
import zipfile

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, opened
from keras_zoo.formats.module_file import as_dict, refuse_foreign_names
from keras_zoo.formats.pickled import LARGEST
from keras_zoo.formats.safetensors_file import MOST_TENSORS, open_tensors
from keras_zoo.formats.torch_archive import (
    SIGNATURE,
    Entry,
    TorchFile,
    check_views,
    dtype_of,
    is_storage,
    is_tensor,
    open_archive,
    read_content,
)

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the state dict
OLD_BINARY = "pytorch_model.bin"
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file of before torch 1.6
VERSION = 1001  # the second


def open_safetensors_or_torch(folder):
    """`{name: Tensor}` of a folder: its safetensors, or `pytorch_model.bin` where there are none."""
    old = file_in(folder, OLD_BINARY)
    return open_torch(old) if old is not None and not list(folder.glob("*.safetensors*")) else open_tensors(folder)


def open_torch(path):
    """`{name: Tensor}` of a pickled state dict. A file that would run code, or holds no tensors, is a `PresetError`."""
    with opened(path) as (file, size):
        begin = file.read(len(SIGNATURE))
    archive = begin == SIGNATURE or zipfile.is_zipfile(path)
    file = open_archive(path) if archive else open_legacy(path)
    refuse_foreign_names(file)
    tensors = state_of(file)
    check_views(tensors, path, size)
    return tensors


def state_of(file):
    """The state dict of a `TorchFile`: bare, or under one of the usual keys; without the prefix of a wrapped module."""
    found = as_dict(file.content)
    for key in WRAPPERS:
        if found is not None and as_dict(found.get(key)) is not None:
            found = as_dict(found[key])
    named = found is not None and all(isinstance(name, str) for name in found)
    wrong = [name for name, value in found.items() if not is_tensor(value)] if named else ["other things than names"]
    if wrong or not found or len(found) > MOST_TENSORS:
        raise PresetError(
            f"{file.path} is no state dict, which maps names to up to {MOST_TENSORS} tensors; it has "
            f"{wrong[:5] or len(found)}. Save module.state_dict(), or use safetensors."
        )
    prefix = "module."
    return {name.removeprefix(prefix): file.tensor(tensor, name) for name, tensor in found.items()}


def open_legacy(path):
    """The `TorchFile` in what torch wrote before 1.6: five pickles one after the other, then the storages.

    The pickles are a magic number, a version, how numbers are stored, the content, and the keys of the storages. Each
    storage is the number of its elements, in 8 bytes, and then those.
    """
    with opened(path) as (file, size):
        stream = io.BytesIO(file.read(min(size, LARGEST)))
        magic, version = (read_content(path, stream).content for _ in range(2))
        if magic != MAGIC or version != VERSION:
            raise PresetError(f"{path} cannot be read as a torch file: it does not begin as one that torch.save wrote.")
        system = as_dict(read_content(path, stream).content)
        pickled, keys = read_content(path, stream), read_content(path, stream).content
        if system is None or system.get("little_endian") is not True or type(keys) is not list:
            raise PresetError(f"{path} cannot be read as a torch file: it is not little-endian, or has no storages.")
        known = {}
        for reference in pickled.references:
            if is_storage(reference.identity) and type(reference.identity[2]) is str:
                known[reference.identity[2]] = dtype_of(reference.identity[1])
        entries, offset = {}, stream.tell()
        for key in keys:
            dtype = known.get(key) if type(key) is str else None
            file.seek(offset)
            count = int.from_bytes(file.read(8), "little")
            if dtype is None or key in entries or offset + 8 + count * dtype.itemsize > size:
                raise PresetError(f"{path} is not a whole torch file (truncated or corrupt): its storages do not fit.")
            entries[key] = Entry(offset + 8, count * dtype.itemsize)
            offset += 8 + count * dtype.itemsize
    return TorchFile(path, pickled, entries)
