"""Multi-head self-attention over the present sequence or over a cache."""

import keras
from keras import ops

from keras_nlp.layers.dropout import Dropout
from keras_nlp.layers.turned import Dense
from keras_zoo.config import serializable

HIDDEN = -1e9  # added nowhere, put in place of a score: finite, so that a fully hidden row gives no NaN


@serializable
class SelfAttention(keras.layers.Layer):
    """Scaled dot-product self-attention (Vaswani et al., 2017).

    Call arguments: `x` `(B, T, D)`; `visible` bool `(B, 1, T, S)`, True where a query may see a key; `cache`, the
    layer's key-value cache (`keras_nlp.generation`), or None, in which case `S == T`. Returns `(B, T, D)`.
    The softmax is taken in float32 whatever the compute dtype.
    """

    def __init__(
        self,
        num_heads,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        output_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.output_initializer = keras.initializers.get(output_initializer or kernel_initializer)

    def build(self, x_shape, *_):
        dim = x_shape[-1]
        if dim % self.num_heads:
            raise ValueError(f"The width {dim} is not a multiple of num_heads={self.num_heads}.")
        self.query_dense = self.dense("query", dim, self.kernel_initializer)
        self.key_dense = self.dense("key", dim, self.kernel_initializer)
        self.value_dense = self.dense("value", dim, self.kernel_initializer)
        self.output_dense = self.dense("output", dim, self.output_initializer)
        for layer in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            layer.build(x_shape)
        self.dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy, name="dropout")
        self.head_dim = dim // self.num_heads

    def dense(self, name, dim, initializer):
        return Dense(dim, kernel_initializer=initializer.clone(), dtype=self.dtype_policy, name=name)

    def split_heads(self, x):
        batch, length, _ = ops.shape(x)
        return ops.transpose(ops.reshape(x, (batch, length, self.num_heads, self.head_dim)), (0, 2, 1, 3))

    def call(self, x, visible, cache=None):
        query = self.split_heads(self.query_dense(x))  # (B, N, T, H)
        key = self.split_heads(self.key_dense(x))
        value = self.split_heads(self.value_dense(x))
        if cache is not None:
            key, value = cache.update(key, value)  # (B, N, S, H)
        query = query * self.head_dim**-0.5
        # (B, N, T, S). One query at a time is a product of a matrix and a vector, up to seven times faster as such.
        if query.shape[2] == 1:
            scores = ops.swapaxes(ops.matmul(key, ops.swapaxes(query, -1, -2)), -1, -2)
        else:
            scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
        scores = ops.where(visible, ops.cast(scores, "float32"), HIDDEN)
        # Of a single key the weight is 1; Keras' softmax would warn.
        weights = ops.softmax(scores) if scores.shape[-1] != 1 else ops.ones_like(scores)
        weights = ops.cast(weights, self.compute_dtype)
        mixed = ops.transpose(ops.matmul(self.dropout_layer(weights), value), (0, 2, 1, 3))  # (B, T, N, H)
        return self.output_dense(ops.reshape(mixed, ops.shape(x)))

    def compute_output_shape(self, x_shape, *_):
        return x_shape

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "output_initializer": keras.initializers.serialize(self.output_initializer),
        }
