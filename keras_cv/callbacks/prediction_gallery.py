"""A callback that draws what a model predicts for the same few images, epoch after epoch."""

import inspect
import warnings

import keras
import numpy as np

from keras_cv.callbacks.picture_writers import writers
from keras_cv.visualization import plot_bounding_box_gallery, plot_image_gallery, plot_segmentation_mask_gallery
from keras_cv.visualization.drawing import class_name
from keras_cv.visualization.figure import pixels_of
from keras_cv.visualization.samples import array_of, take_samples
from keras_zoo import feeding

RIGHT, WRONG = "#0072b2", "#c04a00"  # blue and vermilion, which colour-blind readers tell apart


class PredictionGallery(keras.callbacks.Callback):
    """Draws a gallery of sample predictions at the end of epochs, and puts it where progress is followed.

    Of a classifier it shows the images with the predicted class and its probability, a mark for right or wrong, and the
    true class where that is another; of a detector the images with true and predicted boxes; of a network that returns
    scores `(B, H, W, classes)` the images with masks. The images are taken once, so that galleries can be compared.

    Args:
        data: the images and their truth: `(images, labels)`, labels numbers, names or one-hot; `(images, boxes)`, boxes
            as for `draw_bounding_boxes`; a dictionary with `"images"` and `"labels"`, `"bounding_boxes"` or
            `"segmentation_masks"`; a data set of such batches; or images alone. Images are what the model's `predict`
            takes.
        every: int, draws after each so many epochs.
        folder: a folder for `NAME_0001.png`, numbered by epochs from 1.
        tensorboard_dir: a folder of TensorBoard; written by torch's writer, tensorboardX or TensorFlow.
        wandb: True for the run that `wandb.init` has started, or a run.
        class_names: a list, or a dictionary, from numbers to names; by default the model's or the data set's
            `class_names`.
        bounding_box_format: of boxes in `data` and in predictions; by default the model's `bounding_box_format`.
        value_range: `(lowest, highest)` of the images' values.
        rows, cols: the grid; `rows * cols` images are taken.
        name: what the pictures are called.
        **kwargs: more of what the galleries take, such as `scale`.

    Predictions of a plain Keras model are taken for probabilities where all of them lie in 0-1, and for logits
    otherwise.

    What is wrong with the arguments is a `ValueError` at once. Later on pictures never stop a training: what cannot be
    predicted, drawn or written in an epoch becomes a warning. In a notebook, without any place to write to, the gallery
    is shown there.
    """

    def __init__(
        self,
        data,
        every=1,
        folder=None,
        tensorboard_dir=None,
        wandb=None,
        class_names=None,
        bounding_box_format=None,
        value_range=(0, 255),
        rows=3,
        cols=3,
        name="predictions",
        **kwargs,
    ):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be an int of at least 1, a number of epochs; got {every!r}.")
        accepted = set(inspect.signature(plot_image_gallery).parameters) - {"images", "path", "show", "captions"}
        unknown = sorted(set(kwargs) - accepted)
        if unknown:
            raise ValueError(
                f"PredictionGallery does not know {unknown}; of the gallery's it takes {sorted(accepted)}."
            )
        self.samples = take_samples(in_rows(data), rows * cols)
        if not self.samples:
            raise ValueError("PredictionGallery was given no images.")
        self.writers = writers(folder, tensorboard_dir, wandb)
        self.every, self.name = every, name
        self.class_names = class_names if class_names is not None else getattr(data, "class_names", None)
        self.bounding_box_format = bounding_box_format
        self.options = {"value_range": value_range, "rows": rows, "cols": cols, "show": False, **kwargs}

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        try:
            figure = self.draw(epoch + 1)
            pixels = pixels_of(figure)
            for write in self.writers:
                write(self.name, epoch + 1, pixels, figure)
        except Exception as error:  # hours of training are worth more than a picture
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(f"PredictionGallery has no picture of epoch {epoch + 1}. {reason}", stacklevel=2)

    def on_train_end(self, logs=None):
        for write in self.writers:
            if hasattr(write, "close"):
                write.close()

    def draw(self, epoch):
        """The figure of what the model predicts now."""
        predictions = self.predict()
        options = {"title": f"Epoch {epoch}", **self.options}
        images = [sample["images"] for sample in self.samples]
        if isinstance(predictions, dict) and "boxes" in predictions:
            return self.draw_boxes(images, predictions, options)
        if isinstance(predictions, np.ndarray) and predictions.ndim == 4:
            truth = self.truth("segmentation_masks")
            scores = list(predictions)
            rows, cols = options.pop("rows"), options.pop("cols")
            return plot_segmentation_mask_gallery(
                images, y_true=truth, y_pred=scores, rows=rows, cols=cols, class_mapping=self.names(), **options
            )
        guesses = classes_of(predictions, self.names())
        captions = [caption(guess, label) for guess, label in zip(guesses, self.labels(), strict=True)]
        return plot_image_gallery(images, captions=captions, **options)

    def draw_boxes(self, images, predictions, options):
        return plot_bounding_box_gallery(
            images,
            bounding_box_format=self.bounding_box_format or getattr(self.model, "bounding_box_format", None),
            y_true=self.truth("bounding_boxes"),
            y_pred=predictions,
            class_mapping=self.names(),
            **options,
        )

    def predict(self):
        """What the model says of the images: a list of dictionaries, a dictionary of arrays, or an array of scores."""
        images = [sample["images"] for sample in self.samples]
        if len({np.shape(image) for image in images if hasattr(image, "shape")}) == 1 and hasattr(images[0], "shape"):
            images = np.stack([array_of(image) for image in images])
        named = "return_classes" in inspect.signature(self.model.predict).parameters
        predictions = self.model.predict(images, verbose=0, **({"return_classes": True} if named else {}))
        return predictions if isinstance(predictions, dict | list) else array_of(predictions)

    def names(self):
        return self.class_names if self.class_names is not None else getattr(self.model, "class_names", None)

    def truth(self, key):
        values = [sample.get(key) for sample in self.samples]
        return None if any(value is None for value in values) else values

    def labels(self):
        """The name of the true class of each image, or None."""
        return [None if x is None else label_name(x, self.names()) for x in (s.get("labels") for s in self.samples)]


