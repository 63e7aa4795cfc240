"""Labels of words: class names to numbers, and the check that they are in range."""

from keras_nlp.tokenizers.text import has_text
from keras_zoo import tfdata
from keras_zoo.labels import in_range, numbers_of

IGNORED = -100  # the label of a word without one, as transformers and torch have it


class CheckedWordLabels:
    """A token classifier's preprocessor with its task's labels: names to numbers, and the check of their range."""

    def __init__(self, preprocessor, num_classes, class_names):
        self.preprocessor, self.num_classes, self.class_names = preprocessor, num_classes, class_names

    def __call__(self, x, y=None, sample_weight=None):
        if tfdata.any_graph_tensor(x, y, sample_weight):
            given = {k: v for k, v in {"x": x, "y": y, "sample_weight": sample_weight}.items() if v is not None}
            return tfdata.call_in_graph(lambda parts: self.call(**parts), given)
        return self.call(x, y, sample_weight)

    def call(self, x, y=None, sample_weight=None):
        if y is not None and has_text(y):
            rows = [y] if isinstance(x, str | bytes) else y
            y = [
                numbers_of([IGNORED if x in ("", b"") else x for x in tfdata.to_numpy(row)], self.class_names)
                for row in rows
            ]
            y = y[0] if isinstance(x, str | bytes) else y
        data = self.preprocessor(x, y, sample_weight)
        return data if y is None else (data[0], self.check(data[1]), data[2])

    def check(self, labels):
        return in_range(labels, self.num_classes)
