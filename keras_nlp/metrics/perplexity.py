"""How surprised a language model is by the tokens of a text."""

import keras
from keras import ops

from keras_nlp.metrics.dtypes import float_dtype
from keras_zoo.config import serializable


@serializable
class Perplexity(keras.metrics.MeanMetricWrapper):
    """Perplexity: the exponential of the mean cross-entropy of the tokens; 1 is a model that is always sure and right.

    `y_true (B, T)` holds token ids, `y_pred (B, T, V)` logits or probabilities. `sample_weight` is of the shape `(B,)`,
    `(B, 1)` or `(B, T)`; a mask that Keras carries along with `y_pred` counts as well. The mean runs over all tokens
    of all batches, however long their rows are, each with its weight. KerasHub averages the means of batches instead,
    which differs where batches hold unequal numbers of real tokens. Before the first token the result is 0.

    It is part of the compiled step, so it goes into `compile`: as one of `weighted_metrics`, because padding is told
    by the weights.

    Args:
        from_logits: whether `y_pred` holds logits, as a `CausalLM` gives, rather than probabilities.
        mask_token_id: int, targets that do not count, besides those of weight 0; it may lie outside the vocabulary,
            such as -100. None for no such token.
        dtype: of the result. Sums are kept in float32 at least, since a sum in half precision soon stops growing.
        name: what the metric is called in logs.

    Raises `ValueError` where `y_true` and `y_pred` do not fit each other.
    """

    def __init__(self, from_logits=False, mask_token_id=None, dtype=None, name="perplexity"):
        self.result_dtype = float_dtype("Perplexity", dtype)
        accumulated = "float64" if self.result_dtype == "float64" else "float32"
        super().__init__(self.cross_entropy, name, accumulated)
        if mask_token_id is not None and (isinstance(mask_token_id, bool) or not isinstance(mask_token_id, int)):
            raise ValueError(f"mask_token_id must be an int or None; got {mask_token_id!r}.")
        self.from_logits = from_logits
        self.mask_token_id = mask_token_id
        self._direction = "down"  # by which Keras' callbacks know that less is better

    def cross_entropy(self, y_true, y_pred):
        """Each token's cross-entropy `(B, T)`; of no meaning at `mask_token_id`, which the vocabulary may lack."""
        y_true = ops.cast(y_true, "int32")
        y_true = ops.where(self.counts(y_true), y_true, 0)
        y_pred = ops.cast(y_pred, self.dtype)
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=self.from_logits)

    def counts(self, y_true):
        """Which tokens are not `mask_token_id`: bool `(B, T)`."""
        return ops.ones_like(y_true, "bool") if self.mask_token_id is None else y_true != self.mask_token_id

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true)
        y_pred = y_pred if hasattr(y_pred, "shape") else ops.convert_to_tensor(y_pred)
        shapes = tuple(y_true.shape), tuple(y_pred.shape)
        if len(shapes[0]) + 1 != len(shapes[1]) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(*shapes, strict=False)
        ):
            raise ValueError(f"Perplexity takes y_true (B, T) and y_pred (B, T, V); got {shapes[0]} and {shapes[1]}.")
        weight = ops.cast(self.counts(ops.cast(y_true, "int32")), self.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, self.dtype)
            missing = len(y_true.shape) - len(sample_weight.shape)
            if missing < 0:
                raise ValueError(f"sample_weight must be (B,) or (B, T); got {tuple(sample_weight.shape)}.")
            weight = weight * ops.reshape(sample_weight, (*ops.shape(sample_weight), *[1] * missing))
        # Keras' Mean averages over each row first; multiplied by their length, rows of any length sum their tokens.
        row = ops.cast(ops.prod(ops.shape(y_true)[1:]), self.dtype)
        super().update_state(y_true, y_pred, weight * row)

    def result(self):
        perplexity = ops.where(self.count > 0, ops.exp(super().result()), 0.0)
        return ops.cast(perplexity, self.result_dtype)

    def get_config(self):
        return {
            "from_logits": self.from_logits,
            "mask_token_id": self.mask_token_id,
            "dtype": self.result_dtype,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
