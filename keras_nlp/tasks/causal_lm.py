"""Models that predict the next token."""

import functools

import keras
import numpy as np
from keras import ops

from keras_nlp import samplers
from keras_nlp.tasks.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp.tasks.generating import Generating
from keras_nlp.tokenizers.text import check_ids, has_text
from keras_zoo import Task, tfdata


class CausalLM(Generating, Task):
    """A decoder with a head over the vocabulary: `{"token_ids", "padding_mask"}` `(B, T)` in, logits `(B, T, V)` out.

    With a preprocessor `fit`, `evaluate`, `predict`, `score` and `generate` take strings; without one, token
    dictionaries. A family defines the backbone; this class is the same for all.
    """

    preprocessor_class = CausalLMPreprocessor
    pipeline_tag = "text-generation"
    card_example = 'print(model.generate("Once upon a time", max_new_tokens=20))'

    def __init__(self, backbone, preprocessor=None, **kwargs):
        inputs = backbone.input
        super().__init__(inputs, self.head(backbone, backbone(inputs)), backbone, preprocessor, **kwargs)
        keras_quantize = self.quantize  # which Keras has wrapped: it fills in what `config` leaves open

        def quantize(mode=None, config=None, **kwargs):
            if mode == "int8" and config is None:
                mode, config = None, keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
            keras_quantize(mode, config, **kwargs)

        self.quantize = functools.wraps(keras_quantize)(quantize)

    @staticmethod
    def head(backbone, hidden):
        """Hidden states `(…, D)` -> logits `(…, V)`."""
        return backbone.token_embedding(hidden, reverse=True)

    def compile(self, optimizer="auto", loss="auto", *, weighted_metrics="auto", sampler="top_k", **kwargs):
        """As `keras.Model.compile`; `sampler` is a name or a `keras_nlp.samplers.Sampler` for `generate`.

        By default Adam at 2e-5, cross-entropy and accuracy over the real tokens, which is what fine-tuning wants.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(2e-5)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy()]
        super().compile(optimizer, loss, weighted_metrics=weighted_metrics, **kwargs)
        self.sampler = samplers.get(sampler)
        # Keras resolves "auto" to False for TensorFlow on a CPU, where generation gains most: go by what was asked.
        self.compile_generate = kwargs.get("jit_compile", "auto") is not False and not kwargs.get("run_eagerly")
        self.loops, self.kept = {}, {}  # compiled programs, and the copies of weights that they share

    def get_compile_config(self):
        return super().get_compile_config() | {"sampler": keras.saving.serialize_keras_object(self.sampler)}

    def quantize(self, mode=None, config=None, **kwargs):
        """As `keras.Model.quantize`; `"int8"` stores weights in 8 bits with a scale for each output.

        It computes in floats; Keras' own `"int8"`, which rounds activations too, is
        `config=keras.quantizers.Int8QuantizationConfig()`.
        """
        super().quantize(mode, config, **kwargs)
        self.loops, self.kept = {}, {}

    # Cached decoding.

    def empty_cache(self, batch, capacity):
        """One `(key, value)` of zeros a layer, `(batch, heads, capacity, head_dim)` in the compute dtype."""
        backbone = self.backbone
        shape = (batch, backbone.num_heads, capacity, backbone.hidden_dim // backbone.num_heads)
        dtype = backbone.dtype_policy.compute_dtype
        return [(ops.zeros(shape, dtype), ops.zeros(shape, dtype)) for _ in range(backbone.num_layers)]

    def next_logits(self, token_ids, cache):
        """Reads `token_ids (B, T)` into the cache; returns logits `(B, V)` for what follows the last of them.

        The one step of generation: override it to change the distribution and keep everything else.
        """
        return self.logits(self.hidden_states(token_ids, cache)[:, -1])

    def every_logits(self, token_ids, cache):
        """As `next_logits`, for what follows each of the tokens: `(B, T, V)`. Speculative decoding reads several."""
        return self.logits(self.hidden_states(token_ids, cache))

    def hidden_states(self, token_ids, cache):
        """Reads `token_ids (B, T)` into the cache; returns hidden states `(B, T, D)`."""
        positions, visible = cache.place(token_ids.shape[1])
        return self.backbone.walk(token_ids, positions, visible, cache)

    def logits(self, hidden):
        return self.head(self.backbone, hidden)

    # Scoring.

    def score(self, token_ids, padding_mask=None, scoring_mode="logits", layer_intercept_fn=None, target_ids=None):
        """Logits or losses of given text.

        Args:
            token_ids: strings, a token dictionary, or token ids `(B, T)`.
            padding_mask: `(B, T)`, with token ids alone; all real by default.
            scoring_mode: `"logits"` for `(B, T, V)`, `"loss"` for each token's negative log-likelihood `(B, T)` in
                float32, zero where the target is padding.
            layer_intercept_fn: `fn(x, i)`, which may replace the embeddings (`i == -1`) and each layer's output.
            target_ids: `(B, T)`, what the loss is taken against; by default the next tokens, so that the last place,
                which has none, is zero.

        Returns a backend tensor.
        """
        if scoring_mode not in ("logits", "loss"):
            raise ValueError(f"scoring_mode must be 'logits' or 'loss'; got {scoring_mode!r}.")
        if isinstance(token_ids, dict):
            token_ids, padding_mask = token_ids["token_ids"], token_ids.get("padding_mask")
        elif padding_mask is None and has_text(token_ids):
            if self.preprocessor is None:
                raise ValueError("Without a preprocessor score takes token ids (B, T) or a token dictionary.")
            token_ids, padding_mask = self.preprocessor.score_preprocess(token_ids)
        token_ids = np.asarray(tfdata.to_numpy(token_ids))
        padding_mask = np.ones_like(token_ids) if padding_mask is None else np.asarray(tfdata.to_numpy(padding_mask))
        if token_ids.ndim != 2 or padding_mask.shape != token_ids.shape:
            raise ValueError(f"score takes token ids (B, T) with a mask; got {token_ids.shape}, {padding_mask.shape}.")
        check_ids(token_ids, self.backbone.vocabulary_size)
        token_ids = ops.convert_to_tensor(token_ids, "int32")
        padding_mask = ops.convert_to_tensor(padding_mask)
        positions, visible = self.backbone.get_layer("positions")(padding_mask)
        hidden = self.backbone.walk(token_ids, positions, visible, intercept=layer_intercept_fn)
        logits = self.head(self.backbone, hidden)
        if scoring_mode == "logits":
            return logits
        real = ops.cast(padding_mask, "float32")
        if target_ids is None:
            target_ids = ops.concatenate([token_ids[:, 1:], token_ids[:, :1]], axis=1)
            real = ops.concatenate([real[:, 1:] * real[:, :-1], ops.zeros_like(real[:, :1])], axis=1)
        logits = ops.cast(logits, "float32")
        return real * keras.losses.sparse_categorical_crossentropy(target_ids, logits, from_logits=True)
