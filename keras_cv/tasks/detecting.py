"""From images to the objects in them: what a detector's `predict` does."""

import functools
import math
import types
import warnings

import keras
import numpy as np

from keras_cv.bounding_box import clip_to_image, convert_format
from keras_cv.images.frames import is_video, video_frames
from keras_cv.layers import MultiClassNonMaxSuppression, NonMaxSuppression
from keras_cv.ops.nms import check_thresholds
from keras_cv.tasks.batches import InBatches
from keras_cv.tasks.detector_inputs import LARGEST_STRIDE, as_input
from keras_cv.tasks.image_classifier import rows
from keras_zoo import feeding, tfdata
from keras_zoo.config import argument_names

DECODERS = {cls.__name__: cls for cls in (NonMaxSuppression, MultiClassNonMaxSuppression)}
CELLS = 16 + 4 + 1  # points of all levels in a cell of the coarsest


class OfDecoder:
    """An attribute of a detector that is one of its `prediction_decoder`; None where that has none of this name."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, detector, owner=None):
        return self if detector is None else getattr(detector.decoder, self.name, None)

    def __set__(self, detector, value):
        setattr(detector.decoder, self.name, value)


class Detecting(InBatches):
    """The prediction of an `ObjectDetector`: raw outputs, boxes, what suppression leaves, frames of original images."""

    confidence_threshold, iou_threshold, max_detections, class_agnostic = (OfDecoder() for _ in range(4))

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
        size = image_size(images)
        found = self.detections(pred, size, decoder_of_logits(self.decoder))
        return convert_format(found, "xyxy", self.bounding_box_format, image_shape=size)

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
            images = as_input(images)
            shape = images.shape[1:3]
            if any(length % LARGEST_STRIDE or not length for length in shape):
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
                folder, a video file, a generator of images such as the frames of a camera, or a data set of batches;
                or a dictionary of `"images"`.
            batch_size: images that run at once, 32 by default and 1 for a generator; a data set has its own batches.
            verbose: whether to show a progress bar; `"auto"` for more than a batch.
            confidence_threshold, iou_threshold, max_detections: in place of the model's own, for this call.

        `boxes` is `(N, max_detections, 4)` float32 in `bounding_box_format`, `confidence` `(N, max_detections)` float32
        in 0-1, falling, `classes` `(N, max_detections)` int32, and `num_detections` `(N,)` int32. Rows past
        `num_detections` are -1. Of no images, `[]`, N is 0.
        """
        static, thresholds = suppression(self.decoder, confidence_threshold, iou_threshold, max_detections)
        x = x["images"] if isinstance(x, dict) and "images" in x else x
        if feeding.kind(x) not in (None, "generator"):
            return self.run_in_batches(batches_of(x), None, verbose, thresholds, static, batched=True)
        if not (self.preprocessor is None and isinstance(tfdata.to_numpy(x), np.ndarray)):
            x = video_frames(x) if is_video(x) else rows(x)
        else:
            x = tfdata.to_numpy(x)
            x = x[None] if x.ndim == 3 else x
        size = batch_size or (1 if isinstance(x, types.GeneratorType) else 32)
        return self.run_in_batches(x, size, verbose, thresholds, static)

    def predict_on_batch(self, x):
        """As `predict`, of one batch."""
        return self.predict(x, len(x))


def settings_of(decoder):
    """The arguments that make another decoder like it."""
    return {name: getattr(decoder, name) for name in argument_names(type(decoder))}


def described(decoder):
    """A decoder as files have it: `{"layer": the name of its class, …}` and its arguments.

    None for one that a detector makes of its own thresholds, and, with a warning, for one of another class.
    """
    settings = settings_of(decoder)
    if type(decoder).__name__ not in DECODERS or type(decoder) is not DECODERS[type(decoder).__name__]:
        warnings.warn(
            f"The prediction_decoder is a {type(decoder).__name__}, which files do not name: they keep its thresholds.",
            stacklevel=2,
        )
        return None
    plain = type(decoder) is NonMaxSuppression and decoder.soft_method is None
    return None if plain else {"layer": type(decoder).__name__} | settings


def from_description(found, **settings):
    """The reverse of `described`; `settings` come before those of the description, where its class has them."""
    if found.get("layer") not in DECODERS:
        raise ValueError(f"A prediction_decoder in a file is one of {', '.join(DECODERS)}; got {found.get('layer')!r}.")
    cls = DECODERS[found["layer"]]
    given = {name: value for name, value in settings.items() if name in argument_names(cls)}
    return cls(**{name: value for name, value in found.items() if name != "layer"} | given)


def decoder_of_logits(decoder, **given):
    """A decoder of logits like `decoder`, with what is `given` in place of its thresholds where that is not None."""
    return type(decoder)(
        **settings_of(decoder)
        | {"from_logits": True}
        | {name: value for name, value in given.items() if value is not None}
    )


def suppression(decoder, confidence_threshold, iou_threshold, max_detections):
    """`(static, thresholds)` of a call: what a program is made for, and the two numbers that it is given."""
    settings = settings_of(decoder) | {"from_logits": True}
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


def batches_of(dataset):
    """The images of each batch of a data set."""
    for batch in feeding.batches(dataset):
        x = feeding.unpack(batch)[0]
        yield tfdata.as_rows(x["images"] if isinstance(x, dict) else x)
