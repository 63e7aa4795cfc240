"""BLEU, as sacrebleu computes it."""

import keras
import numpy as np

from keras_nlp.metrics.text_metric import TextMetric, needed, unwrapped
from keras_nlp.tokenizers.text import as_string
from keras_zoo import tfdata
from keras_zoo.config import serializable


@serializable
class Bleu(TextMetric):
    """Corpus BLEU in [0, 1] (Papineni et al., 2002): how much of what was written also stands in the references.

    It is the geometric mean of the n-gram precisions up to `max_order`, over all texts so far, times a penalty for
    being shorter than the references. Counts are sacrebleu's, so `100 * result` is sacrebleu's score with the same
    tokenization and smoothing. sacrebleu itself smooths by `"exp"` unless told otherwise; here nothing is smoothed by
    default, as in KerasHub. Two things differ from KerasHub: of several references the one of the nearest length
    counts for the penalty, not the shortest, and smoothing leaves single words alone, as in the paper.

    `y_pred` is a string or a batch of B strings, `y_true` the references: for one string a string or a list of them,
    for a batch a list of B of these, whose numbers of references may differ. Both may be lists, NumPy arrays or string
    tensors, ragged ones included. An empty string is a text of no words. Without any text, or where for some n not one
    n-gram matches, the result is 0.

    It cannot run inside a compiled step: leave it out of `compile` and call it after `generate` or `predict`, or in a
    callback.

    Args:
        tokenizer: None for sacrebleu's `"13a"`, which suits Western languages; the name of another tokenization of
            sacrebleu, such as `"intl"`, `"zh"` or `"char"`; or a function of one string that returns its tokens
            (strings or ids), such as `str.split` or a tokenizer of this package without a `sequence_length`. To be
            saved, a function has to be registered with Keras, as these tokenizers are.
        max_order: int of at least 1, the longest n-grams.
        smooth: whether 1 is added to matches and totals of n-grams of two words and more (Lin and Och, 2004), so that
            short texts do not all get 0; sacrebleu's `"add-k"` with k = 1.
        dtype: of the result.
        name: what the metric is called.

    Needs `pip install 'keras-zoo[metrics]'`. Raises `ValueError` for what is not text, for samples without a reference,
    and where the numbers of predictions and of samples with references differ.
    """

    def __init__(self, tokenizer=None, max_order=4, smooth=False, dtype=None, name="bleu"):
        if isinstance(max_order, bool) or not isinstance(max_order, int) or max_order < 1:
            raise ValueError(f"max_order must be an int of at least 1; got {max_order!r}.")
        super().__init__(2 * max_order + 2, dtype, name)
        library = needed("Bleu", "sacrebleu.metrics").BLEU
        names = sorted(library.TOKENIZERS)
        if not (tokenizer is None or callable(tokenizer) or tokenizer in names):
            raise ValueError(f"tokenizer must be None, a function or one of sacrebleu's {names}; got {tokenizer!r}.")
        self.tokenizer = tokenizer
        self.max_order = max_order
        self.smooth = smooth
        # It only counts, hence without smoothing; force=True stops it from guessing whether texts are tokenized.
        by_name = "none" if callable(tokenizer) else tokenizer or "13a"
        self.counter = library(force=True, tokenize=by_name, smooth_method="none", max_ngram_order=max_order)

    def measure(self, y_true, y_pred):
        if not isinstance(y_pred, list):
            y_true, y_pred = [y_true], [y_pred]
        if not isinstance(y_true, list):
            raise ValueError(f"Bleu needs a batch of references for a batch of predictions; got {y_true!r:.100}.")
        self.check_counts(y_true, y_pred)
        if not y_pred:
            return np.zeros_like(self.sums)
        numbers = {}
        predictions = [self.words(unwrapped(x), f" in y_pred[{i}]", numbers) for i, x in enumerate(y_pred)]
        references = [x if isinstance(x, list) else [x] for x in y_true]
        for i, some in enumerate(references):
            if not some:
                raise ValueError(f"Bleu needs at least one reference for each prediction; y_true[{i}] has none.")
            references[i] = [self.words(unwrapped(x), f" in y_true[{i}]", numbers) for x in some]
        # sacrebleu wants all first references, then all second ones, None where there is none
        most = max(map(len, references))
        streams = [[some[i] if i < len(some) else None for some in references] for i in range(most)]
        score = self.counter.corpus_score(predictions, streams)
        return np.array([*score.counts, *score.totals, score.sys_len, score.ref_len], "float64")

    def words(self, text, where, numbers):
        """A text as sacrebleu takes it; one's own tokens become numbers, since they may hold spaces."""
        text = as_string(text, where)
        if not callable(self.tokenizer):
            return text
        tokens = tfdata.to_numpy(self.tokenizer(text))
        tokens = tokens.tolist() if isinstance(tokens, np.ndarray) else tokens
        if not isinstance(tokens, list | tuple) or not all(isinstance(token, str | bytes | int) for token in tokens):
            raise ValueError(f"The tokenizer of Bleu must return strings or ids for a string; got {tokens!r:.100}.")
        return " ".join(str(numbers.setdefault(token, len(numbers))) for token in tokens)

    def result(self):
        matches, totals, (written, wanted) = np.split(self.sums, [self.max_order, 2 * self.max_order])
        score = self.counter.compute_bleu(
            matches.tolist(),
            totals.tolist(),
            int(written),
            int(wanted),
            smooth_method="add-k" if self.smooth else "none",
            max_ngram_order=self.max_order,
        )
        return self.as_result(score.score / 100)

    def get_config(self):
        tokenizer = self.tokenizer
        if callable(tokenizer):
            tokenizer = keras.saving.serialize_keras_object(tokenizer)
        return super().get_config() | {"tokenizer": tokenizer, "max_order": self.max_order, "smooth": self.smooth}

    @classmethod
    def from_config(cls, config):
        if isinstance(config["tokenizer"], dict):
            config = config | {"tokenizer": keras.saving.deserialize_keras_object(config["tokenizer"])}
        return cls(**config)
