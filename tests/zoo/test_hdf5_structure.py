"""HDF5 files read without the HDF5 library: as that reads them where they are Keras', refused where they are not."""

import os
import struct
import time

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

from keras_zoo import PresetError
from keras_zoo.formats import hdf5_structure
from keras_zoo.formats.hdf5_file import read_header

pytestmark = pytest.mark.once
DTYPES = ("float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


def by_library(path):
    """`{name: array}` of all data sets, by h5py."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def same(path):
    tensors, expected = read_header(path), by_library(path)
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(tensors[name].read(), values)
    return tensors


def test_every_dtype_and_shape(tmp_path, random):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        for i, dtype in enumerate(DTYPES):
            shape = [(), (3,), (2, 0, 3), (2, 3, 4, 5)][i % 4]
            data = random.integers(0, 100, shape).astype(dtype)
            file.create_group(f"layers/dense_{i}/vars").create_dataset("0", data=data).attrs["note"] = "x" * i
    assert {str(tensor.dtype) for tensor in same(path).values()} == set(DTYPES)


def test_names_by_the_thousand(tmp_path):
    """The tree of one group has several levels, and its names several lengths."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        for i in range(1000):
            file[f"{'x' * (i % 50)}{i}"] = np.float32(i)
    assert len(same(path)) == 1000


def test_attributes_by_the_dozen(tmp_path):
    """The header goes on elsewhere in the file."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        for i in range(60):
            group.attrs[f"attribute {i}"] = f"value {i}"
            group.attrs[f"é {i}"] = np.arange(i)
        data = group.create_dataset("0", data=np.arange(6.0))
        for i in range(60):
            data.attrs[f"attribute {i}"] = "v" * 40
    same(path)


def test_keras_writes_what_is_read(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2, dtype="bfloat16")])
    model.compile("adam")
    model.save_weights(tmp_path / "a.weights.h5")
    tensors = read_header(tmp_path / "a.weights.h5")
    half = tensors["layers/dense_1/vars/0"]
    assert half.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(half.read(), keras.ops.convert_to_numpy(model.layers[-1].kernel))
    np.testing.assert_array_equal(tensors["layers/dense/vars/0"].read(), model.layers[0].kernel)


@pytest.fixture
def small(tmp_path):
    """A file with two data sets of 100 numbers."""
    path = tmp_path / "small.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.arange(100, dtype="float32")
        file["layers/dense/vars/1"] = np.arange(100, dtype="float32") + 1
    return path


def refused(path, message):
    begin = time.monotonic()
    with pytest.raises(PresetError, match=message):
        read_header(path)
    assert time.monotonic() - begin < 20


def patched(path, place, value, width=8):
    data = bytearray(path.read_bytes())
    data[place : place + width] = value.to_bytes(width, "little")
    path.write_bytes(data)
    return path


def layout_of(path, name):
    """Where the layout of a data set gives its address."""
    with h5py.File(path) as file:
        address = file[name].id.get_offset()
    return path.read_bytes().index(struct.pack("<BBQ", 3, 1, address)) + 2


def test_the_same_bytes_many_times(small):
    first, second = (layout_of(small, f"layers/dense/vars/{i}") for i in range(2))
    data = small.read_bytes()
    same_place = patched(small, second, struct.unpack_from("<Q", data, first)[0])
    read_header(same_place)  # the file is larger than both
    with h5py.File(small, "w") as file:
        for i in range(100):
            file[str(i)] = np.zeros(10_000, "float32") if i == 0 else np.zeros(0, "float32")
    data = small.read_bytes()
    place, nothing = layout_of(small, "0"), struct.pack("<BBQQ", 3, 1, 2**64 - 1, 0)
    data = data.replace(nothing, struct.pack("<BBQQ", 3, 1, *struct.unpack_from("<2Q", data, place)))
    small.write_bytes(data.replace(struct.pack("<BBB5xQ", 1, 1, 1, 0), struct.pack("<BBB5xQ", 1, 1, 1, 10_000)))
    refused(small, "its tensors take 4000000 bytes, .*: they overlap")


def test_data_that_begins_outside(small):
    patched(small, layout_of(small, "layers/dense/vars/0"), os.path.getsize(small) - 399)
    refused(small, r"vars/0 \(100,\) takes 400 bytes at \d+; the file ends at")


@pytest.mark.parametrize("address", [0, 3, 2**64 - 1, 2**64 - 8, 2**63])
@pytest.mark.parametrize("mark", [b"TREE", b"SNOD", b"HEAP"])
def test_structures_that_are_not_there(small, mark, address):
    """Every pointer to a structure of a kind leads elsewhere."""
    data = small.read_bytes()
    places = [i for i in range(len(data) - 3) if data[i : i + 4] == mark]
    for place in places:
        data = data.replace(struct.pack("<Q", place), struct.pack("<Q", address))
    small.write_bytes(data)
    refused(small, "is not a whole HDF5 file")


def test_trees_in_a_circle(small):
    data = small.read_bytes()
    place = data.index(b"TREE")
    patched(small, place + 24 + 8, place)
    patched(small, place + 5, 1, width=1)
    refused(small, "is not a whole HDF5 file .*(refer to|is not one of names)")


def test_headers_in_a_circle(small):
    """A header that goes on in itself."""
    data = small.read_bytes()
    (root,) = struct.unpack_from("<Q", data, 64)
    message = struct.pack("<HHB3xQQ", 16, 16, 0, root + 16, 24)
    small.write_bytes(data[: root + 16] + message + data[root + 16 + len(message) :])
    patched(small, root + 2, 60_000, width=2)
    refused(small, "two structures refer to")


def test_work_is_limited(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for i in range(100):
            file[str(i)] = np.float32(i)
    read_header(tmp_path / "a.weights.h5")
    monkeypatch.setattr(hdf5_structure, "MOST_STEPS", 500)
    refused(tmp_path / "a.weights.h5", "it has more than 500 structures")


@pytest.mark.parametrize("kept", [0, 1, 8, 50, 95, 96, 200, 700, 1500])
def test_truncated(small, kept):
    os.truncate(small, kept)
    refused(small, "is not a whole HDF5 file")


def test_other_versions_of_the_format(tmp_path):
    for version in ("latest", "v108"):
        with h5py.File(tmp_path / "a.h5", "w", libver=version) as file:
            file["layers/dense/vars/0"] = np.zeros(3)
        refused(tmp_path / "a.h5", "of the format; Keras writes version 0")
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file["a"] = np.zeros(3)
    refused(tmp_path / "a.h5", "it does not begin as one does")


@pytest.mark.parametrize(
    "data", [np.array([True]), np.zeros(2, ">f4"), np.zeros(2, "c8"), np.zeros(2, "f4,i4"), b"text"]
)
def test_other_types(tmp_path, data):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/dense/vars/0"] = data
    refused(tmp_path / "a.h5", "weights are whole numbers or floats, little-endian")


def test_random_spoiling(small):
    """Bytes of the structures replaced one after the other: whatever is read has no more than there was."""
    data, expected = small.read_bytes(), by_library(small)
    with h5py.File(small) as file:
        end = min(item.id.get_offset() for item in file["layers/dense/vars"].values())
    outcomes = {"read": 0, "refused": 0}
    for place in range(0, end, 5):
        small.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            tensors = read_header(small)
            assert len(tensors) <= len(expected)
            outcomes["read"] += 1
        except PresetError:
            outcomes["refused"] += 1
    assert outcomes["read"] and outcomes["refused"]
