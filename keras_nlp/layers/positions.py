"""Where each token stands and what it may see, from the padding alone."""

import keras
from keras import ops

from keras_zoo.config import serializable


@serializable
class CausalPositions(keras.layers.Layer):
    """`padding_mask (B, T)` -> `positions (B, T)` int32 and `visible (B, 1, T, T)` bool.

    Positions count from a row's first real token, so that a row padded on the left reads like the same row padded on
    the right; padding before it has position 0. A query sees the real tokens up to its own place.
    """

    def call(self, padding_mask):
        real = ops.cast(padding_mask, "bool")
        place = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
        first = ops.cast(ops.argmax(ops.cast(real, "int32"), axis=1), "int32")  # (B,)
        positions = ops.maximum(place - first[:, None], 0)
        causal = place[None, :] <= place[:, None]  # (T, S)
        return positions, causal[None, None] & real[:, None, None, :]

    def compute_output_spec(self, padding_mask):
        batch, length = padding_mask.shape
        return (
            keras.KerasTensor((batch, length), "int32"),
            keras.KerasTensor((batch, 1, length, length), "bool"),
        )


@serializable
class PositionEmbedding(keras.layers.Layer):
    """A learned vector for each position: `positions (B, T)` int32 -> `(B, T, output_dim)`.

    Raises `ValueError` where the sequence is longer than `sequence_length`.
    """

    def __init__(self, sequence_length, output_dim, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.sequence_length = sequence_length
        self.output_dim = output_dim
        self.initializer = keras.initializers.get(initializer)

    def build(self, _):
        shape = (self.sequence_length, self.output_dim)
        self.embeddings = self.add_weight(name="embeddings", shape=shape, initializer=self.initializer)

    def call(self, positions):
        length = positions.shape[1]
        if length is not None and length > self.sequence_length:
            raise ValueError(
                f"The input has {length} tokens; the context holds at most {self.sequence_length} "
                "(max_sequence_length). Shorten the text or set a smaller sequence_length in the preprocessor."
            )
        if length is not None:  # places past the end of a row that is done; TensorFlow checks those of unknown length
            positions = ops.minimum(positions, self.sequence_length - 1)
        return ops.take(ops.cast(self.embeddings, self.compute_dtype), positions, axis=0)

    def compute_output_shape(self, positions_shape):
        return (*positions_shape, self.output_dim)

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sequence_length,
            "output_dim": self.output_dim,
            "initializer": keras.initializers.serialize(self.initializer),
        }
