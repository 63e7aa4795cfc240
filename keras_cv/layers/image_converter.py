"""Images of any sort and size to the batch a network takes."""

import warnings

import keras
import numpy as np

from keras_cv.images import load_image
from keras_cv.images.colours import MODES
from keras_cv.images.load import as_path, is_one
from keras_cv.ops import resizing
from keras_zoo import Preprocessor, tfdata
from keras_zoo.config import serializable

LARGEST_SIDE = 8192  # pixels, of images that a preset's file may ask for
NARROWEST = 8  # pixels; so wide at least are grey images in a batch of them, (B, H, W)


@serializable
class ImageConverter(Preprocessor):
    """Images -> float32 `(B, height, width, 3)`: resized, cropped, scaled.

    Taken are an image or a batch of them: whatever `keras_cv.images.load_image` reads (paths, bytes, PIL images, arrays
    in 0-255), lists of those, arrays `(B, H, W, 3)`, and grey ones, `(B, H, W)`. One image gives an array without the
    batch axis. Of a dictionary the entry `"images"` is converted. Arrays of floats with three channels are taken as
    they are, without rounding.

    Args:
        image_size: `(height, width)` of the result; None keeps every image's own.
        scale, offset: `pixels * scale + offset` at the end, each a number or one for each channel; None leaves it out.
            For a `mean` and `std` of pixels in 0-1 see `from_mean_and_std`.
        crop_to_aspect_ratio: cut the largest window in the middle that has the proportions of `image_size`, then
            resize that, as KerasHub does. Without it, and without the next two, proportions change.
        pad_to_aspect_ratio: keep all of the image and add zeros.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: smooth what shrinks. 8-bit images are then resized by Pillow, as torchvision and timm do, to whole
            grey levels.
        resize_to: resize to this first and then cut the middle: an int is the length of the shorter side, as
            torchvision and timm do; a pair is `(height, width)`, whatever the proportions.
    """

    largest = {"image_size": LARGEST_SIDE, "resize_to": LARGEST_SIDE}

    def __init__(
        self,
        image_size=None,
        scale=None,
        offset=None,
        crop_to_aspect_ratio=True,
        pad_to_aspect_ratio=False,
        interpolation="bilinear",
        antialias=False,
        resize_to=None,
    ):
        if image_size is not None and not is_size(image_size):
            raise ValueError(f"image_size must be (height, width), whole numbers above 0, or None; got {image_size!r}.")
        if resize_to is not None and not is_size(resize_to) and not is_length(resize_to):
            raise ValueError(
                f"resize_to must be the length of the shorter side, (height, width) or None; got {resize_to!r}."
            )
        if interpolation not in resizing.INTERPOLATIONS:
            raise ValueError(f"interpolation must be one of {resizing.INTERPOLATIONS}; got {interpolation!r}.")
        if pad_to_aspect_ratio and (crop_to_aspect_ratio or resize_to is not None):
            raise ValueError("pad_to_aspect_ratio goes with crop_to_aspect_ratio=False and resize_to=None.")
        if resize_to is not None and image_size is None:
            raise ValueError("resize_to needs an image_size, which is cut from the middle.")
        self.image_size = None if image_size is None else tuple(image_size)
        self.scale = numbers("scale", scale)
        self.offset = numbers("offset", offset)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.interpolation = interpolation
        self.antialias = antialias
        self.resize_to = resize_to if resize_to is None or is_length(resize_to) else tuple(resize_to)

    def call(self, x, y=None, sample_weight=None):
        if isinstance(x, dict):
            return keras.utils.pack_x_y_sample_weight(self.within(x), y, sample_weight)
        x = self.convert(x) if is_single(x) else self.batch([self.resized(image) for image in x])
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def within(self, data):
        """A dictionary with its `"images"` converted; what lies on their pixels would not follow and is refused."""
        moved = [key for key in ("bounding_boxes", "segmentation_masks") if data.get(key) is not None]
        if moved or "images" not in data:
            raise ValueError(
                f"{type(self).__name__} takes images, or a dictionary with images and labels; got {', '.join(data)}. "
                "Boxes and masks follow the images through keras_cv.layers.Resizing."
            )
        return {**data, "images": self.call(data["images"])}

    def convert(self, source):
        """One image, float32 `(height, width, 3)`."""
        return self.batch([self.resized(source)])[0]

    def batch(self, images):
        sizes = sorted({image.shape[:2] for image in images})
        if len(sizes) > 1:
            raise ValueError(f"The images have {len(sizes)} sizes, such as {sizes[:3]}; set image_size to batch them.")
        pixels = np.stack(images).astype("float32")
        if self.scale is not None:
            pixels *= np.asarray(self.scale, "float32")
        if self.offset is not None:
            pixels += np.asarray(self.offset, "float32")
        return pixels

    def resized(self, source):
        """One image of the final size, uint8 or float32 in 0-255."""
        image, size = pixels_of(source), self.image_size
        if size is None:
            return image
        if self.resize_to is not None:
            first = self.resize_to
            if is_length(first):
                first = resizing.shorter_side_to(first, *image.shape[:2])
            image = resizing.resize(image, first, self.interpolation, self.antialias)
            return resizing.centre_crop(image, size)
        if self.crop_to_aspect_ratio:
            image = resizing.crop_to_ratio(image, size)
        elif self.pad_to_aspect_ratio:
            image = resizing.pad_to_ratio(image, size)
        return resizing.resize(image, size, self.interpolation, self.antialias)


