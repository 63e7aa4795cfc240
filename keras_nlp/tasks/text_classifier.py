"""Models that put a text into classes, or give it numbers."""

import keras
import numpy as np

from keras_nlp.layers import Dense, Dropout
from keras_nlp.tasks.by_length import ByLength
from keras_nlp.tasks.text_preprocessor import TextPreprocessor, as_segments
from keras_zoo import Task, feeding
from keras_zoo.classifying import ClassifyingTask


class TextClassifierPreprocessor(TextPreprocessor):
    """Texts or pairs of texts to a classifier's inputs; see `TextPreprocessor`. Labels pass through."""


class TextClassifier(ByLength, ClassifyingTask):
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
    pipeline_tag = "text-classification"

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
        self.read_classes(num_classes, activation, problem, class_names)
        self.output_dropout = Dropout(dropout, dtype=backbone.dtype_policy, name="classifier_dropout")
        self.output_dense = Dense(
            self.num_classes,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=backbone.dtype_policy,
            name="logits",
        )
        inputs = backbone.input
        outputs = self.output_dense(self.output_dropout(backbone(inputs)["pooled_output"]))
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)
        self.dropout = dropout

    @property
    def card_example(self):
        options = "" if self.problem == "regression" else ", return_classes=True"
        return f'print(model.predict(["A fine cast and a better script."]{options}))'

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
        if own_call or own_step or feeding.kind(x) is not None:
            outputs = super().predict(x, batch_size, *args, **kwargs)
        else:
            rows = self.preprocessor.encode(as_segments(feeding.in_memory(x))[0])
            outputs = self.run_by_length(rows, self.preprocessor.pack, batch_size, **kwargs)
            outputs = np.stack(outputs) if outputs else np.zeros((0, self.num_classes), "float32")
        return self.classes(outputs) if return_classes else outputs
