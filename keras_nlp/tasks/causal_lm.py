"""Models that predict the next token, and write text with it."""

import random

import keras
import numpy as np
from keras import ops

from keras_nlp import samplers
from keras_nlp.generation import Loop, Request
from keras_nlp.generation.prompts import concatenate, rows_of_tokens
from keras_nlp.generation.stream import TextStream
from keras_nlp.layers.packing import pack
from keras_nlp.tasks.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp.tokenizers.text import check_ids, has_text
from keras_zoo import Task, tfdata

MOST_LOOPS = 16  # compiled programs kept for one model


class CausalLM(Task):
    """A decoder with a head over the vocabulary: `{"token_ids", "padding_mask"}` `(B, T)` in, logits `(B, T, V)` out.

    With a preprocessor `fit`, `evaluate`, `predict`, `score` and `generate` take strings; without one, token
    dictionaries. A family defines the backbone; this class is the same for all.
    """

    preprocessor_class = CausalLMPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        inputs = backbone.input
        super().__init__(inputs, self.head(backbone, backbone(inputs)), backbone, preprocessor, **kwargs)

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
        self.loops = {}

    def get_compile_config(self):
        return super().get_compile_config() | {"sampler": keras.saving.serialize_keras_object(self.sampler)}

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
        positions, visible = cache.place(token_ids.shape[1])
        hidden = self.backbone.walk(token_ids, positions, visible, cache)
        return self.head(self.backbone, hidden[:, -1])

    def loop(self, sampler):
        """The compiled loop for a sampler, made once while sampler and weights stay the same objects."""
        variables = self.weights
        key = (sampler.program_key(), tuple(map(id, variables)))
        if key not in self.loops:
            if len(self.loops) >= MOST_LOOPS:  # a sweep over temperatures, say: forget the oldest program
                self.loops.pop(next(iter(self.loops)))
            self.loops[key] = Loop(self, sampler, variables, self.compile_generate)
        return self.loops[key]

    # Generation.

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=False,
        *,
        max_new_tokens=None,
        seed=None,
        sampler=None,
    ):
        """Continues prompts.

        Args:
            inputs: a string, a list or array of strings, a `tf.data.Dataset` of batches of them, or a token
                dictionary `{"token_ids", "padding_mask"}` padded on either side.
            max_length: tokens a row may reach, its prompt (and start token) included. By default the preprocessor's
                `sequence_length`; for a token dictionary its width where it is padded, else the context.
            stop_token_ids: one id or several that end a row, `"auto"` for the tokenizer's end token, None for none.
            strip_prompt: return only what was written.
            max_new_tokens: the same limit counted without the prompt; of two limits the smaller one counts.
            seed: int; the same seed gives the same text on the same backend.
            sampler: replaces the compiled sampler for this call.

        Returns a string for a string, a list of strings for several; a token dictionary of NumPy arrays, padded on
        the right, for a token dictionary. A prompt longer than the context, or than `max_length`, is a `ValueError`.
        """
        options = {"max_new_tokens": max_new_tokens, "seed": seed, "sampler": sampler}
        if tfdata.kind(inputs) is not None:
            batches = (keras.tree.map_structure(tfdata.to_numpy, tfdata.unpack(batch)[0]) for batch in inputs)
            outputs = [self.generate(batch, max_length, stop_token_ids, strip_prompt, **options) for batch in batches]
            return concatenate(outputs)
        rows, single, is_text, max_length = self.prompts(inputs, max_length, max_new_tokens)
        request, loop = self.request(rows, max_length, stop_token_ids, **options)
        written = request.written(request.finish(loop))
        texts = written if strip_prompt else [row + more for row, more in zip(rows, written, strict=True)]
        if is_text:
            texts = self.preprocessor.tokenizer.decode(texts, skip_special_tokens=True)
            return texts[0] if single else texts
        token_ids, padding_mask = pack(texts, max(request.lengths))
        outputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return {name: x[0] for name, x in outputs.items()} if single else outputs

    def stream(self, prompt, max_length=None, stop_token_ids="auto", *, max_new_tokens=None, seed=None, sampler=None):
        """Continues one prompt, a string, and yields the text piece by piece, each of complete characters."""
        rows, single, is_text, max_length = self.prompts(prompt, max_length, max_new_tokens)
        if not (single and is_text):
            raise ValueError("stream takes one prompt, a string.")
        request, loop = self.request(rows, max_length, stop_token_ids, max_new_tokens, seed, sampler)
        text, row = TextStream(self.preprocessor.tokenizer), []
        for state in request.run(loop, streaming=True):
            (row,) = request.written(state)
            if piece := text.piece(row):
                yield piece
        if piece := text.finish(row):
            yield piece

    def prompts(self, inputs, max_length=None, max_new_tokens=None):
        """`(rows, single, is_text, max_length)` of anything that `generate` takes, by default with a length."""
        context = self.backbone.max_sequence_length
        if isinstance(inputs, dict):
            rows, single, width = rows_of_tokens(inputs)
            padded = any(len(row) < width for row in rows)
            is_text, default_length = False, min(width, context) if padded else context
        elif self.preprocessor is None:
            raise ValueError(
                "Without a preprocessor generate takes {'token_ids': …, 'padding_mask': …}; "
                f"got {type(inputs).__name__}. Attach a preprocessor to use strings."
            )
        else:
            rows, single = self.preprocessor.prompts(inputs)
            is_text, default_length = True, min(self.preprocessor.sequence_length, context)
        if not rows:
            raise ValueError("There is no prompt: the list is empty.")
        empty = [i for i, row in enumerate(rows) if not row]
        if empty:
            raise ValueError(f"The prompts at {empty[:10]} have no token to continue from.")
        if max_length is None and max_new_tokens is None:
            max_length = default_length
        return rows, single, is_text, max_length

    def request(self, rows, max_length, stop_token_ids="auto", max_new_tokens=None, seed=None, sampler=None):
        """The checked `Request` for rows of prompt tokens, and the loop that will run it."""
        context = self.backbone.max_sequence_length
        for name, limit in (("max_length", max_length), ("max_new_tokens", max_new_tokens)):
            if limit is not None and not (isinstance(limit, int | np.integer) and limit >= 1):
                raise ValueError(f"{name} must be a whole number of at least 1; got {limit!r}.")
        lengths = []
        for i, row in enumerate(rows):
            limit = min(x for x in (max_length, max_new_tokens and len(row) + max_new_tokens) if x is not None)
            if len(row) > min(limit, context):
                name, bound = ("context", context) if len(row) > context else ("max_length", limit)
                raise ValueError(f"The prompt at {i} has {len(row)} tokens, more than the {name} of {bound}.")
            lengths.append(min(limit, context))
        size = self.backbone.vocabulary_size
        check_ids(rows, size)
        if isinstance(stop_token_ids, str) and stop_token_ids == "auto":
            stop_token_ids = None if self.preprocessor is None else self.preprocessor.tokenizer.end_token_id
        stops = np.atleast_1d([] if stop_token_ids is None else tfdata.to_numpy(stop_token_ids))
        if stops.size and (stops.dtype.kind not in "iu" or stops.ndim > 1 or stops.min() < 0 or stops.max() >= size):
            raise ValueError(
                f"stop_token_ids must be token ids in [0, {size}), 'auto' or None; got {stop_token_ids!r}."
            )
        sampler = self.sampler if sampler is None else samplers.get(sampler)
        if seed is None:
            seed = sampler.seed if sampler.seed is not None else random.randrange(2**31)
        if not isinstance(seed, int | np.integer):
            raise ValueError(f"seed must be a whole number or None; got {seed!r}.")
        return Request(rows, lengths, stops.tolist(), int(seed)), self.loop(sampler)

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
