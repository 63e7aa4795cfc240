"""Images in memory through a network, without the overhead of Keras' own loop."""

import itertools
import types

import keras
import numpy as np
from tqdm.auto import tqdm

from keras_zoo import feeding
from keras_zoo.compiled import Inference, Variables, in_parts, in_turn


class InBatches(Inference):
    """A task that runs images in memory as one compiled program for each size of a batch.

    Keras' `predict` takes a tenth of a second a call, several times what a network needs for one image.
    """

    _config_root = True

    def infer(self, images, *options):
        return in_turn(lambda rows: self.compute(rows, *options), images)

    def compute(self, images, *options):
        """What the program computes of a batch."""
        return self(images, training=False)

    def ready(self, rows):
        """`(images, finish)`: the network's input of these rows, and what is done with the outputs, NumPy arrays."""
        if self.preprocessor is not None:
            rows = feeding.unpack(self.preprocess(rows))[0]
        return rows, lambda outputs: outputs

    def nothing(self, static):
        """What the program gives for no images."""
        raise NotImplementedError

    def run_in_batches(self, rows, batch_size=None, verbose="auto", options=(), static=(), batched=False):
        """What the program gives for `rows`, raw images or the network's inputs: arrays of all of them, in their order.

        `rows` are a list, an array, or a generator of images, of which no more than a batch is in memory at a time;
        where they are `batched`, a generator of batches.
        `options`, arrays, and `static`, which the program is made for, go to `compute`.
        """
        batch_size = 32 if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        if isinstance(rows, list | np.ndarray) and not len(rows):
            return self.nothing(static)
        count = None if isinstance(rows, types.GeneratorType) else feeding.count_rows([rows])
        variables = Variables([self])
        program, values = self.program_for(variables, static, convolutions=True), variables.values()
        found, hidden = [], count is not None and count <= batch_size if verbose == "auto" else not verbose
        with tqdm(total=count, unit="image", disable=hidden) as bar:
            for batch in rows if batched else chunks(rows, count, batch_size):
                images, finish = self.ready(batch)
                outputs = in_parts(lambda part: program(values, part, *options), images)
                found.append(finish(outputs))
                bar.update(len(images))
        if not found:
            raise ValueError("The generator gave no images.")
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *found)


def chunks(rows, count, size):
    """`rows`, `size` at a time."""
    if count is None:
        while batch := list(itertools.islice(rows, size)):
            yield batch
    for first in range(0, count or 0, size):
        yield feeding.take(rows, np.arange(first, min(first + size, count)))
