"""Images resized and cropped, in NumPy; what Pillow computes for 8-bit images is Pillow's."""

import functools

import numpy as np


def triangle(x):
    return np.maximum(1 - np.abs(x), 0)


def cubic(x):
    """Keys' kernel with a = -0.5, which Pillow and Keras use."""
    x = np.abs(x)
    inner, outer = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def lanczos(radius):
    return lambda x: np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0)


KERNELS = {"bilinear": triangle, "bicubic": cubic, "lanczos3": lanczos(3), "lanczos5": lanczos(5)}
INTERPOLATIONS = ("nearest", *KERNELS)
PILLOW = {"bilinear": "BILINEAR", "bicubic": "BICUBIC", "lanczos3": "LANCZOS"}


def resize(image, size, interpolation="bilinear", antialias=False):
    """An image `(H, W, C)` as `(height, width, C)`, for `size` = `(height, width)`; centres of pixels stay in place.

    Args:
        image: uint8 or float32. The result is of the same dtype; that of a uint8 image is rounded to whole grey levels,
            as Keras, KerasHub and Pillow do.
        interpolation: one of `INTERPOLATIONS`.
        antialias: widen the kernel where the image shrinks, as Pillow, torchvision and timm do. uint8 images are then
            resized by Pillow itself. Without it every pixel is read off at a point, as TensorFlow and KerasHub do.
    """
    if image.shape[:2] == tuple(size):
        return image
    if interpolation == "nearest":
        rows, columns = (nearest(old, new) for old, new in zip(image.shape[:2], size, strict=True))
        return image[rows[:, None], columns]
    if image.dtype == np.uint8 and antialias and interpolation in PILLOW and image.shape[-1] in (1, 3):
        return by_pillow(image, size, interpolation)
    resized = image.astype("float32", copy=False)
    for axis in (0, 1):
        matrix = matrix_of(image.shape[axis], size[axis], interpolation, antialias)
        resized = np.moveaxis(np.tensordot(matrix, resized, (1, axis)), 0, axis)
    if image.dtype == np.uint8:
        return np.clip(np.rint(resized), 0, 255).astype("uint8", order="C")
    return np.ascontiguousarray(resized)


def nearest(old, new):
    return np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype("int64")


@functools.lru_cache(64)
def matrix_of(old, new, interpolation, antialias):
    """float32 `(new, old)`, whose rows sum to 1: what each pixel of the result takes from those of the image."""
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    stretch = max(old / new, 1) if antialias else 1
    weights = KERNELS[interpolation]((np.arange(old) - centres[:, None]) / stretch)
    return (weights / weights.sum(1, keepdims=True)).astype("float32")


def by_pillow(image, size, interpolation):
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("Resizing images needs Pillow: pip install 'keras-zoo[cv]'.") from None
    grey = image.shape[-1] == 1
    picture = Image.fromarray(image[..., 0] if grey else np.ascontiguousarray(image))
    resized = np.asarray(picture.resize((size[1], size[0]), Image.Resampling[PILLOW[interpolation]]))
    return resized[..., None] if grey else resized


def shorter_side_to(length, height, width):
    """`(height, width)` of an image whose shorter side becomes `length`, the longer one rounded down."""
    if height <= width:
        return length, int(length * width / height)
    return int(length * height / width), length


def centre_crop(image, size):
    """The middle `size` = `(height, width)` of an image; where that is larger, zeros are added on both sides.

    A half pixel is rounded to the even one, as torchvision does.
    """
    missing = [max(wanted - have, 0) for wanted, have in zip(size, image.shape[:2], strict=True)]
    if any(missing):
        image = np.pad(image, [*((n // 2, n - n // 2) for n in missing), (0, 0)])
    top, left = (round((have - wanted) / 2) for wanted, have in zip(size, image.shape[:2], strict=True))
    return image[top : top + size[0], left : left + size[1]]


def crop_to_ratio(image, size):
    """The largest window in the middle with the proportions of `size`; bounds are rounded down, as Keras does."""
    (rows, columns), (height, width) = image.shape[:2], size
    inner = max(min(rows, int(columns * height / width)), 1), max(min(columns, int(rows * width / height)), 1)
    top, left = (rows - inner[0]) // 2, (columns - inner[1]) // 2
    return image[top : top + inner[0], left : left + inner[1]]


def pad_to_ratio(image, size):
    """The image in the middle of zeros, with the proportions of `size`, as Keras does it: bounds are rounded down, and
    both sides get as much, so that of an odd difference a row or column is left out."""
    (rows, columns), (height, width) = image.shape[:2], size
    missing = max(int(columns * height / width), rows) - rows, max(int(rows * width / height), columns) - columns
    return np.pad(image, [*((n // 2, n // 2) for n in missing), (0, 0)])
