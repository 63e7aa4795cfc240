"""The BERT network (Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers")."""

import keras
from keras import ops

from keras_nlp.layers import Dense, Dropout, PositionEmbedding, ReversibleEmbedding, SelfAttention
from keras_nlp.layers.activations import ACTIVATIONS, check_activation
from keras_zoo import Backbone
from keras_zoo.config import serializable


class BertBackbone(Backbone):
    """A bidirectional transformer encoder with layer normalisation behind each block.

    Inputs, each `(B, T)`: `{"token_ids": int, "padding_mask": int or bool, 1 where a token is real, "segment_ids":
    int, 0 for the first text of a pair and 1 for the second}`. Outputs: `{"sequence_output": (B, T, hidden_dim),
    "pooled_output": (B, hidden_dim)}`, the latter a dense layer with tanh on the first token, `[CLS]`.

    Args:
        vocabulary_size: number of token ids.
        num_layers, num_heads, hidden_dim, intermediate_dim: depth, attention heads, width and feed-forward width;
            `hidden_dim` is a multiple of `num_heads`.
        dropout: rate after the embeddings, on attention weights and after each of a block's two halves.
        max_sequence_length: the longest text, in tokens.
        num_segments: number of segment ids.
        activation: of the feed-forward layers: `"gelu"`, `"gelu_approximate"` (by tanh) or `"relu"`.
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
        max_sequence_length=512,
        num_segments=2,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        dtype=None,
        **kwargs,
    ):
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim must be a multiple of num_heads; got {hidden_dim} and {num_heads}.")
        check_activation(activation)
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size, hidden_dim, embeddings_initializer=initializer(), dtype=dtype, name="token_embedding"
        )
        self.position_embedding = PositionEmbedding(
            max_sequence_length, hidden_dim, initializer=initializer(), dtype=dtype, name="position_embedding"
        )
        self.segment_embedding = keras.layers.Embedding(
            num_segments, hidden_dim, embeddings_initializer=initializer(), dtype=dtype, name="segment_embedding"
        )
        self.embeddings_layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="embeddings_layer_norm"
        )
        self.embeddings_dropout = Dropout(dropout, dtype=dtype, name="embeddings_dropout")
        self.transformer_layers = [
            BertBlock(
                num_heads,
                intermediate_dim,
                dropout,
                activation,
                layer_norm_epsilon,
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.pooled_dense = Dense(
            hidden_dim, activation="tanh", kernel_initializer=initializer(), dtype=dtype, name="pooled_dense"
        )

        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        segment_ids = keras.Input((None,), dtype="int32", name="segment_ids")
        positions, visible = Places(name="places")(padding_mask)
        x = self.token_embedding(token_ids)
        x = x + self.position_embedding(positions) + self.segment_embedding(segment_ids)
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        for layer in self.transformer_layers:
            x = layer(x, visible)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": segment_ids},
            outputs={"sequence_output": x, "pooled_output": self.pooled_dense(x[:, 0])},
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
        self.num_segments = num_segments
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon


@serializable
class Places(keras.layers.Layer):
    """`padding_mask (B, T)` -> `positions (1, T)` int32, the places in the row, and `visible (B, 1, 1, T)` bool."""

    def call(self, padding_mask):
        places = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
        return places[None], ops.cast(padding_mask, "bool")[:, None, None, :]

    def compute_output_spec(self, padding_mask):
        batch, length = padding_mask.shape
        return keras.KerasTensor((1, length), "int32"), keras.KerasTensor((batch, 1, 1, length), "bool")


@serializable
class BertBlock(keras.layers.Layer):
    """Attention, then two dense layers with an activation between, each added to its input and then normalised."""

    def __init__(self, num_heads, intermediate_dim, dropout, activation, layer_norm_epsilon, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon

    def build(self, x_shape, *_):
        policy, epsilon = self.dtype_policy, self.layer_norm_epsilon
        self.attention = SelfAttention(self.num_heads, self.dropout, initializer(), dtype=policy, name="attention")
        self.attention_norm = keras.layers.LayerNormalization(epsilon=epsilon, dtype=policy, name="attention_norm")
        self.feedforward_intermediate = Dense(
            self.intermediate_dim, kernel_initializer=initializer(), dtype=policy, name="feedforward_intermediate"
        )
        self.feedforward_output = Dense(
            x_shape[-1], kernel_initializer=initializer(), dtype=policy, name="feedforward_output"
        )
        self.feedforward_norm = keras.layers.LayerNormalization(epsilon=epsilon, dtype=policy, name="feedforward_norm")
        self.residual_dropout = Dropout(self.dropout, dtype=policy, name="residual_dropout")
        for layer in (self.attention, self.attention_norm, self.feedforward_intermediate, self.feedforward_norm):
            layer.build(x_shape)
        self.feedforward_output.build((*x_shape[:-1], self.intermediate_dim))

    def call(self, x, visible):
        x = self.attention_norm(x + self.residual_dropout(self.attention(x, visible)))
        hidden = ACTIVATIONS[self.activation](self.feedforward_intermediate(x))
        return self.feedforward_norm(x + self.residual_dropout(self.feedforward_output(hidden)))

    def compute_output_shape(self, x_shape, *_):
        return x_shape

    def get_config(self):
        names = ("num_heads", "intermediate_dim", "dropout", "activation", "layer_norm_epsilon")
        return super().get_config() | {name: getattr(self, name) for name in names}


def initializer():
    """A fresh one for each layer: Keras' own repeat their values when shared."""
    return keras.initializers.TruncatedNormal(stddev=0.02)
