"""Models that find objects in images: boxes, classes, and how sure of them they are."""

import functools
import math
import types

import keras
import numpy as np

from keras_cv.bounding_box import clip_to_image, convert_format
from keras_cv.images import load_image
from keras_cv.images.frames import is_video, video_frames
from keras_cv.layers import NonMaxSuppression
from keras_cv.layers.non_max_suppression import Suppression
from keras_cv.ops.boxes import known_format
from keras_cv.ops.fuse import Fusing
from keras_cv.ops.nms import check_thresholds
from keras_cv.tasks.batches import InBatches
from keras_cv.tasks.detector_export import export_detector
from keras_cv.tasks.detector_inputs import LARGEST_STRIDE, DetectorInputs, ObjectDetectorPreprocessor
from keras_cv.tasks.image_classifier import rows
from keras_zoo import Task, tfdata
from keras_zoo.config import argument_names, serializable

IMAGE_AXES = 3
CELLS = 16 + 4 + 1  # points of all levels in a cell of the coarsest


class OfDecoder:
    """An attribute of a detector that is one of its `prediction_decoder`; None where that has none of this name."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, detector, owner=None):
        return self if detector is None else getattr(detector.decoder, self.name, None)

    def __set__(self, detector, value):
        setattr(detector.decoder, self.name, value)


@serializable
class ObjectDetector(Fusing, InBatches, Task):
    """The base of detectors: images in, `{"boxes", "confidence", "classes", "num_detections"}` out.

    With a preprocessor `predict` takes images of any sort and size, and boxes lie in the frame of the original image.
    With `preprocessor=None` it takes what the network takes, `(B, H, W, 3)` with sides that are multiples of 32, and
    boxes lie in that frame. `fit` and `evaluate` take batches of images and true boxes, see
    `keras_cv.tasks.detector_inputs.DetectorInputs`.

    A subclass builds the network, whose outputs are `raw`, with `raw["classes"]` logits `(B, A, num_classes)`, and
    defines `corners(raw, size, index)`: the boxes `(B, K, 4)` in the places `index` `(B, K)`, or all where it is None,
    xyxy in pixels of a frame of `size` = `(height, width)`.

    `confidence_threshold`, `iou_threshold`, `max_detections` and `class_agnostic` are those of `prediction_decoder`, a
    `keras_cv.layers.NonMaxSuppression`, and can be set at any time; the first two change no compiled program.
    """

    preprocessor_class = ObjectDetectorPreprocessor
    head_arguments = ("num_classes",)
    needs_labels = True
    confidence_threshold, iou_threshold, max_detections, class_agnostic = (OfDecoder() for _ in range(4))

    def read_arguments(self, num_classes, bounding_box_format, class_names, decoder, **thresholds):
        """Keeps these arguments, checked; a subclass calls it first."""
        class_names = None if class_names is None else [str(name) for name in class_names]
        num_classes = len(class_names or ()) if num_classes is None else num_classes
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(f"num_classes must be a whole number above 0, or class_names given; got {num_classes!r}.")
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"class_names must be {num_classes} names, one for each class (num_classes); got {len(class_names)}: "
                f"{class_names}."
            )
        self.num_classes, self.class_names = num_classes, class_names
        self.bounding_box_format = known_format(bounding_box_format)
        if decoder is None:
            decoder = NonMaxSuppression(self.bounding_box_format, from_logits=False, **thresholds)
        vars(self)["decoder"] = self.checked_decoder(decoder)

    def checked_decoder(self, decoder):
        if not isinstance(decoder, Suppression) or decoder.bounding_box_format != self.bounding_box_format:
            given = getattr(decoder, "bounding_box_format", None)
            raise ValueError(
                "prediction_decoder must be a keras_cv.layers.NonMaxSuppression, or another such layer, with the "
                f"detector's bounding_box_format, {self.bounding_box_format!r}; got {type(decoder).__name__} with "
                f"{given!r}."
            )
        return decoder

    @property
    def prediction_decoder(self):
        return self.decoder

    def __setattr__(self, name, value):
        if name == "prediction_decoder":  # not as a property's setter, which torch passes over for layers
            vars(self)["decoder"] = self.checked_decoder(value)  # past Keras' tracking of layers: it has no weights
        else:
            super().__setattr__(name, value)

    # Training.

    @property
    def prepares(self):
        return True

    @property
    def preprocess(self):
        return DetectorInputs(self.preprocessor, self.bounding_box_format, self.num_classes)

    def check_labels(self, x, y):
        dictionary = isinstance(x, dict) or (tfdata.kind(x) == "tf" and isinstance(x.element_spec, dict))
        if not dictionary:
            super().check_labels(x, y)
        elif isinstance(x, dict) and "bounding_boxes" not in x:
            raise ValueError(f"{type(self).__name__} trains on bounding_boxes; the dictionary has {', '.join(x)}.")

    # Prediction.

    def compute(self, images, confidence_threshold, iou_threshold, decoder_class, settings):
        raw, size = self(images, training=False), image_size(images)
        decoder = decoder_class(**dict(settings))
        decoder.confidence_threshold, decoder.iou_threshold = confidence_threshold, iou_threshold
        return self.detections(raw, size, decoder)

    def detections(self, raw, size, decoder):
        """What a decoder of logits leaves of raw outputs, xyxy in pixels of a frame of `size`."""
        hard = getattr(decoder, "soft_method", None) is None
        boxes = functools.partial(self.corners, raw, size) if hard else self.corners(raw, size)
        return decoder.suppress(boxes, raw["classes"])

    def decode(self, raw, images=None, image_shape=None):
        """Boxes and class probabilities before non-max suppression: `{"boxes": (B, A, 4), "classes": (B, A, C)}`.

        Args:
            raw: what calling the model gives.
            images: what it was called on; or
            image_shape: their `(height, width)`. By default that of the backbone, and that of a square image where the
                backbone has none.

        Boxes are in `bounding_box_format`, in the frame of the images; a relative one is relative to that.
        """
        size = image_size(images) if images is not None else tuple(image_shape or self.size_of(raw))[:2]
        boxes = convert_format(self.corners(raw, size), "xyxy", self.bounding_box_format, image_shape=size)
        return {"boxes": boxes, "classes": keras.ops.sigmoid(raw["classes"])}

    def decode_predictions(self, pred, images):
        """Detections from what calling the model on `images` gives, after non-max suppression."""
        decoded = self.decode(pred, images)
        return self.decoder(decoded["boxes"], decoded["classes"], images=images)

    def size_of(self, raw):
        """Height and width of the images that `raw` is of, as far as they can be known."""
        size, count = self.backbone.image_shape[:2], raw["classes"].shape[1]
        if None not in size:
            return size
        side = LARGEST_STRIDE * math.isqrt(count // CELLS)
        if CELLS * (side // LARGEST_STRIDE) ** 2 != count:
            raise ValueError(f"{count} points are not those of a square image; give images or image_shape.")
        return side, side

    def ready(self, images):
        """The network's input, and what brings detections back into the frame and the format that are asked for."""
        if self.preprocessor is None:
            images = np.asarray(images)
            shape = images.shape[1:3]
            if images.ndim != 4 or any(length % LARGEST_STRIDE or not length for length in shape):
                raise ValueError(
                    f"Without a preprocessor {type(self).__name__} takes images (B, height, width, channels) whose "
                    f"height and width are multiples of {LARGEST_STRIDE}; got {images.shape}. Resize them with "
                    "keras_cv.layers.Resizing(…, pad_to_aspect_ratio=True)."
                )
            target = self.bounding_box_format
            return images, lambda found: convert_format(found, "xyxy", target, image_shape=shape)
        images, placements = self.preprocessor.fitted(images)
        return images, lambda found: self.placed_back(found, placements)

    def placed_back(self, found, placements):
        boxes = []
        for corners, placement in zip(found["boxes"], placements, strict=True):
            shape = placement.window[2:]
            corners = clip_to_image(placement.undo(corners), "xyxy", image_shape=shape)
            boxes.append(convert_format(corners, "xyxy", self.bounding_box_format, image_shape=shape))
        return found | {"boxes": np.stack(boxes)}

    def nothing(self, static):
        most = dict(static[1])["max_detections"]
        return {
            "boxes": np.zeros((0, most, 4), "float32"),
            "confidence": np.zeros((0, most), "float32"),
            "classes": np.zeros((0, most), "int32"),
            "num_detections": np.zeros(0, "int32"),
        }

    def predict(
        self, x, batch_size=None, verbose="auto", *, confidence_threshold=None, iou_threshold=None, max_detections=None
    ):
        """The objects in images: `{"boxes", "confidence", "classes", "num_detections"}`, NumPy arrays.

        Args:
            x: one image (then the arrays are those of a batch of one), a list of images of any sizes, a batch, a
                folder, a video file, a generator of images such as the frames of a camera, or a data set of batches.
            batch_size: images that run at once, 32 by default and 1 for a generator.
            verbose: whether to show a progress bar; `"auto"` for more than a batch.
            confidence_threshold, iou_threshold, max_detections: in place of the model's own, for this call.

        `boxes` is `(N, max_detections, 4)` float32 in `bounding_box_format`, `confidence` `(N, max_detections)` float32
        in 0-1, falling, `classes` `(N, max_detections)` int32, and `num_detections` `(N,)` int32. Rows past
        `num_detections` are -1. Of no images, `[]`, N is 0.
        """
        static, thresholds = suppression(self.decoder, confidence_threshold, iou_threshold, max_detections)
        if tfdata.kind(x) not in (None, "generator"):
            x = images_of(x)
        elif not (self.preprocessor is None and isinstance(tfdata.to_numpy(x), np.ndarray)):
            x = video_frames(x) if is_video(x) else rows(x)
        else:
            x = tfdata.to_numpy(x)
            x = x[None] if x.ndim == IMAGE_AXES else x
        size = batch_size or (1 if isinstance(x, types.GeneratorType) else 32)
        return self.run_in_batches(x, size, verbose, thresholds, static)

    def predict_on_batch(self, x):
        """As `predict`, of one batch."""
        return self.predict(x, len(x))

    def export(
        self,
        filepath,
        format="tf_saved_model",
        *,
        image_size=None,
        nms=True,
        confidence_threshold=None,
        iou_threshold=None,
        max_detections=None,
        **kwargs,
    ):
        """Writes one file that takes images and gives boxes, with batch normalisation folded into convolutions.

        It takes float32 `(N, height, width, 3)` in 0-255, fitted into the model's frame, and gives `"boxes"`,
        `"confidence"`, `"classes"` and `"num_detections"` as `predict` does, boxes in `bounding_box_format` in that
        frame. `scale` and `offset` of a preprocessor are inside. Without one it takes what the network takes.

        Args:
            filepath: `*.onnx`, a folder for a SavedModel, `*.tflite` for LiteRT, `*.xml` for OpenVINO.
            format: `"onnx"`, `"tf_saved_model"`, `"litert"` or `"openvino"`. TensorFlow writes all of them and torch
                the first; under another backend one of them does so in a process of its own, if it is installed.
            image_size: `(height, width)`, multiples of 32; by default the preprocessor's, or else the backbone's.
            nms: False leaves suppression out: `"boxes"` `(N, A, 4)`, and `"classes"` `(N, A, num_classes)`,
                probabilities.
            confidence_threshold, iou_threshold, max_detections: in place of the model's own.
            kwargs: those of `keras.Model.export`, `verbose` and `opset_version` among them.

        Raises:
            ValueError: for a suppression that the format cannot hold, half precision where the format has none, or a
                size that is missing or does not fit.
            ImportError: if a package that writes the format is missing.
        """
        limits = {"confidence_threshold": confidence_threshold, "iou_threshold": iou_threshold}
        export_detector(self, filepath, format, image_size, nms, limits | {"max_detections": max_detections}, kwargs)

    def annotate(self, image, color="#ffeb3b", **options):
        """A copy of the image with the objects that `predict` finds drawn on it, a PIL image.

        Args:
            image: one image of any sort.
            color: of the boxes, see `keras_cv.visualization.draw_bounding_boxes`.
            options: thresholds, see `predict`.
        """
        from PIL import Image

        from keras_cv.visualization import draw_bounding_boxes

        image = load_image(image)
        found = self.predict([image], **options)
        how = {"color": color, "bounding_box_format": self.bounding_box_format, "class_mapping": self.class_names}
        return Image.fromarray(draw_bounding_boxes([image], found, **how)[0])


def suppression(decoder, confidence_threshold, iou_threshold, max_detections):
    """`(static, thresholds)` of a call: what a program is made for, and the two numbers that it is given."""
    settings = {name: getattr(decoder, name) for name in argument_names(type(decoder))} | {"from_logits": True}
    given = {"confidence_threshold": confidence_threshold, "iou_threshold": iou_threshold}
    thresholds = {name: settings.pop(name) if value is None else value for name, value in given.items()}
    settings = {name: value for name, value in settings.items() if name not in given}
    check_thresholds(thresholds["iou_threshold"], thresholds["confidence_threshold"])
    if max_detections is not None:
        settings["max_detections"] = max_detections
    numbers = tuple(np.asarray(value, "float32") for value in thresholds.values())
    return (type(decoder), tuple(settings.items())), numbers


def image_size(images):
    return tuple(images.shape[1:3])


def images_of(dataset):
    """The images of a data set of batches, one after the other."""
    for batch in dataset:
        x = tfdata.unpack(batch)[0]
        yield from tfdata.to_numpy(x["images"] if isinstance(x, dict) else x)
