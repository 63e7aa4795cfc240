"""Models that put an image into classes, or give it numbers."""

import os
from pathlib import Path

import keras
import numpy as np

from keras_cv.images import image_files
from keras_cv.layers import ImageConverter
from keras_cv.layers.image_converter import is_single
from keras_cv.ops.fuse import Fusing
from keras_cv.tasks.batches import InBatches
from keras_zoo import Task, feeding, tfdata
from keras_zoo.classifying import ClassifyingTask
from keras_zoo.config import serializable

CHANNELS = 3
POOLERS = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


@serializable
class ImageClassifierPreprocessor(ImageConverter):
    """Images to what a classifier's network takes; see `ImageConverter`. Labels pass through."""

    @property
    def image_converter(self):
        """What KerasHub keeps apart: here the preprocessor is its own converter."""
        return self


@serializable
class ImageClassifier(Fusing, InBatches, ClassifyingTask):
    """A backbone, its feature map pooled, and a dense layer: images in, logits `(B, num_classes)` out.

    With a preprocessor `fit`, `evaluate` and `predict` take images of any sort and size: paths, bytes, PIL images,
    arrays in 0-255, lists of those, data sets of batches, dictionaries `{"images", "labels"}` of batches; see
    `ImageConverter`. Labels are class numbers or names. With `preprocessor=None` they take what the backbone takes.

    Args:
        backbone: a `keras_zoo.Backbone` with a feature map as output.
        num_classes: number of classes; by default as many as `class_names`, and 1 for a regression.
        preprocessor: an `ImageClassifierPreprocessor`, or None for a model that takes tensors.
        pooling: `"avg"` or `"max"`, over height and width.
        activation: of the outputs: None for logits, `"softmax"`, `"sigmoid"` or any of `keras.activations`.
        dropout: rate before the dense layer.
        head_dtype: dtype policy of pooling and dense layer; by default the backbone's.
        problem: `"single_label"`, `"multi_label"` or `"regression"`; see `keras_zoo.classifying.ClassifyingTask`.
        class_names: the names of the classes, saved in presets.
    """

    preprocessor_class = ImageClassifierPreprocessor
    pipeline_tag = "image-classification"
    learning_rate = 1e-4

    def __init__(
        self,
        backbone,
        num_classes=None,
        preprocessor=None,
        pooling="avg",
        activation=None,
        dropout=0.0,
        head_dtype=None,
        problem="single_label",
        class_names=None,
        **kwargs,
    ):
        self.read_classes(num_classes, activation, problem, class_names)
        if pooling not in POOLERS:
            raise ValueError(f"pooling must be one of {tuple(POOLERS)}; got {pooling!r}.")
        self.data_format = getattr(backbone, "data_format", None) or keras.config.image_data_format()
        channels = backbone.input.shape[-1 if self.data_format == "channels_last" else 1]
        if preprocessor is not None and channels != CHANNELS:
            raise ValueError(
                f"The preprocessor gives images of {CHANNELS} channels, the backbone takes {channels} (image_shape). "
                "Give preprocessor=None and images that are prepared."
            )
        dtype = keras.dtype_policies.get(head_dtype or backbone.dtype_policy)
        self.pooler = POOLERS[pooling](self.data_format, dtype=dtype, name="pooler")
        self.output_dropout = keras.layers.Dropout(dropout, dtype=dtype, name="output_dropout")
        self.output_dense = keras.layers.Dense(self.num_classes, activation=activation, dtype=dtype, name="predictions")
        inputs = backbone.input
        outputs = self.output_dense(self.output_dropout(self.pooler(backbone(inputs))))
        super().__init__(inputs, outputs, backbone, preprocessor, **kwargs)
        self.pooling = pooling
        self.dropout = dropout
        self.head_dtype = head_dtype

    @property
    def card_example(self):
        method = "predict" if self.problem == "regression" else "top_k"
        return f'print(model.{method}(np.zeros((64, 64, 3), "uint8")))  # or the path of an image'

    @property
    def preprocess(self):
        return Prepared(super().preprocess, self.data_format)

    def prepare(self, x, y=None, sample_weight=None, batch_size=None, shuffle=False):
        kind = feeding.kind(x)
        if kind == "tf":
            images = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
            images = images["images"] if isinstance(images, dict) else images
            if images.shape.rank == 3 and images.shape[-1] in (1, 3, 4):
                raise ValueError("The tf.data.Dataset is not batched; give dataset.batch(size).")
        return super().prepare(rows(x) if kind is None else x, y, sample_weight, batch_size, shuffle)

    def check_labels(self, x, y):
        if not (isinstance(x, dict) or (feeding.kind(x) == "tf" and isinstance(x.element_spec, dict))):
            super().check_labels(x, y)

    def predict(self, x, batch_size=None, *args, return_classes=False, **kwargs):
        """`keras.Model.predict` on images: an array `(N, num_classes)`, logits where there is no `activation`.

        `x` is one image, a list of images of any sizes, a batch, a data set, or a folder: all images below it, in the
        order of `keras_cv.images.image_files`. Without a preprocessor images are arrays of one size. With
        `return_classes=True` a list with a dictionary for each image: `{"class_name", "probability", "probabilities":
        {class name: probability}}`; for several labels `"class_names"`, those above one half, in place of the first
        two. Without `class_names` classes are numbers.
        """
        own_step = type(self).predict_step is not Task.predict_step or args or set(kwargs) - {"verbose"}
        in_memory = feeding.kind(x) is None and not (self.preprocessor is None and isinstance(x, dict))
        if in_memory:
            x = rows(x) if self.preprocessor else self.batch_of(x)
        if own_step or not in_memory:
            outputs = super().predict(x, batch_size, *args, **kwargs)
        else:
            outputs = self.run_in_batches(x, batch_size, **kwargs)
        return self.classes(outputs) if return_classes else outputs

    def batch_of(self, x):
        """Images for a network without a preprocessor as a batch: one of them, a list of some, or a batch."""
        expected = tuple(self.input_shape[1:])
        try:
            images = np.asarray(
                [tfdata.to_numpy(image) for image in x] if isinstance(x, list | tuple) else tfdata.to_numpy(x)
            )
        except ValueError:  # of different sizes
            images = np.zeros((), "O")
        if images.shape == (0,):
            images = np.zeros((0, *(length or 1 for length in expected)), "float32")
        images = images[None] if images.ndim == len(expected) else images
        fits = all(length in (None, n) for length, n in zip(expected, images.shape[1:]))
        if images.ndim != len(expected) + 1 or not fits or images.dtype.kind in "OSU":
            given = f"shape {images.shape} of {images.dtype}" if images.ndim else "none, or some of different sizes"
            raise ValueError(
                f"Without a preprocessor {type(self).__name__} takes images (B, {', '.join(map(str, expected))}) as "
                f"numbers, or one of them; got {given}. Give it a preprocessor, or resize and stack them."
            )
        return images

    def nothing(self, static):
        return np.zeros((0, self.num_classes), "float32")

    def top_k(self, x, k=None, batch_size=None, **kwargs):
        """The `k` most probable classes of each image, best first: `[[{"class_name", "probability"}, …], …]`.

        `x` is what `predict` takes; `k` is by default 5, or all classes where there are fewer. Without `class_names`
        classes are numbers.
        """
        if self.problem == "regression":
            raise ValueError("A regression has no classes; call predict.")
        k = min(5, self.num_classes) if k is None else k
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= self.num_classes:
            raise ValueError(f"k must be a whole number from 1 to {self.num_classes} (num_classes); got {k!r}.")
        names = self.class_names or list(range(self.num_classes))
        found = []
        for row in self.probabilities(np.asarray(self.predict(x, batch_size, **kwargs), "float32")):
            best = np.argsort(-row, kind="stable")[:k]
            found.append([{"class_name": names[i], "probability": float(row[i])} for i in best])
        return found


class Prepared:
    """A classifier's preprocessing: dictionaries taken apart, labels checked, channels where the backbone has them."""

    def __init__(self, preprocess, data_format):
        self.preprocess, self.data_format = preprocess, data_format

    def __call__(self, x, y=None, sample_weight=None):
        if isinstance(x, dict):
            x, y = x["images"], x.get("labels", y)
        found = self.preprocess(x, y, sample_weight)
        if self.data_format == "channels_last":
            return found
        x, *others = keras.utils.unpack_x_y_sample_weight(found)
        return keras.utils.pack_x_y_sample_weight(channels_first(x), *others)


def channels_first(x):
    """`(…, H, W, C)` as `(…, C, H, W)`."""
    last = len(x.shape)
    return tfdata.transpose(x, [*range(last - 3), last - 1, last - 3, last - 2])


def rows(x):
    """Images in memory as rows: a folder as its files, one image as a batch of one."""
    if isinstance(x, dict):
        return x
    if isinstance(x, str | os.PathLike) and Path(x).is_dir():
        return image_files(x)
    x = tfdata.to_numpy(x)
    if not is_single(x):
        return list(x) if isinstance(x, tuple) else x
    return x[None] if isinstance(x, np.ndarray) else [x]
