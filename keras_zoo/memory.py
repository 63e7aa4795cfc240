"""Memory that NumPy fills and the backend keeps: no weight is copied on its way from a file into a variable."""

import math

import keras
import ml_dtypes
import numpy as np

ALIGNMENT = 64  # bytes; XLA and TensorFlow copy what is aligned less, or cannot use it


def empty(shape, dtype):
    """An array that has not been filled, at an address that every backend can take over."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + ALIGNMENT, "uint8")
    begin = -buffer.ctypes.data % ALIGNMENT
    return buffer[begin : begin + size].view(dtype).reshape(shape)


def laid_out(array, dtype):
    """The array as `dtype`, contiguous and aligned; a copy only where it is not so already."""
    if array.dtype == dtype and array.flags.c_contiguous and is_aligned(array):
        return array
    copy = empty(array.shape, dtype)
    np.copyto(copy, array, casting="unsafe")
    return copy


def is_aligned(array):
    return array.ctypes.data % ALIGNMENT == 0


def adopt(array):
    """A tensor of the backend in the array's own memory, which must not be written to afterwards.

    Variables copy arrays that they are given, and take tensors as they are. What cannot be taken over is copied.
    """
    backend = keras.backend.backend()
    if backend == "jax" or array.size == 0 or not (is_aligned(array) and array.flags.c_contiguous):
        return keras.ops.convert_to_tensor(array, dtype=array.dtype.name)
    halves = array.dtype == ml_dtypes.bfloat16  # which NumPy cannot hand over under its own name
    array = array.view("int16") if halves else array
    if backend == "torch":
        import torch

        tensor = torch.from_numpy(array)
        return tensor.view(torch.bfloat16) if halves else tensor
    import tensorflow as tf

    tensor = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.bitcast(tensor, tf.bfloat16) if halves else tensor
