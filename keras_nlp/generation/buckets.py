"""Sizes that compiled programs are made for, so that few are made."""

import keras

SMALLEST_PROMPT, SMALLEST_STOPS, SMALLEST_CAPACITY = 16, 8, 128


def bucket(size, smallest=1):
    """The next size from `size`: a power of two or three quarters of one; torch compiles nothing and keeps `size`."""
    return max(size, 1) if keras.backend.backend() == "torch" else rounded(size, smallest)


def rounded(size, smallest):
    bound = smallest
    while bound < size:
        bound *= 2
    quarters = bound // 4 * 3
    return quarters if bound > 4 and smallest < quarters >= size else bound


def capacity_for(length):
    """The cache's capacity for a prompt of `length`: the next such size with room for at least one token more."""
    return rounded(length + 1, SMALLEST_CAPACITY)