def pixels_of(source):
    """An image `(H, W, 3)`: float arrays with three channels as they are, everything else through `load_image`."""
    if tfdata.learning_shapes.active and isinstance(source, bytes):  # an example of a path
        return np.zeros((1, 1, 3), "uint8")
    if isinstance(source, list) and source and all(getattr(row, "ndim", 0) == 2 for row in source):
        source = np.stack(source)  # the rows of an image in a ragged batch of tf.data
    if isinstance(source, np.ndarray) and source.ndim == 3 and source.shape[-1] == 3 and source.dtype.kind == "f":
        if not np.isfinite(source).all():
            raise ValueError(f"An image of shape {source.shape} has values that are not finite (NaN or infinity).")
        if source.max(initial=0) <= 1 and (source % 1).any():
            warnings.warn(  # the same words for every image, so that Python says it once; a very dark one is such, too
                "An image of floats has no value above 1, as if scaled to 0-1. Images are in 0-255: multiply by 255.",
                stacklevel=2,
            )
        return source.astype("float32", copy=False)
    return load_image(as_path(source) if isinstance(source, bytes) else source)


def is_single(x):
    """Whether `x` is one image; an array of three axes is one if the last of them can be channels.

    `ValueError` where that axis is as short as channels are, and of another number: grey images are wider.
    """
    if getattr(x, "ndim", 0) != 3:
        return is_one(x)
    if x.shape[-1] < NARROWEST and x.shape[-1] not in MODES:
        raise ValueError(f"An array of shape {tuple(x.shape)} is no image: those have 1, 3 or 4 channels.")
    return x.shape[-1] in MODES


def is_length(x):
    return isinstance(x, int) and not isinstance(x, bool) and x > 0


def is_size(x):
    return isinstance(x, list | tuple) and len(x) == 2 and all(map(is_length, x))


def numbers(name, value):
    """A float, a list of three, or None."""
    if value is None:
        return None
    try:
        array = np.asarray(value, "float64")
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape not in ((), (3,)) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a number, one for each of three channels, or None; got {value!r}.")
    return array.tolist()


def from_mean_and_std(mean, std, rescale_factor=1 / 255):
    """`{"scale", "offset"}` of an `ImageConverter` that computes `(pixels * rescale_factor - mean) / std`."""
    mean, std = np.asarray(mean, "float64"), np.asarray(std, "float64")
    if not (std > 0).all():
        raise ValueError(f"std must be above 0; got {std.tolist()}.")
    return {"scale": (rescale_factor / std).tolist(), "offset": (-mean / std).tolist()}
