"""What every task shares that puts its inputs into classes, or gives them numbers."""

import keras
import numpy as np

from keras_zoo.labels import PROBLEMS, LabelledPreprocessor, in_range, numbers_of, takes_one_hot
from keras_zoo.task import Task


class ClassifyingTask(Task):
    """A task with logits `(B, num_classes)`, whose labels are class numbers or names, checked before training.

    A subclass calls `read_classes` first and has the arguments

        num_classes: number of classes; by default as many as `class_names`, and 1 for a regression.
        activation: of the outputs: None for logits, `"softmax"`, `"sigmoid"` or any of `keras.activations`.
        problem: `"single_label"`, one class of several; `"multi_label"`, any number of classes, whose labels are 0 or
            1 `(B, num_classes)`; `"regression"`, whose labels are `num_classes` numbers.
        class_names: the names of the classes, saved in presets.
    """

    head_arguments = ("num_classes",)
    needs_labels = True
    learning_rate = 5e-5  # of the Adam that compile() takes by default

    def read_classes(self, num_classes, activation, problem, class_names):
        """Keeps these arguments, checked; `compile`, which the constructor of `Task` calls, goes by them."""
        if problem not in PROBLEMS:
            raise ValueError(f"problem must be one of {PROBLEMS}; got {problem!r}.")
        class_names = None if class_names is None else [str(name) for name in class_names]
        if num_classes is None:
            num_classes = 1 if problem == "regression" else len(class_names or ())
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__} needs num_classes or class_names: the head is new.")
        if class_names is not None and (len(class_names) != num_classes or len(set(class_names)) != num_classes):
            raise ValueError(f"class_names must be {num_classes} different names (num_classes); got {class_names}.")
        self.num_classes, self.problem, self.class_names = num_classes, problem, class_names
        self.activation = keras.activations.serialize(keras.activations.get(activation)) if activation else None

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
        """As `keras.Model.compile`; by default Adam, and the loss and the metric of the problem."""
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(self.learning_rate)
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
