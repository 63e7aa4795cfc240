"""Images and boxes of any sort to what a detector's network takes."""

import keras
import numpy as np

from keras_cv.bounding_box import convert_format, to_dense, validate_format
from keras_cv.layers import Resizing
from keras_cv.layers.image_converter import LARGEST_SIDE, is_single, is_size, numbers, pixels_of
from keras_cv.ops.box_rows import FLAG_KEYS, class_key
from keras_cv.ops.boxes import is_relative
from keras_zoo import Preprocessor
from keras_zoo.arrays import pad_rows
from keras_zoo.config import serializable

LARGEST_STRIDE = 32
FEWEST_BOXES = 8


@serializable
class ObjectDetectorPreprocessor(Preprocessor):
    """Images -> float32 `(B, height, width, 3)`: fitted in whole ("letterbox"), the rest filled.

    Taken is whatever `ImageConverter` takes: one image or a list of paths, bytes, PIL images and arrays in 0-255 of any
    sizes, or a batch. One image gives an array without the batch axis.

    Args:
        image_size: `(height, width)` of the result, multiples of 32.
        scale, offset: `pixels * scale + offset` at the end, each a number or one for each channel; None leaves it out.
        placement: `"center"`, or `"top_left"` as in KerasCV: where the image lies in the result.
        fill_value: grey level of the rest, 0-255, before `scale` and `offset`.
        interpolation: see `keras_cv.layers.Resizing`.
        antialias: smooth what shrinks, as Pillow does; slower.
    """

    largest = {"image_size": LARGEST_SIDE}

    def __init__(
        self,
        image_size=(640, 640),
        scale=None,
        offset=None,
        placement="center",
        fill_value=114,
        interpolation="bilinear",
        antialias=False,
    ):
        if not is_size(image_size) or any(length % LARGEST_STRIDE for length in image_size):
            raise ValueError(
                f"image_size must be (height, width), multiples of {LARGEST_STRIDE} above 0; got {image_size!r}."
            )
        self.image_size = tuple(image_size)
        self.scale = numbers("scale", scale)
        self.offset = numbers("offset", offset)
        self.placement = placement
        self.fill_value = fill_value
        self.interpolation = interpolation
        self.antialias = antialias
        self.resizing("xyxy")  # refuses what it does not know

    def resizing(self, bounding_box_format):
        return Resizing(
            *self.image_size,
            interpolation=self.interpolation,
            pad_to_aspect_ratio=True,
            placement=self.placement,
            fill_value=self.fill_value,
            antialias=self.antialias,
            bounding_box_format=bounding_box_format,
        )

    def call(self, x, y=None, sample_weight=None):
        x = self.fitted([x])[0][0] if is_single(x) else self.fitted(x)[0]
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def fitted(self, sources):
        """`(images (B, height, width, 3), placements)`, a `keras_cv.ops.placing.Placement` for each image."""
        resizing, images, placements = self.resizing("xyxy"), [], []
        for source in sources:
            image = pixels_of(source)
            images.append(resizing(image))
            placements.append(resizing.transform(*image.shape[:2]))
        return self.scaled(images), placements

    def scaled(self, images):
        """float32 `(B, height, width, 3)`."""
        pixels = np.stack(images).astype("float32")
        if self.scale is not None:
            pixels *= np.asarray(self.scale, "float32")
        if self.offset is not None:
            pixels += np.asarray(self.offset, "float32")
        return pixels


