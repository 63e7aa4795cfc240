"""Models that predict hidden tokens."""

import keras
import numpy as np
from keras import ops

from keras_nlp.layers import Dense, MaskedLMMaskGenerator
from keras_nlp.layers.activations import ACTIVATIONS, check_activation
from keras_nlp.tasks.by_length import ByLength, only_texts_and
from keras_nlp.tasks.text_preprocessor import TextPreprocessor, as_segments
from keras_zoo import Task, feeding
from keras_zoo.config import serializable


class MaskedLMPreprocessor(TextPreprocessor):
    """Texts -> what a masked language model trains on; hides tokens anew at each call.

    Returns `(x, y, sample_weight)`: `x` is `TextPreprocessor`'s dictionary with some tokens hidden and
    `"mask_positions"`, where; `y` is what was there and `sample_weight` 1 where something was hidden, each
    `(B, mask_selection_length)`.

    Args:
        tokenizer, sequence_length, truncate: see `TextPreprocessor`.
        mask_selection_rate, mask_selection_length, mask_token_rate, random_token_rate: see
            `keras_nlp.layers.MaskedLMMaskGenerator`.
    """

    def __init__(
        self,
        tokenizer,
        sequence_length=512,
        truncate="round_robin",
        mask_selection_rate=0.15,
        mask_selection_length=96,
        mask_token_rate=0.8,
        random_token_rate=0.1,
    ):
        super().__init__(tokenizer, sequence_length, truncate)
        self.mask_selection_rate = mask_selection_rate
        self.mask_selection_length = mask_selection_length
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate
        self.masker = MaskedLMMaskGenerator(
            tokenizer.vocabulary_size(),
            mask_selection_rate,
            tokenizer.mask_token_id,
            mask_selection_length,
            [tokenizer.start_token_id, tokenizer.end_token_id, tokenizer.pad_token_id],
            mask_token_rate,
            random_token_rate,
        )

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        """As the class says; `y` and `sample_weight` must be None: the targets come from the text itself."""
        if y is not None or sample_weight is not None:
            raise ValueError("A masked language model takes its targets from the text: pass x alone.")
        segments, single = as_segments(x)
        features = self.pack(self.encode(segments), sequence_length)
        hidden = self.masker.hide(features["token_ids"], features["padding_mask"])
        x = features | {"token_ids": hidden["token_ids"], "mask_positions": hidden["mask_positions"]}
        data = (x, hidden["mask_ids"], hidden["mask_weights"])
        return keras.tree.map_structure(lambda a: a[0], data) if single else data

    def check_masks(self, rows):
        """`ValueError` unless each text holds a mask token, and none behind where it is cut."""
        token, number = self.tokenizer.mask_token, self.tokenizer.mask_token_id
        counts = [sum(text.count(number) for text in texts) for texts in zip(*rows, strict=True)]
        if bare := [i for i, count in enumerate(counts) if not count]:
            raise ValueError(f"Each text must hold {token!r} where a token is wanted; those at {bare[:10]} do not.")
        long = [i for i, n in enumerate(self.lengths(rows)) if n > self.sequence_length]
        kept = (self.pack([[texts[i] for i in long] for texts in rows])["token_ids"] == number).sum(1) if long else []
        if lost := [i for i, n in zip(long, kept, strict=True) if n < counts[i]]:
            raise ValueError(
                f"The texts at {lost[:10]} are cut to {self.sequence_length} tokens (sequence_length) and lose "
                f"{token!r} by it. Shorten them around it."
            )

    def masked_places(self, rows, width):
        """Inputs for texts that hold the mask token themselves: as `x`, where those stand."""
        features = self.pack(rows, width)
        masks = features["token_ids"] == self.tokenizer.mask_token_id
        positions = np.zeros(masks.shape, "int32")
        rows, places = masks.nonzero()
        positions[rows, (masks.cumsum(1) - 1)[rows, places]] = places
        return features | {"mask_positions": positions[:, : max(self.most_masks(masks), 1)]}

    @staticmethod
    def most_masks(masks):
        """The most masks in a row, as a power of two, so that few programs are compiled."""
        return 1 << (int(masks.sum(1).max(initial=1)) - 1).bit_length()


