"""What the sides that load a preset share: the time, and the most memory above what the process began with."""

import functools
import gc
import hashlib
from time import perf_counter

import keras
import numpy as np

STATUS, RESET = "/proc/self/status", "/proc/self/clear_refs"


def memory(field):
    """Bytes of this process as Linux counts them: `VmRSS` now, `VmHWM` the most since `forget_peak`."""
    with open(STATUS) as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


@functools.cache
def at_first():
    return memory("VmRSS")


def forget_peak():
    with open(RESET, "w") as file:
        file.write("5")


def timed(load):
    """Calls `load`, which gives a backbone, as in a process that has loaded nothing before."""
    keras.backend.clear_session()
    gc.collect()
    forget_peak()
    before, begin = at_first(), perf_counter()
    backbone = load()
    seconds = perf_counter() - begin
    size = sum(size_of(weight) for weight in backbone.weights)
    peak = (memory("VmHWM") - before) / size
    values = np.asarray(keras.ops.convert_to_numpy(backbone.token_embedding.embeddings)[:100], "float32")
    return {"seconds": seconds, "note": f"peak {peak:.2f} × weights", "digest": hashlib.sha256(values).hexdigest()}


def size_of(weight):
    return int(np.prod(weight.shape)) * (2 if "16" in keras.backend.standardize_dtype(weight.dtype) else 4)