class DetectorInputs(Preprocessor):
    """A batch of images and true boxes, however it comes, as `(images, {"boxes", "classes"})` to train on.

    A batch is `{"images", "bounding_boxes": {"boxes", "classes" or "labels"}}`, or the images and that dictionary of
    boxes as `x` and `y`. Boxes may be dense, ragged or lists. They are padded with -1 to a power of two, so that few
    programs are compiled. Those flagged by `"is_crowd"` or `"is_difficult"` beside the boxes become padding: they are
    no objects to learn.

    Args:
        preprocessor: an `ObjectDetectorPreprocessor`, or None for images that are prepared.
        bounding_box_format: of the boxes, before and after.
        num_classes: classes are 0 to `num_classes - 1`.
        resizes: False for batches that keep their size, and of the preprocessor take `scale` and `offset` alone.
    """

    def __init__(self, preprocessor, bounding_box_format, num_classes, resizes=True):
        self.preprocessor, self.bounding_box_format = preprocessor, bounding_box_format
        self.num_classes, self.resizes = num_classes, resizes

    def call(self, x, y=None, sample_weight=None):
        if isinstance(x, dict):
            x, y = x["images"], x.get("bounding_boxes", y)
        x = as_input(x) if self.preprocessor is None else x
        if y is None:
            return x if self.preprocessor is None else self.preprocessor(x)
        if self.preprocessor is not None:
            x, y = self.resized(x, y) if self.resizes else (self.preprocessor.scaled(x), y)
        return keras.utils.pack_x_y_sample_weight(x, self.padded(y), sample_weight)

    def resized(self, images, boxes):
        resizing = self.preprocessor.resizing(self.bounding_box_format)
        done = resizing({"images": [pixels_of(image) for image in images], "bounding_boxes": boxes})
        return self.preprocessor.scaled(done["images"]), done["bounding_boxes"]

    def padded(self, y):
        if validate_format(y)["classes_one_hot"]:
            raise ValueError("Classes of boxes must be numbers, one for each box; got an axis more, as one-hot has it.")
        y = to_dense(y)
        boxes, classes = np.asarray(y["boxes"], "float32"), np.asarray(y[class_key(y)], "float32")
        for flags in (np.asarray(y[key]) for key in FLAG_KEYS if y.get(key) is not None):
            if flags.shape != classes.shape:
                raise ValueError(f"Flags go row by row with classes; got {flags.shape} for {classes.shape}.")
            classes = np.where(flags > 0, np.float32(-1), classes)
        real = ~(classes < 0)
        wrong = real & ((classes >= self.num_classes) | (classes % 1 != 0))
        if wrong.any():
            raise ValueError(
                f"Classes are whole numbers from 0 to {self.num_classes - 1} (num_classes), -1 for padding; got "
                f"{np.unique(classes[wrong])[:5].tolist()}."
            )
        if not np.isfinite(boxes[real]).all():
            raise ValueError("There are true boxes that are not finite (NaN or infinity).")
        corners = "rel_xyxy" if is_relative(self.bounding_box_format) else "xyxy"
        corners = convert_format(boxes, self.bounding_box_format, corners)
        if (turned := real & (corners[..., 2:] < corners[..., :2]).any(-1)).any():
            raise ValueError(
                f"There are true boxes that end before they begin, such as {boxes[turned][0].tolist()} as "
                f"{self.bounding_box_format}: is that the detector's bounding_box_format?"
            )
        count = max(FEWEST_BOXES, 1 << (boxes.shape[1] - 1).bit_length()) if boxes.shape[1] else FEWEST_BOXES
        return {"boxes": pad_rows(boxes, 1, count, -1), "classes": pad_rows(classes, 1, count, -1)}


def as_input(images):
    """A batch `(B, H, W, channels)` of images for a network without a preprocessor; whatever is none is refused."""
    shapes = {np.shape(image) for image in images}
    if len(shapes) > 1 or any(len(shape) != 3 for shape in shapes):
        raise ValueError(
            "Without a preprocessor a detector takes images (B, height, width, channels), all of one size; got images "
            f"of the shapes {sorted(shapes)[:5]}."
        )
    images = np.asarray(images)
    if images.dtype.kind not in "iu" and not np.isfinite(np.sum(images, dtype="float32")):
        raise ValueError("There are images with values that are not finite (NaN or infinity).")
    return images
