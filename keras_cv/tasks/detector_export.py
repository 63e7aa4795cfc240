"""A detector as one file that takes images and gives boxes."""

import functools
import os

import keras
import numpy as np

from keras_cv.bounding_box import convert_format
from keras_cv.layers import NonMaxSuppression
from keras_cv.layers.image_converter import is_size
from keras_cv.ops.fuse import is_fused
from keras_cv.ops.onnx_nms import append_non_max_suppression, name_outputs, transform_boxes
from keras_cv.tasks.detecting import decoder_of_logits
from keras_cv.tasks.detector_inputs import LARGEST_STRIDE
from keras_zoo import exporting
from keras_zoo.model import ZooModel


class Step(keras.layers.Layer):
    """A function of the raw outputs as a part of a network; `shapes` are those of its results, without the batch."""

    def __init__(self, function, shapes):
        super().__init__(autocast=False)
        self.function, self.shapes = function, shapes

    def call(self, raw):
        return self.function(raw)

    def compute_output_spec(self, raw):
        batch = raw["boxes"].shape[0]
        return {name: keras.KerasTensor((batch, *shape), dtype) for name, (shape, dtype) in self.shapes.items()}


def export_detector(detector, filepath, format, image_size, nms, given, options):
    """Writes the file, see `ObjectDetector.export`; `given` are thresholds and limits in place of the detector's."""
    backend = exporting.writer(format)
    size = frame_of(detector, image_size)
    decoder = decoder_of_logits(detector.prediction_decoder, **given)
    check(detector, decoder if nms else None, filepath, format, backend, options)
    if backend != keras.backend.backend():
        limits = {name: getattr(decoder, name) for name in given} if nms else {}
        return exporting.export_under(
            backend, detector, filepath, format, image_size=list(size), nms=nms, **limits, **options
        )
    fused = detector if is_fused(detector) else detector.fuse()
    if format == "onnx":
        return export_onnx(fused, filepath, size, decoder if nms else None, options)
    step = detections(fused, size, decoder) if nms else predictions(fused, size)
    return program(fused, size, step).export(filepath, format=format, **options)


def frame_of(detector, image_size):
    """`(height, width)` of the images that the file takes."""
    fixed = tuple(detector.backbone.image_shape[:2])
    if image_size is None:
        image_size = fixed if detector.preprocessor is None else detector.preprocessor.image_size
        if None in image_size:
            raise ValueError(
                "The file takes images of one size. Give image_size=(height, width), since neither a preprocessor nor "
                "the backbone says one."
            )
    image_size = tuple(image_size) if isinstance(image_size, list | tuple) else image_size
    if not is_size(image_size) or any(length % LARGEST_STRIDE for length in image_size):
        raise ValueError(
            f"image_size must be (height, width), multiples of {LARGEST_STRIDE} above 0; got {image_size!r}."
        )
    if any(length not in (None, own) for length, own in zip(fixed, image_size, strict=True)):
        raise ValueError(f"The backbone takes images of {fixed} alone (image_shape); got image_size={image_size}.")
    return image_size


def check(detector, decoder, filepath, format, backend, options):
    """Errors for what the file could not hold; `decoder` is None for one without suppression."""
    suffix = exporting.SUFFIXES[format]
    if not os.fspath(filepath).endswith(suffix):
        raise ValueError(f"A file for {format} must be called *{suffix}; got {os.fspath(filepath)!r}.")
    if "input_signature" in options:
        raise ValueError("A detector is exported for one size of images: give image_size in place of input_signature.")
    if format != "tf_saved_model" and detector.compute_dtype != "float32":
        raise ValueError(
            f"A file for {format} is float32; this detector computes in {detector.compute_dtype}. Load it with "
            "dtype='float32'."
        )
    if isinstance(decoder, NonMaxSuppression | None) and getattr(decoder, "soft_method", None) is None:
        return
    if format == "onnx" or backend != keras.backend.backend():
        raise ValueError(
            f"{format} from {keras.backend.backend()} holds a NonMaxSuppression without soft_method, not what "
            f"prediction_decoder is here ({type(decoder).__name__}). Set another one, or export with nms=False: all "
            "boxes and their probabilities, without suppression."
        )


def program(detector, size, step):
    """A model from images 0-255 of one size to what `step` makes of the raw outputs."""
    images = x = keras.Input((*size, detector.backbone.image_shape[2]), name="images", dtype="float32")
    preprocessor = detector.preprocessor
    if preprocessor is not None and preprocessor.scale is not None:
        x = x * np.asarray(preprocessor.scale, "float32")
    if preprocessor is not None and preprocessor.offset is not None:
        x = x + np.asarray(preprocessor.offset, "float32")
    return ZooModel(images, step(detector(x)))


def detections(detector, size, decoder):
    """The step from raw outputs to detections in the detector's format."""
    rows = decoder.max_detections

    def found(raw):
        return convert_format(
            detector.detections(raw, size, decoder), "xyxy", detector.bounding_box_format, image_shape=size
        )

    shapes = {
        "boxes": ((rows, 4), "float32"),
        "confidence": ((rows,), "float32"),
        "classes": ((rows,), "int32"),
        "num_detections": ((), "int32"),
    }
    return Step(found, shapes)


def predictions(detector, size):
    """The step from raw outputs to all boxes in the detector's format, and the probabilities of their classes."""
    return Step(functools.partial(detector.decode, image_shape=size), shapes_of_all(detector, size))


def shapes_of_all(detector, size):
    points = sum(size[0] // stride * (size[1] // stride) for stride in (8, 16, 32))
    return {"boxes": ((points, 4), "float32"), "classes": ((points, detector.num_classes), "float32")}


def export_onnx(detector, filepath, size, decoder, options):
    """Writes an ONNX file; suppression, where a `decoder` is given, is ONNX's own operator."""
    import onnx

    def corners(raw):
        return {"boxes": detector.corners(raw, size), "classes": raw["classes"] * 1.0}

    step = predictions(detector, size) if decoder is None else Step(corners, shapes_of_all(detector, size))
    program(detector, size, step).export(filepath, format="onnx", **options)
    model = onnx.load(filepath)
    name_outputs(model, ["boxes", "classes"])
    if decoder is not None:
        limits = ("iou_threshold", "confidence_threshold", "max_detections", "class_agnostic", "from_logits")
        append_non_max_suppression(model, **{name: getattr(decoder, name) for name in limits})
        unit = np.eye(4, dtype="float32")
        transform_boxes(model, convert_format(unit, "xyxy", detector.bounding_box_format, image_shape=size))
    facts = {"bounding_box_format": detector.bounding_box_format, "class_names": detector.class_names}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in facts.items() if value is not None})
    onnx.save(model, filepath)
