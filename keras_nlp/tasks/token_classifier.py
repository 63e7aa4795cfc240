"""Models that put each word of a text into a class: names, parts of speech."""

import keras
import numpy as np

from keras_nlp.layers import Dense, Dropout
from keras_nlp.tasks.by_length import ByLength, only_texts_and
from keras_nlp.tasks.labels import IGNORED, CheckedWordLabels
from keras_nlp.tasks.text_preprocessor import TextPreprocessor
from keras_nlp.tokenizers.text import as_strings
from keras_zoo import Task, feeding, tfdata


class TokenClassifierPreprocessor(TextPreprocessor):
    """Words with a label each -> tokens with a label each: the first token of a word has it, the others have none.

    `x` is a string, whose words are what white space separates, or a batch of strings, or a batch of lists of words.
    `y` has a class number for each word, as lists, or as an array `(B, words)` filled up with -100, which is also the
    label of a word without one. Returns `TextPreprocessor`'s dictionary and, where there are labels, `y` int32 and
    `sample_weight` float32 `(B, sequence_length)`, 0 where there is no label.
    """

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        texts, single = as_words(x)
        encodings = self.tokenizer.encode_words(texts)
        features = self.pack([[ids for ids, _ in encodings]], sequence_length)
        labels = weights = None
        if y is not None:
            numbers = [word for _, word in encodings]
            labels, weights = self.align(numbers, texts, [y] if single else y, features["token_ids"].shape)
            if sample_weight is not None:
                weights = weights * np.asarray(sample_weight, "float32").reshape(-1, 1)
        data = (features, labels, weights)
        data = keras.tree.map_structure(lambda a: None if a is None else a[0], data) if single else data
        return keras.utils.pack_x_y_sample_weight(*data)

    def align(self, numbers, texts, y, shape):
        """Labels and weights by token; `numbers` are the words that each row's tokens belong to."""
        labels, weights = np.zeros(shape, "int32"), np.zeros(shape, "float32")
        if len(y) != len(texts):
            raise ValueError(f"There are {len(texts)} texts and labels for {len(y)}.")
        for i, (words, given) in enumerate(zip(texts, y, strict=True)):
            given = [int(label) for label in tfdata.to_numpy(given)]
            if len(given) < len(words) or (words and any(label != IGNORED for label in given[len(words) :])):
                raise ValueError(f"The text at position {i} has {len(words)} words and {len(given)} labels.")
            previous = None
            for j, word in enumerate(numbers[i][: shape[1] - 2], start=1):  # behind the start token
                if word != previous and given[word] != IGNORED:
                    labels[i, j], weights[i, j] = given[word], 1
                previous = word
        return labels, weights


