"""Sizes that compiled programs are made for, so that few are made."""

import keras

SMALLEST_PROMPT, SMALLEST_CAPACITY = 16, 128


def bucket(size, smallest=1):
    """The next size from `size`: a power of two or three quarters of one; torch compiles nothing and keeps `size`."""
    if keras.backend.backend() == "torch":
        return max(size, 1)
    bound = smallest
    while bound < size:
        bound *= 2
    quarters = bound // 4 * 3
    return quarters if bound > 4 and smallest < quarters >= size else bound


def capacity_for(length):
    """The cache's capacity for a prompt of `length`: a power of two with room for at least one token more."""
    capacity = SMALLEST_CAPACITY
    while capacity <= length:
        capacity *= 2
    return capacity
