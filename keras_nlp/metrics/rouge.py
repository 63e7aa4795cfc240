"""ROUGE, as Google's rouge-score computes it."""

import numpy as np

from keras_nlp.metrics.text_metric import TextMetric, needed, unwrapped
from keras_nlp.tokenizers.text import as_strings
from keras_zoo.config import serializable


class Rouge(TextMetric):
    """What the ROUGE metrics share; `variant` is rouge-score's name of one."""

    def __init__(self, variant, use_stemmer, dtype, name):
        super().__init__(4, dtype, name)
        self.use_stemmer = use_stemmer
        self.variant = variant
        self.scorer = needed(type(self).__name__, "rouge_score.rouge_scorer").RougeScorer([variant], use_stemmer)

    def measure(self, y_true, y_pred):
        references, predictions = self.texts(y_true, "y_true"), self.texts(y_pred, "y_pred")
        self.check_counts(references, predictions)
        scores = [self.scorer.score(*pair)[self.variant] for pair in zip(references, predictions, strict=True)]
        return np.array([(*score, 1) for score in scores]).reshape(-1, 4).sum(axis=0)

    def texts(self, x, name):
        try:
            return as_strings([unwrapped(part) for part in x] if isinstance(x, list) else x)[0]
        except ValueError as error:
            raise ValueError(f"{type(self).__name__} takes one text for each sample; in {name}: {error}") from None

    def result(self):
        *sums, count = self.sums
        means = (self.as_result(part / max(count, 1)) for part in sums)
        return dict(zip(("precision", "recall", "f1_score"), means, strict=True))

    def get_config(self):
        return super().get_config() | {"use_stemmer": self.use_stemmer}


@serializable
class RougeN(Rouge):
    """ROUGE-N (Lin, 2004): the n-grams that a text shares with its reference.

    The result is a dictionary of three means over all texts so far, each in [0, 1]: `precision`, the part of the
    text's n-grams that stand in the reference; `recall`, the part of the reference's in the text; and `f1_score`,
    whose mean is not the F1 of the other two means. They are exactly rouge-score's. Texts without an n-gram count as
    0, and without any text all three are 0.

    `y_true` and `y_pred` are a string each, or batches of the same size: lists, NumPy arrays or string tensors `(B,)`
    or `(B, 1)`. rouge-score lowers all letters and reads a-z and 0-9 only: everything else separates words, so texts
    in other scripts have none.

    It cannot run inside a compiled step: leave it out of `compile` and call it after `generate` or `predict`, or in a
    callback.

    Args:
        order: int in [1, 9], the n.
        use_stemmer: whether Porter's stemmer takes the endings off English words of more than three letters.
        dtype: of the results.
        name: what the metric is called.

    Needs `pip install 'keras-zoo[metrics]'`. Raises `ValueError` for what is not text, and where the numbers of texts
    differ.
    """

    def __init__(self, order=2, use_stemmer=False, dtype=None, name="rouge-n"):
        if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 9:
            raise ValueError(f"order must be an int in [1, 9]; got {order!r}.")
        super().__init__(f"rouge{order}", use_stemmer, dtype, name)
        self.order = order

    def get_config(self):
        return super().get_config() | {"order": self.order}


@serializable
class RougeL(Rouge):
    """ROUGE-L (Lin, 2004): the longest sequence of words that a text and its reference have in common, in order.

    As `RougeN`, with the words of that sequence instead of n-grams: `precision` is its length by that of the text,
    `recall` by that of the reference. Each text is one sequence; line breaks are spaces.

    Args:
        use_stemmer: whether Porter's stemmer takes the endings off English words of more than three letters.
        dtype: of the results.
        name: what the metric is called.

    Needs `pip install 'keras-zoo[metrics]'`.
    """

    def __init__(self, use_stemmer=False, dtype=None, name="rouge-l"):
        super().__init__("rougeL", use_stemmer, dtype, name)