class MaskedLM(ByLength, Task):
    """An encoder with a head over the vocabulary at some places: logits `(B, P, V)` for `"mask_positions"` `(B, P)`.

    With a preprocessor `fit` and `evaluate` take texts, of which they hide a part; `predict` takes texts that hold the
    mask token and returns what may stand there.

    Args:
        backbone: an encoder with a `"sequence_output"` and a reversible `token_embedding`.
        preprocessor: a `MaskedLMPreprocessor`, or None for a model that takes tensors.
        activation: of the head's dense layer; None for the backbone's.
        head_layer_norm_epsilon: of the head's normalisation; None for the backbone's.
    """

    preprocessor_class = MaskedLMPreprocessor
    pipeline_tag = "fill-mask"

    def __init__(self, backbone, preprocessor=None, activation=None, head_layer_norm_epsilon=None, **kwargs):
        self.mlm_head = MaskedLMHead(
            backbone.vocabulary_size,
            activation or backbone.activation,
            backbone.layer_norm_epsilon if head_layer_norm_epsilon is None else head_layer_norm_epsilon,
            token_embedding=backbone.token_embedding,
            dtype=backbone.dtype_policy,
            name="mlm_head",
        )
        inputs = {**backbone.input, "mask_positions": keras.Input((None,), dtype="int32", name="mask_positions")}
        hidden = backbone(backbone.input)["sequence_output"]
        super().__init__(inputs, self.mlm_head(hidden, inputs["mask_positions"]), backbone, preprocessor, **kwargs)
        self.activation = activation
        self.head_layer_norm_epsilon = head_layer_norm_epsilon

    @property
    def card_example(self):
        return f'print(model.predict(["{self.preprocessor.tokenizer.mask_token} is the capital of France."], top_k=3))'

    def compile(self, optimizer="auto", loss="auto", *, weighted_metrics="auto", **kwargs):
        """As `keras.Model.compile`; by default Adam at 5e-5, cross-entropy and accuracy over the hidden tokens."""
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy()]
        super().compile(optimizer, loss, weighted_metrics=weighted_metrics, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", *args, top_k=5, **kwargs):
        """What may stand at the mask tokens of texts: for each text a list with an entry for each mask.

        An entry is a list of `top_k` candidates, the most probable first: `{"token", "token_id", "probability",
        "text"}`, where `text` is the text with that token in place of that mask. Without a preprocessor, and for data
        sets, as `keras.Model.predict`: logits.
        """
        if self.preprocessor is None or feeding.kind(x) is not None:
            return super().predict(x, batch_size, verbose, *args, **kwargs)
        only_texts_and(kwargs, args, "top_k")
        if not isinstance(top_k, int) or not 1 <= top_k <= self.backbone.vocabulary_size:
            raise ValueError(f"top_k must lie in [1, {self.backbone.vocabulary_size}]; got {top_k}.")
        segments, _ = as_segments(feeding.in_memory(x))
        rows = self.preprocessor.encode(segments)
        self.preprocessor.check_masks(rows)
        logits = self.run_by_length(rows, self.preprocessor.masked_places, batch_size, verbose)
        return [
            self.candidates(list(texts), row, top_k) for texts, row in zip(zip(*rows, strict=True), logits, strict=True)
        ]

    def candidates(self, texts, logits, top_k):
        """For each mask in token rows `texts` the best of `logits (P, V)`."""
        tokenizer = self.preprocessor.tokenizer
        places = [
            (i, j) for i, text in enumerate(texts) for j, token in enumerate(text) if token == tokenizer.mask_token_id
        ]
        found = []
        logits = logits[:, : tokenizer.vocabulary_size()]  # an embedding may have rows that no token has
        for (i, j), row in zip(places, logits, strict=False):  # logits are for as many places as the batch has
            order = np.argsort(-row, kind="stable")[:top_k]
            powers = np.exp(row - row.max())
            filled = [[*texts[i][:j], int(token), *texts[i][j + 1 :]] for token in order]
            decoded = tokenizer.decode(filled, skip_special_tokens=False)
            found.append(
                [
                    {
                        "token": tokenizer.id_to_token(int(token)),
                        "token_id": int(token),
                        "probability": float(powers[token] / powers.sum()),
                        "text": text,
                    }
                    for token, text in zip(order, decoded, strict=True)
                ]
            )
        return found


@serializable
class MaskedLMHead(keras.layers.Layer):
    """`x (B, T, D)`, `positions (B, P)` int -> logits `(B, P, V)`: dense, normalisation, embedding, bias."""

    def __init__(self, vocabulary_size, activation="gelu", layer_norm_epsilon=1e-12, token_embedding=None, **kwargs):
        super().__init__(**kwargs)
        check_activation(activation)
        self.vocabulary_size = vocabulary_size
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.token_embedding = token_embedding

    def build(self, x_shape, *_):
        self.dense = Dense(
            x_shape[-1],
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )
        self.dense.build(x_shape)
        self.layer_norm.build(x_shape)
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, x, positions):
        x = ops.take_along_axis(x, ops.expand_dims(positions, -1), axis=1)  # (B, P, D)
        x = self.layer_norm(ACTIVATIONS[self.activation](self.dense(x)))
        return self.token_embedding(x, reverse=True) + ops.cast(self.bias, self.compute_dtype)

    def compute_output_shape(self, x_shape, positions_shape):
        return (*positions_shape, self.vocabulary_size)
