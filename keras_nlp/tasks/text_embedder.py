"""Models that give a text a vector."""

import keras
import numpy as np
from keras import ops

from keras_nlp.tasks.by_length import ByLength
from keras_nlp.tasks.text_preprocessor import TextPreprocessor, as_segments
from keras_zoo import Task, feeding
from keras_zoo.config import serializable

POOLING = ("mean", "cls", "max")


class TextEmbedderPreprocessor(TextPreprocessor):
    """Texts to an embedder's inputs; see `TextPreprocessor`."""


class TextEmbedder(ByLength, Task):
    """An encoder whose outputs are pooled to one vector a text: `(B, hidden_dim)` (Reimers and Gurevych, 2019).

    Args:
        backbone: an encoder with a `"sequence_output"`.
        preprocessor: a `TextEmbedderPreprocessor`, or None for a model that takes tensors.
        pooling_mode: `"mean"` or `"max"` over the real tokens, or `"cls"`, the first token.
        normalize: scale each vector to length 1, so that a dot product is the cosine.
    """

    preprocessor_class = TextEmbedderPreprocessor
    pipeline_tag = "sentence-similarity"
    card_example = 'print(model.embed(["A cat sleeps.", "A kitten is napping."]).shape)'

    def __init__(self, backbone, preprocessor=None, pooling_mode="mean", normalize=True, **kwargs):
        self.pooling = TextPooling(pooling_mode, normalize, dtype=backbone.dtype_policy, name="pooling")
        inputs = backbone.input
        outputs = self.pooling(backbone(inputs)["sequence_output"], inputs["padding_mask"])
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)
        self.pooling_mode = pooling_mode
        self.normalize = normalize

    def compile(self, optimizer="auto", loss=None, **kwargs):
        """As `keras.Model.compile`; by default Adam at 5e-5. The loss is yours: there is no usual one."""
        super().compile(keras.optimizers.Adam(5e-5) if optimizer == "auto" else optimizer, loss, **kwargs)

    def embed(self, texts, batch_size=None, verbose="auto"):
        """Vectors of texts, float32 `(N, hidden_dim)` in the order given; a string alone gives `(hidden_dim,)`.

        Texts are sorted by length and run in batches of `batch_size`, by default as many as make 4,096 tokens. A
        progress bar is shown where `verbose` is True, or `"auto"` with more than 128 texts on a terminal.
        """
        if self.preprocessor is None:
            raise ValueError("embed takes texts, for which the embedder needs a preprocessor; use predict for tensors.")
        single = isinstance(texts, str | bytes)
        if type(self.preprocessor).call is not TextPreprocessor.call:  # somebody's own
            vectors = self.predict(texts, batch_size, verbose=verbose)
            return vectors[0] if single else vectors
        segments, _ = as_segments(feeding.in_memory(texts))
        if not segments[0]:
            return np.zeros((0, self.backbone.hidden_dim), "float32")
        vectors = np.stack(
            self.run_by_length(self.preprocessor.encode(segments), self.preprocessor.pack, batch_size, verbose)
        )
        return vectors[0] if single else vectors

    encode_text = embed  # KerasHub's name


@serializable
class TextPooling(keras.layers.Layer):
    """`x (B, T, D)` and `padding (B, T)`, 1 where a token is real -> `(B, D)`; see `TextEmbedder`."""

    def __init__(self, pooling_mode="mean", normalize=True, **kwargs):
        super().__init__(**kwargs)
        if pooling_mode not in POOLING:
            raise ValueError(f"pooling_mode must be one of {POOLING}; got {pooling_mode!r}.")
        self.pooling_mode = pooling_mode
        self.normalize = normalize

    def call(self, x, padding):
        real = ops.cast(padding, "bool")[:, :, None]
        x = ops.cast(x, "float32")  # sums over many tokens
        if self.pooling_mode == "cls":
            pooled = x[:, 0]
        elif self.pooling_mode == "max":
            pooled = ops.max(ops.where(real, x, -1e9), axis=1)
        else:
            real = ops.cast(real, "float32")
            pooled = ops.sum(x * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1e-9)
        if self.normalize:
            pooled = pooled / ops.maximum(ops.norm(pooled, axis=-1, keepdims=True), 1e-12)
        return ops.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, x_shape, padding_shape):
        return (x_shape[0], x_shape[2])

    def get_config(self):
        return super().get_config() | {"pooling_mode": self.pooling_mode, "normalize": self.normalize}
