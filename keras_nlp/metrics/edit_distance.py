"""How many edits lie between a text and its reference."""

import numpy as np

from keras_nlp.metrics.text_metric import TextMetric
from keras_nlp.tokenizers.text import as_string
from keras_zoo.config import serializable


@serializable
class EditDistance(TextMetric):
    """Levenshtein distance: the fewest tokens to replace, insert or delete that turn one text into the other.

    Normalised, it is the edits of all samples so far by the number of tokens in their references: the word error rate
    where tokens are words, the character error rate where they are characters. It may be above 1. It is 0 before the
    first sample, and infinite where there are edits but no reference has a token.

    `y_true` and `y_pred` are texts already split into tokens, strings or ids: `text.split()` or `list(text)` for one
    sample, a list of such lists for a batch. NumPy arrays, eager and ragged tensors do as well; padding in them
    counts as a token. A string that is not split is refused, since it does not say what its tokens are.

    It cannot run inside a compiled step: leave it out of `compile` and call it after `generate` or `predict`, or in a
    callback.

    Args:
        normalize: False for the mean number of edits of a sample instead.
        dtype: of the result.
        name: what the metric is called.

    Raises `ValueError` for what is not tokens, and where the numbers of samples differ.
    """

    kinds = "USOiu"

    def __init__(self, normalize=True, dtype=None, name="edit_distance"):
        super().__init__(2, dtype, name)  # edits; reference tokens or samples
        self.normalize = normalize

    def measure(self, y_true, y_pred):
        references, predictions = samples(y_true, "y_true"), samples(y_pred, "y_pred")
        self.check_counts(references, predictions)
        edits = sum(map(distance, references, predictions))
        return np.array([edits, sum(map(len, references)) if self.normalize else len(references)], "float64")

    def result(self):
        edits, count = self.sums.tolist()
        return self.as_result(edits / count if count else float("inf") if edits else 0.0)

    def get_config(self):
        return super().get_config() | {"normalize": self.normalize}


def samples(x, name):
    """Lists of tokens, from one such list or several."""
    if not isinstance(x, list):
        raise ValueError(
            f"EditDistance takes texts split into tokens, such as text.split() or list(text); {name} is {x!r:.100}."
        )
    nested = [isinstance(part, list) for part in x]
    if any(nested) and not all(nested):
        raise ValueError(f"{name} must be one list of tokens or a list of such lists; got both in {x!r:.100}.")
    return [[as_token(token, name) for token in row] for row in (x if any(nested) else [x])]


def as_token(token, name):
    if isinstance(token, int):
        return token
    if isinstance(token, str | bytes):
        return as_string(token, f" in {name}")
    raise ValueError(f"The tokens of {name} must be strings or ids; got {token!r:.100} ({type(token).__name__}).")


def distance(one, other):
    """The fewest edits between two lists of tokens, by a table that is filled a row at a time."""
    numbers = {}
    one, other = sorted(([numbers.setdefault(token, len(numbers)) for token in x] for x in (one, other)), key=len)
    other = np.array(other, "int64")
    places = np.arange(len(other) + 1)
    row = places
    for token in one:
        changed = np.minimum(row[1:] + 1, row[:-1] + (other != token))  # deleted, or replaced where it differs
        row = np.concatenate([row[:1] + 1, changed])
        row = np.minimum.accumulate(row - places) + places  # insertions, which follow each other along the row
    return int(row[-1])