class TokenClassifier(ByLength, Task):
    """An encoder with a dense layer on every token: `(B, T, num_classes)` logits.

    With a preprocessor `fit` and `evaluate` take texts or lists of words, with a label for each word (see
    `TokenClassifierPreprocessor`); `predict` takes texts and returns the words with their classes.

    Args:
        backbone: an encoder with a `"sequence_output"`.
        num_classes: number of classes; by default as many as `class_names`.
        preprocessor: a `TokenClassifierPreprocessor`, or None for a model that takes tensors.
        dropout: rate before the dense layer.
        class_names: the names of the classes, saved in presets. Names such as `"B-PER"` and `"I-PER"` let `predict`
            join words to entities.
    """

    preprocessor_class = TokenClassifierPreprocessor
    pipeline_tag = "token-classification"
    card_example = 'print(model.predict(["Ada Lovelace was born in London."]))'
    head_arguments = ("num_classes",)
    needs_labels = True

    def __init__(self, backbone, num_classes=None, preprocessor=None, dropout=0.1, class_names=None, **kwargs):
        class_names = None if class_names is None else [str(name) for name in class_names]
        num_classes = len(class_names or ()) if num_classes is None else num_classes
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__} needs num_classes or class_names: the head is new.")
        if class_names is not None and (len(class_names) != num_classes or len(set(class_names)) != num_classes):
            raise ValueError(f"class_names must be {num_classes} different names (num_classes); got {class_names}.")
        self.output_dropout = Dropout(dropout, dtype=backbone.dtype_policy, name="classifier_dropout")
        self.output_dense = Dense(
            num_classes,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=backbone.dtype_policy,
            name="logits",
        )
        inputs = backbone.input
        outputs = self.output_dense(self.output_dropout(backbone(inputs)["sequence_output"]))
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)
        self.num_classes = num_classes
        self.dropout = dropout
        self.class_names = class_names

    @property
    def preprocess(self):
        return CheckedWordLabels(self.preprocessor, self.num_classes, self.class_names)

    def compile(self, optimizer="auto", loss="auto", *, weighted_metrics="auto", **kwargs):
        """As `keras.Model.compile`; by default Adam at 5e-5, cross-entropy and accuracy over the labelled tokens."""
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy()]
        super().compile(optimizer, loss, weighted_metrics=weighted_metrics, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", *args, **kwargs):
        """The words of texts in memory with their classes: for each text a list of `{"word", "class_name",
        "probability", "place"}`, where a word's class is that of its first token and `place` its number in the text.
        Words that were cut off, or have no tokens, are not in it.

        Without `class_names` classes are numbers. Without a preprocessor, and for data sets, as `keras.Model.predict`:
        logits `(N, T, num_classes)`.
        """
        if self.preprocessor is None or feeding.kind(x) is not None:
            return super().predict(x, batch_size, verbose, *args, **kwargs)
        only_texts_and(kwargs, args)
        texts, _ = as_words(x)
        encodings = self.preprocessor.tokenizer.encode_words(texts)
        rows = [[ids for ids, _ in encodings]]
        logits = self.run_by_length(rows, self.preprocessor.pack, batch_size, verbose)
        room = self.preprocessor.sequence_length - 2
        return [
            self.classes(words, numbers[:room], row)
            for words, (_, numbers), row in zip(texts, encodings, logits, strict=True)
        ]

    def classes(self, words, numbers, logits):
        found, previous = [], None
        for place, number in enumerate(numbers, start=1):  # behind the start token
            if number != previous:
                powers = np.exp(logits[place] - logits[place].max())
                best = int(powers.argmax())
                name = best if self.class_names is None else self.class_names[best]
                probability = float(powers[best] / powers.sum())
                found.append({"word": words[number], "class_name": name, "probability": probability, "place": number})
            previous = number
        return found

    def entities(self, x, batch_size=None, **kwargs):
        """The entities in texts, by class names such as `"B-PER"` (begins a person) and `"I-PER"` (goes on): for each
        text a list of `{"text", "class_name", "start", "end", "probability"}`, where `start` and `end` count words and
        the probability is the mean of the words'.
        """
        if self.class_names is None:
            raise ValueError("entities goes by the names of the classes; the task has no class_names.")
        return [joined(words) for words in self.predict(x, batch_size, **kwargs)]


def joined(words):
    """Words with classes such as `"B-PER"`, `"I-PER"`, `"O"` as entities."""
    spans = []
    for i, word in enumerate(words):
        begins, _, kind = word["class_name"].rpartition("-")
        if word["class_name"] == "O":
            continue
        goes_on = spans and spans[-1][1] == i and spans[-1][2] == kind and begins != "B"
        spans = [*spans[:-1], (spans[-1][0], i + 1, kind)] if goes_on else [*spans, (i, i + 1, kind)]
    return [
        {
            "text": " ".join(word["word"] for word in words[start:end]),
            "class_name": kind,
            "start": words[start]["place"],
            "end": words[end - 1]["place"] + 1,
            "probability": float(np.mean([word["probability"] for word in words[start:end]])),
        }
        for start, end, kind in spans
    ]


def as_words(x):
    """`(texts, single)`: a list of words for each text; see `TokenClassifierPreprocessor`."""
    if isinstance(x, list | tuple) and x and all(isinstance(text, list | tuple | np.ndarray) for text in x):
        return [as_strings(words)[0] for words in x], False
    strings, single = as_strings(x)
    return [text.split() for text in strings], single
