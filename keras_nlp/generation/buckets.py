"""Sizes that compiled programs are made for, so that few are made."""

import keras

SMALLEST_PROMPT, SMALLEST_STOPS, SMALLEST_CAPACITY = 16, 8, 128
FINE = 128  # from here on padding costs more than compiling


def bucket(size, smallest=1):
    """The next of a few sizes from `size`; torch records nothing for whole prompts and keeps `size`."""
    return max(size, 1) if keras.backend.backend() == "torch" else rounded(size, smallest)


def rounded(size, smallest):
    """The next power of two or three quarters of one; above `FINE` the next eighth of the way between two powers."""
    bound = smallest
    while bound < size:
        bound *= 2
    if size > FINE:
        step = bound // 16
        return -(-size // step) * step
    quarters = bound // 4 * 3
    return quarters if bound > 4 and smallest < quarters >= size else bound


def capacity_for(length):
    """The cache's capacity for a prompt of `length`: a power of two, or three quarters of one, with room for more."""
    capacity = SMALLEST_CAPACITY
    while capacity < length + 1:
        capacity *= 2
    quarters = capacity // 4 * 3
    return quarters if SMALLEST_CAPACITY < quarters > length else capacity
