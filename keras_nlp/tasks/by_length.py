"""Many texts of unequal length through an encoder, with little spent on padding."""

import keras
import numpy as np
from tqdm.auto import tqdm

from keras_nlp.generation.buckets import rounded
from keras_nlp.generation.weights import Weights
from keras_zoo.compiled import Inference, filled

NARROWEST = 16  # tokens in the narrowest rows that a program is made for
TOKENS, MOST_ROWS = 4096, 128  # in a batch


class ByLength(Inference):
    """A task that runs texts in memory sorted by length, so that no row is padded much further than its neighbours.

    Rows are padded to one of a few widths, so that few programs are compiled. Padding changes no output.
    """

    _config_root = True

    def __init__(self, inputs, outputs, backbone, preprocessor=None, **kwargs):
        if preprocessor is not None and preprocessor.tokenizer.vocabulary_size() > backbone.vocabulary_size:
            raise ValueError(
                f"The tokenizer has {preprocessor.tokenizer.vocabulary_size()} tokens, the backbone embeddings for "
                f"{backbone.vocabulary_size} (vocabulary_size)."
            )
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)

    def run_by_length(self, rows, pack, batch_size=None, verbose="auto"):
        """The network's output for each text, a list of float32 arrays in the order given.

        `rows` are the texts' token rows, a list for each segment; `pack(rows, width)` makes the network's inputs of
        some of them. An output that follows the width of its batch is as wide as that was.
        """
        longest = self.preprocessor.sequence_length
        lengths = np.minimum(self.preprocessor.lengths(rows), longest)
        order = np.argsort(-lengths, kind="stable")
        found = [None] * len(order)
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        weights = Weights([self], {}, turn=False)
        program = self.program_for(weights)
        values, first = weights.values(), 0
        hidden = len(order) <= MOST_ROWS if verbose == "auto" else not verbose
        with tqdm(total=len(order), unit="text", disable=hidden or (None if verbose == "auto" else False)) as bar:
            while first < len(order):
                width = min(rounded(int(lengths[order[first]]), NARROWEST), longest)
                size = batch_size or min(max(TOKENS // width, 1), MOST_ROWS, rounded(len(order), 1))
                numbers = order[first : first + size]
                batch = pack([[texts[i] for i in numbers] for texts in rows], width)
                outputs = program(values, {name: filled(x, size) for name, x in batch.items()})
                outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
                for i, output in zip(numbers, outputs, strict=False):
                    found[i] = output
                bar.update(len(numbers))
                first += size
        return found


def only_texts_and(others, further, *more):
    """`TypeError` where `predict` on texts in memory was given what only Keras' own takes."""
    if others or further:
        names = ", ".join(others) or f"{len(further)} more arguments"
        raise TypeError(f"predict on texts takes {', '.join(('batch_size', 'verbose', *more))}; got {names}.")
