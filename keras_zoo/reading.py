"""Reading tensors before they are asked for: files are read while Python builds the model they are for."""

import contextlib
import os
import re
from concurrent.futures import ThreadPoolExecutor

THREADS = 2
MOST_PARTS, MOST_BYTES = 1 / 32, 2**28  # in hand, beside what the model holds: of all tensors together, and in bytes
WORTH_A_THREAD = 2**20  # bytes; below that handing over costs more than reading


class ReadAhead:
    """Tensors by name, read by threads in the order that `begin` was given last, and by `take` where they are behind.

    So any order is right, and that of `begin` is quick. `tensors` is `{name: Tensor}`.
    """

    def __init__(self, tensors):
        self.tensors = tensors
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="keras_zoo_reading")
        self.limit = min(sum(tensor.nbytes for tensor in tensors.values()) * MOST_PARTS, MOST_BYTES)
        self.coming, self.taken, self.waiting, self.in_hand = {}, set(), iter(()), 0

    def begin(self, names):
        """Reads the tensors of these names one after the other, as far as the limit allows."""
        self.waiting = iter([name for name in names if self.tensors[name].nbytes >= WORTH_A_THREAD])
        self.go_on()

    def go_on(self):
        while self.in_hand < self.limit and (name := next(self.waiting, None)) is not None:
            if name not in self.coming and name not in self.taken:
                self.in_hand += self.tensors[name].nbytes
                self.coming[name] = self.pool.submit(self.tensors[name].read)

    def take(self, name):
        """The values of a tensor, once; the array is the caller's."""
        self.taken.add(name)
        future = self.coming.pop(name, None)
        if future is None:
            return self.tensors[name].read()
        values = future.result()
        self.in_hand -= self.tensors[name].nbytes
        self.go_on()
        return values


@contextlib.contextmanager
def ahead(tensors):
    """A `ReadAhead` that has begun, in the likely order; its threads end with the block."""
    reader = ReadAhead(tensors)
    try:
        advise({tensor.path for tensor in tensors.values()})
        reader.begin(sorted(tensors, key=by_layers))
        yield reader
    finally:
        reader.pool.shutdown(cancel_futures=True)


def by_layers(name):
    """Sorts `layer_2` before `layer_10`, as models are built."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def advise(paths):
    """Has the system read the files into its cache meanwhile, where it takes such advice."""
    if hasattr(os, "posix_fadvise"):
        for path in paths:
            with contextlib.suppress(OSError), open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
