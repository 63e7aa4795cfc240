"""Images in memory through a network, without the overhead of Keras' own loop."""

import keras
import numpy as np
from tqdm.auto import tqdm

from keras_zoo import tfdata
from keras_zoo.compiled import Inference, Variables, filled, in_turn


class InBatches(Inference):
    """A task that runs images in memory as one compiled program for each batch size.

    Keras' `predict` takes a tenth of a second a call, several times what a network needs for one image.
    """

    _config_root = True

    def infer(self, inputs):
        return in_turn(super().infer, inputs)

    def run_in_batches(self, rows, batch_size=None, verbose="auto"):
        """What the network gives for `rows`, raw images or its inputs: float32 arrays of all of them, in their order.

        The last batch is filled up with its last image to a power of two, so that few programs are compiled.
        """
        batch_size = 32 if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        count = tfdata.count_rows([rows])
        variables = Variables([self])
        program, values = self.program_for(variables, convolutions=True), variables.values()
        found, hidden = [], count <= batch_size if verbose == "auto" else not verbose
        with tqdm(total=count, unit="image", disable=hidden) as bar:
            for first in range(0, count, batch_size):
                numbers = np.arange(first, min(first + batch_size, count))
                inputs = tfdata.take(rows, numbers)
                if self.preprocessor is not None:
                    inputs = tfdata.unpack(self.preprocess(inputs))[0]
                outputs = program(values, filled(inputs, min(batch_size, 1 << (len(numbers) - 1).bit_length())))
                found.append(keras.tree.map_structure(as_floats, outputs))
                bar.update(len(numbers))
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:count], *found)


def as_floats(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))