def in_rows(data):
    """`(images, truth)` in memory as one dictionary; a data set as it is."""
    if feeding.kind(data) is not None or not isinstance(data, tuple):
        return data
    if len(data) != 2:
        raise ValueError(f"data is (images, labels) or (images, boxes); got a tuple of {len(data)}.")
    images, truth = data
    if isinstance(truth, dict) or (isinstance(truth, list) and truth and isinstance(truth[0], dict)):
        return {"images": images, "bounding_boxes": truth}
    return {"images": images, "labels": truth}


def classes_of(predictions, class_names):
    """`(name, probability)` for each image, from `predict(..., return_classes=True)` or from scores `(B, classes)`.

    Of a classifier with several labels the name is all of its labels, without a probability.
    """
    if isinstance(predictions, list):
        return [
            (str(one["class_name"]), float(one["probability"]))
            if "class_name" in one
            else (joined(one["class_names"]), None)
            for one in predictions
        ]
    scores = predictions.reshape(len(predictions), -1).astype("float32")
    if not np.isfinite(scores).all():
        raise ValueError("the model's predictions are not finite (NaN or infinity).")
    if scores.min() < 0 or scores.max() > 1:
        logits = np.concatenate([np.zeros_like(scores), scores], -1) if scores.shape[1] == 1 else scores
        exponents = np.exp(logits - logits.max(-1, keepdims=True))
        scores = exponents / exponents.sum(-1, keepdims=True)
    elif scores.shape[1] == 1:
        scores = np.concatenate([1 - scores, scores], -1)
    best = scores.argmax(-1)
    return [(class_name(number, class_names), float(row[number])) for number, row in zip(best, scores, strict=True)]


def label_name(label, class_names):
    label = array_of(label)
    if label.dtype.kind in "SUO":
        value = label.item()
        return value.decode() if isinstance(value, bytes) else str(value)
    if label.size > 1 and label.sum() != 1:  # several labels
        return joined(class_name(number, class_names) for number in np.flatnonzero(label))
    return class_name(label.argmax() if label.size > 1 else label.item(), class_names)


def joined(names):
    return ", ".join(map(str, names)) or "none"


def caption(guess, label):
    """A gallery's caption: `"✓ cat 0.87"`, or what was wrong and what is true."""
    name, probability = guess
    said = name if probability is None else f"{name} {probability:.2f}"
    if label is None:
        return said
    return (f"✓ {said}", RIGHT) if name == label else (f"✗ {said}\ntrue: {label}", WRONG)
