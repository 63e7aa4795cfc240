"""What tests of presets made to do harm share."""

import json
import struct
import time

import pytest

from keras_zoo import PresetError


def edit(path, change):
    """Lets `change` alter the object in a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def refused(load, folder, message, **options):
    """The message of the error, which came at once."""
    begin = time.monotonic()
    with pytest.raises(PresetError, match=message) as error:
        load(folder, **options)
    assert time.monotonic() - begin < 5
    return str(error.value)


def entry(shape, begin, end, dtype="F32"):
    """What the header of a safetensors file says of a tensor."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors(path, entries, size, raw=None):
    """A file with these entries, or a raw header, and as many bytes of data."""
    header = json.dumps(entries).encode() if raw is None else raw
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    return path
