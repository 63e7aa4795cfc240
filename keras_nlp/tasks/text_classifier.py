"""Models that put a text into classes, or give it numbers."""

import keras
import numpy as np

from keras_nlp.layers import Dense, Dropout
from keras_nlp.tasks.by_length import ByLength
from keras_nlp.tasks.labels import PROBLEMS, LabelledPreprocessor, in_range, numbers_of
from keras_nlp.tasks.text_preprocessor import TextPreprocessor, as_segments
from keras_zoo import Task, tfdata


class TextClassifierPreprocessor(TextPreprocessor):
    """Texts or pairs of texts to a classifier's inputs; see `TextPreprocessor`. Labels pass through."""


class TextClassifier(ByLength, Task):
    """An encoder with a dense layer on its pooled output: texts in, logits `(B, num_classes)` out.

    With a preprocessor `fit`, `evaluate` and `predict` take strings, pairs and dictionaries of strings (see
    `TextPreprocessor`); labels are class numbers or names, checked before they are trained on.

    Args:
        backbone: an encoder with a `"pooled_output"`.
        num_classes: number of classes; by default as many as `class_names`, and 1 for a regression.
        preprocessor: a `TextClassifierPreprocessor`, or None for a model that takes tensors.
        activation: of the outputs: None for logits, `"softmax"`, `"sigmoid"` or any of `keras.activations`.
        dropout: rate before the dense layer.
        problem: `"single_label"`, one class of several; `"multi_label"`, any number of classes, whose labels are 0 or
            1 `(B, num_classes)`; `"regression"`, whose labels are `num_classes` numbers.
        class_names: the names of the classes, saved in presets.
    """

    preprocessor_class = TextClassifierPreprocessor
    head_arguments = ("num_classes",)
    needs_labels = True

    def __init__(
        self,
        backbone,
        num_classes=None,
        preprocessor=None,
        activation=None,
        dropout=0.1,
        problem="single_label",
        class_names=None,
        **kwargs,
    ):
        if problem not in PROBLEMS:
            raise ValueError(f"problem must be one of {PROBLEMS}; got {problem!r}.")
        class_names = None if class_names is None else [str(name) for name in class_names]
        if num_classes is None:
            num_classes = 1 if problem == "regression" else len(class_names or ())
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__} needs num_classes or class_names: the head is new.")
        if class_names is not None and (len(class_names) != num_classes or len(set(class_names)) != num_classes):
            raise ValueError(f"class_names must be {num_classes} different names (num_classes); got {class_names}.")
        self.output_dropout = Dropout(dropout, dtype=backbone.dtype_policy, name="classifier_dropout")
        self.output_dense = Dense(
            num_classes,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=backbone.dtype_policy,
            name="logits",
        )
        self.problem = problem  # compile, which the constructor of Task calls, goes by these
        self.activation = keras.activations.serialize(keras.activations.get(activation)) if activation else None
        inputs = backbone.input
        outputs = self.output_dense(self.output_dropout(backbone(inputs)["pooled_output"]))
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)
        self.num_classes = num_classes
        self.dropout = dropout
        self.class_names = class_names

    @property
    def preprocess(self):
        one_hot = takes_one_hot(self.loss)
        return LabelledPreprocessor(self.preprocessor, self.problem, self.num_classes, self.class_names, one_hot)

    def fit(self, *args, class_weight=None, **kwargs):
        """As `Task.fit`; the keys of `class_weight` are class numbers or names."""
        if class_weight is not None:
            numbers = in_range(np.array(numbers_of(list(class_weight), self.class_names or ())), self.num_classes)
            class_weight = dict(zip(numbers.tolist(), class_weight.values(), strict=True))
        return super().fit(*args, class_weight=class_weight, **kwargs)

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; by default Adam at 5e-5, and the loss and the metric of the problem."""
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        logits = self.activation not in ("softmax", "sigmoid")
        if loss == "auto":
            loss = {
                "single_label": keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
                "multi_label": keras.losses.BinaryCrossentropy(from_logits=logits),
                "regression": keras.losses.MeanSquaredError(),
            }[self.problem]
        if metrics == "auto":
            sparse = not takes_one_hot(loss)
            metrics = {
                "single_label": keras.metrics.SparseCategoricalAccuracy() if sparse else "accuracy",
                "multi_label": keras.metrics.BinaryAccuracy(threshold=0.0 if logits else 0.5),
                "regression": keras.metrics.MeanAbsoluteError(),
            }[self.problem]
            metrics = [metrics]
        super().compile(optimizer, loss, metrics=metrics, **kwargs)

    def predict(self, x, batch_size=None, *args, return_classes=False, **kwargs):
        """`keras.Model.predict` on raw texts: an array `(N, num_classes)`, logits where there is no `activation`.

        With `return_classes=True` a list with a dictionary for each text: `{"class_name", "probability",
        "probabilities": {class name: probability}}`; for several labels `"class_names"`, those above one half, in
        place of the first two. Without `class_names` the classes are numbers.

        Texts in memory are run sorted by length, no row padded much further than its neighbours; `batch_size` is by
        default what makes 4,096 tokens.
        """
        own_step = type(self).predict_step is not Task.predict_step or args or set(kwargs) - {"verbose"}
        own_call = getattr(type(self.preprocessor), "call", None) is not TextPreprocessor.call  # or no preprocessor
        if own_call or own_step or tfdata.kind(x) is not None:
            outputs = super().predict(x, batch_size, *args, **kwargs)
        else:
            rows = self.preprocessor.encode(as_segments(tfdata.in_memory(x))[0])
            outputs = self.run_by_length(rows, self.preprocessor.pack, batch_size, **kwargs)
            outputs = np.stack(outputs) if outputs else np.zeros((0, self.num_classes), "float32")
        return self.classes(outputs) if return_classes else outputs

    def classes(self, outputs):
        """The outputs of `predict`, `(N, num_classes)`, with names; see `predict`."""
        if self.problem == "regression":
            raise ValueError("A regression has no classes; leave return_classes out.")
        names = self.class_names or list(range(self.num_classes))
        found = []
        for row in self.probabilities(np.asarray(outputs, "float32")):
            probabilities = dict(zip(names, row.tolist(), strict=True))
            if self.problem == "multi_label":
                chosen = {"class_names": [name for name, p in probabilities.items() if p > 0.5]}
            else:
                best = names[int(row.argmax())]
                chosen = {"class_name": best, "probability": probabilities[best]}
            found.append(chosen | {"probabilities": probabilities})
        return found

    def probabilities(self, outputs):
        if self.activation in ("softmax", "sigmoid"):
            return outputs
        if self.problem == "multi_label":
            return 1 / (1 + np.exp(-outputs))
        powers = np.exp(outputs - outputs.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)


def takes_one_hot(loss):
    """Whether a loss wants distributions over the classes rather than class numbers."""
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return not name.startswith("sparse")
