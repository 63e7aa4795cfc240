"""Weights on their way from a file into variables: read ahead, whatever the order, and not copied."""

import threading

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_zoo import PresetError, memory
from keras_zoo.formats.safetensors_file import open_tensors, write_tensors
from keras_zoo.reading import WORTH_A_THREAD, ahead, by_layers

ROWS = WORTH_A_THREAD // 4  # of float32, so that each tensor is worth a thread


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    return {f"layer_{i}": random.standard_normal((ROWS, 1 + i % 2)).astype("float32") for i in range(40)}


@pytest.fixture(scope="module")
def folder(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensors")
    write_tensors(folder, arrays | {"small": np.arange(3.0)})
    return folder


@pytest.mark.once
@pytest.mark.parametrize("asked", ["as begun", "backwards", "shuffled", "never begun"])
def test_any_order(asked, arrays, folder):
    """Each tensor is read once, and never more than the limit is in hand."""
    tensors, reads = open_tensors(folder), []
    for name, tensor in tensors.items():
        tensor.read = lambda name=name, read=tensor.read: reads.append(name) or read()
    order = sorted(tensors, key=by_layers)
    taken = {
        "backwards": order[::-1],
        "shuffled": list(np.random.default_rng(1).permutation(order)),
    }.get(asked, order)
    with ahead(tensors) as reader:
        if asked != "never begun":
            reader.begin(order)
        for name in taken:
            assert reader.in_hand <= reader.limit + max(tensor.nbytes for tensor in tensors.values())
            np.testing.assert_array_equal(reader.take(name), arrays.get(name, np.arange(3.0)))
        assert reader.in_hand == 0
    assert sorted(reads) == sorted(tensors)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("keras_zoo_reading")]


@pytest.mark.once
def test_a_file_that_ends_early(folder, tmp_path):
    """What the thread meets is raised where the tensor is taken."""
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    tensors = open_tensors(tmp_path)
    with open(tmp_path / "model.safetensors", "r+b") as file:
        file.truncate(tensors["layer_0"].offset + 5)
    with pytest.raises(PresetError, match="ended while it was read"), ahead(tensors) as reader:
        reader.take("layer_0")


@pytest.mark.once
def test_layers_in_their_order():
    assert sorted(["h.10.a", "h.2.b", "h.2.a", "b"], key=by_layers) == ["b", "h.2.a", "h.2.b", "h.10.a"]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_adopted_values(dtype, random):
    """Whatever the backend does with the memory, and whatever shape or alignment it has."""
    values = random.standard_normal((5, 6)).astype("float32")
    unaligned = np.frombuffer(b"x" + values.tobytes(), "float32", offset=1).reshape(5, 6)
    for array in (values, values.T, values[::2], unaligned, values[:0], np.array(3.5, "float32")):
        laid_out = memory.laid_out(array, np.dtype(getattr(ml_dtypes, dtype, dtype)))
        assert laid_out.flags.c_contiguous and (memory.is_aligned(laid_out) or not laid_out.size)
        for tensor in (memory.adopt(laid_out), memory.adopt(array.astype(laid_out.dtype))):
            assert keras.backend.standardize_dtype(tensor.dtype) == dtype and tuple(tensor.shape) == array.shape
            found = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
            np.testing.assert_array_equal(found, array.astype(laid_out.dtype).astype("float32"))


def test_variables_keep_the_memory():
    """A weight is in memory once: what the file was read into is the variable's own."""
    array = memory.laid_out(np.ones((8, 8), "float32"), np.dtype("float32"))
    variable = keras.Variable(lambda shape, dtype: memory.adopt(array), shape=(8, 8), dtype="float32")
    array[0, 0] = 7  # only here: a test of where the values are
    assert float(keras.ops.convert_to_numpy(variable)[0, 0]) == 7
    variable.assign(variable * 2)
    assert float(keras.ops.convert_to_numpy(variable)[0, 0]) == 14
