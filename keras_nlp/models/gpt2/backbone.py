"""The GPT-2 network (Radford et al., 2019, "Language Models are Unsupervised Multitask Learners")."""

import keras
from keras import ops

from keras_nlp.layers import CausalPositions, Dense, Dropout, PositionEmbedding, ReversibleEmbedding, SelfAttention
from keras_zoo import Backbone
from keras_zoo.config import serializable


class GPT2Backbone(Backbone):
    """A decoder-only transformer with learned positions and layer normalisation before each block.

    Inputs: `{"token_ids": (B, T) int, "padding_mask": (B, T) int or bool, 1 where a token is real}`, padded on either
    side. Output: hidden states `(B, T, hidden_dim)` after the last normalisation.

    Args:
        vocabulary_size: number of token ids.
        num_layers, num_heads, hidden_dim, intermediate_dim: depth, attention heads, width and feed-forward width;
            `hidden_dim` is a multiple of `num_heads`.
        dropout: rate after the embeddings, on attention weights and after each of a block's two halves.
        max_sequence_length: the longest context, in tokens.
        layer_norm_epsilon: added to the variance.
        dtype: a dtype policy or its name, such as `"bfloat16"` or `"mixed_float16"`.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        dropout=0.1,
        max_sequence_length=1024,
        layer_norm_epsilon=1e-5,
        dtype=None,
        **kwargs,
    ):
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim must be a multiple of num_heads; got {hidden_dim} and {num_heads}.")
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size, hidden_dim, embeddings_initializer=normal(0.02), dtype=dtype, name="token_embedding"
        )
        self.position_embedding = PositionEmbedding(
            max_sequence_length, hidden_dim, initializer=normal(0.01), dtype=dtype, name="position_embedding"
        )
        self.embeddings_dropout = Dropout(dropout, dtype=dtype, name="embeddings_dropout")
        self.transformer_layers = [
            GPT2Block(
                num_heads,
                intermediate_dim,
                dropout,
                layer_norm_epsilon,
                residual_stddev=0.02 / (2 * num_layers) ** 0.5,  # section 2.3: residual layers scaled by 1/sqrt(N)
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.layer_norm = keras.layers.LayerNormalization(epsilon=layer_norm_epsilon, dtype=dtype, name="layer_norm")

        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        positions, visible = CausalPositions(name="positions")(padding_mask)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask},
            outputs=self.walk(token_ids, positions, visible),
            dtype=dtype,
            **kwargs,
        )
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.layer_norm_epsilon = layer_norm_epsilon

    def walk(self, token_ids, positions, visible, cache=None, intercept=None):
        """The one pass through the layers, for training and for cached decoding alike.

        `token_ids`, `positions` `(B, T)`, `visible` `(B, 1, T, S)`; `cache` is a `keras_nlp.generation.KeyValueCache`
        whose capacity is `S`, or None with `S == T`. `intercept(x, i)` may replace the embeddings (`i == -1`) and the
        output of each layer. Returns `(B, T, hidden_dim)`.
        """
        intercept = intercept or (lambda x, i: x)
        x = self.token_embedding(token_ids) + self.position_embedding(positions)
        x = intercept(self.embeddings_dropout(x), -1)
        for i, layer in enumerate(self.transformer_layers):
            x = intercept(layer(x, visible, cache=cache and cache.layer(i)), i)
        return self.layer_norm(x)


@serializable
class GPT2Block(keras.layers.Layer):
    """Attention, then two dense layers with GELU between, each normalised before and added to its input."""

    def __init__(self, num_heads, intermediate_dim, dropout, layer_norm_epsilon, residual_stddev, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.residual_stddev = residual_stddev

    def build(self, x_shape, *_):
        policy, residual = self.dtype_policy, normal(self.residual_stddev)
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=policy, name="attention_norm"
        )
        self.attention = SelfAttention(
            self.num_heads, self.dropout, normal(0.02), residual, dtype=policy, name="attention"
        )
        self.feedforward_norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=policy, name="feedforward_norm"
        )
        self.feedforward_intermediate = Dense(
            self.intermediate_dim, kernel_initializer=normal(0.02), dtype=policy, name="feedforward_intermediate"
        )
        self.feedforward_output = Dense(
            x_shape[-1], kernel_initializer=residual, dtype=policy, name="feedforward_output"
        )
        self.residual_dropout = Dropout(self.dropout, dtype=policy, name="residual_dropout")
        for layer in (self.attention_norm, self.attention, self.feedforward_norm, self.feedforward_intermediate):
            layer.build(x_shape)
        self.feedforward_output.build((*x_shape[:-1], self.intermediate_dim))

    def call(self, x, visible, cache=None):
        x = x + self.residual_dropout(self.attention(self.attention_norm(x), visible, cache=cache))
        hidden = self.feedforward_intermediate(self.feedforward_norm(x))
        return x + self.residual_dropout(self.feedforward_output(ops.gelu(hidden, approximate=True)))

    def compute_output_shape(self, x_shape, *_):
        return x_shape

    def get_config(self):
        names = ("num_heads", "intermediate_dim", "dropout", "layer_norm_epsilon", "residual_stddev")
        return super().get_config() | {name: getattr(self, name) for name in names}


def normal(stddev):
    """A fresh initializer for each layer: Keras' own repeat their values when shared."""
    return keras.initializers.RandomNormal(stddev=stddev)
