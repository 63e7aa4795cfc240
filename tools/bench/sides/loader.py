"""What the sides on torch share: a loader with a process for each core, its result counted."""

import functools
import os
from time import perf_counter

import torch

OUTPUT = 224  # pixels


class Pictures(torch.utils.data.Dataset):
    """Each picture of an array, converted once and transformed each time."""

    def __init__(self, pictures, convert, transform):
        self.pictures, self.transform = [convert(picture) for picture in pictures], transform

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(self.pictures[index])


@functools.cache
def loader(file, read, convert, transform, batch):
    """Kept from call to call, with its processes."""
    pictures = Pictures(read(file), convert, transform)
    workers = len(os.sched_getaffinity(0))
    return torch.utils.data.DataLoader(pictures, batch, num_workers=workers, persistent_workers=True)


def through(loader, axis):
    """Seconds of an epoch; the batches are looked at, whose axis `axis` is the height."""
    begin = perf_counter()
    count = 0
    for batch in loader:
        assert batch.dtype == torch.uint8 and batch.shape[axis] == OUTPUT, (batch.dtype, batch.shape)
        count += len(batch)
    assert count == len(loader.dataset)
    return {"seconds": perf_counter() - begin}
