"""A classifier's labels: class names to numbers, and the check that they are in range."""

import numpy as np

from keras_zoo import tfdata

PROBLEMS = ("single_label", "multi_label", "regression")


class LabelledPreprocessor:
    """A preprocessor with its task's labels: `(x, y, sample_weight)` as the model trains on it, or `ValueError`."""

    def __init__(self, preprocessor, problem, num_classes, class_names, one_hot):
        self.preprocessor = preprocessor
        self.problem, self.num_classes, self.class_names = problem, num_classes, class_names
        self.one_hot = one_hot  # whether the loss takes distributions over the classes

    def __call__(self, x, y=None, sample_weight=None):
        if y is not None and tfdata.is_graph_tensor(y):
            y = tfdata.map_in_graph(self.encode, y, "float32" if self.gives_floats(y) else "int32")
        elif y is not None:
            y = self.encode(np.asarray(tfdata.to_numpy(y)))
        return self.preprocessor(x, y, sample_weight)

    def gives_floats(self, y):
        return self.problem != "single_label" or self.is_distribution(y.shape)

    def is_distribution(self, shape):
        return len(shape) > 1 and shape[-1] == self.num_classes > 1

    def encode(self, y):
        """Labels as an array: int32 class numbers, or float32 for several labels and regression."""
        if self.problem != "single_label":
            return self.encode_floats(y)
        if y.dtype.kind in "OSU":
            y = self.numbers(y)
        if not self.is_distribution(y.shape):
            return in_range(y, self.num_classes)
        if not self.one_hot:
            raise ValueError(
                f"Labels of shape {y.shape} are distributions over the {self.num_classes} classes, and the loss takes "
                "numbers. Give class numbers, or compile with keras.losses.CategoricalCrossentropy(from_logits=True)."
            )
        return y.astype("float32")

    def encode_floats(self, y):
        try:
            y = y.astype("float32")
        except ValueError as error:
            raise ValueError(f"Labels of a {self.problem} problem are numbers: {error}.") from None
        if self.problem == "multi_label":
            if y.ndim != 2 or y.shape[1] != self.num_classes or not ((y >= 0) & (y <= 1)).all():
                raise ValueError(
                    f"Labels of a multi-label problem are 0 or 1, of shape (batch, {self.num_classes}); got shape "
                    f"{y.shape} with values from {y.min()} to {y.max()}."
                )
        elif y.shape[1:] != (self.num_classes,) and (self.num_classes > 1 or y.ndim > 1):
            raise ValueError(f"A regression of {self.num_classes} numbers takes as many a row; got shape {y.shape}.")
        elif not np.isfinite(y).all():
            raise ValueError("The values of a regression must be finite.")
        return y

    def numbers(self, y):
        return np.array(numbers_of(y.reshape(-1).tolist(), self.class_names)).reshape(y.shape)


def in_range(y, num_classes):
    """Class numbers as int32; `ValueError` where one is none."""
    wrong = np.unique(y[(y < 0) | (y >= num_classes) | (y != np.floor(y))])
    if wrong.size:
        raise ValueError(f"Labels must lie in [0, {num_classes}) for {num_classes} classes; got {wrong[:10].tolist()}.")
    return y.astype("int32")


def numbers_of(labels, class_names):
    """Class names as numbers; numbers stay."""
    names = {name: i for i, name in enumerate(class_names or ())}
    labels = [label.decode() if isinstance(label, bytes) else label for label in labels]
    unknown = sorted({str(x) for x in labels if not (x in names if isinstance(x, str) else is_number(x))})
    if unknown and not class_names:
        raise ValueError(f"The labels are names, such as {unknown[0]!r}, but the task has no class_names.")
    if unknown:
        known = f"{list(class_names)[:20]}" + (f" and {len(class_names) - 20} more" if len(class_names) > 20 else "")
        raise ValueError(f"Unknown class names {unknown[:10]}; the task has {known}.")
    return [names[x] if isinstance(x, str) else int(x) for x in labels]


def is_number(x):
    return isinstance(x, int | float | np.number) and x == np.floor(x)


def takes_one_hot(loss):
    """Whether a loss wants distributions over the classes rather than class numbers."""
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return not name.startswith("sparse")
