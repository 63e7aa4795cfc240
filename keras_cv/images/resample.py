"""Images to a given size, computed as Keras' resizing computes it under JAX and TensorFlow; `resize` is Pillow's way.

Keras does not smooth where an image shrinks, unless told so, and cuts and pads by whole pixels before it resizes. What
was trained on such images should be fed with them.
"""

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def resample(image, size, interpolation="bilinear", antialias=False, crop=False, pad=False):
    """An array `(H, W, C)` as `(height, width, C)` of its own dtype, for `size` = `(height, width)`.

    Without `crop` or `pad` the proportions change. `crop` first cuts what is too much on both sides; `pad` first adds
    zeros on both sides, the image in the middle. `antialias` smooths where the image shrinks. Values of whole numbers
    are rounded and stay in their type's range.
    """
    height, width = size
    if crop:
        image = cropped(image, height, width)
    elif pad:
        image = padded(image, height, width)
    if image.shape[:2] == (height, width):
        return image
    if interpolation == "nearest":
        rows, columns = (nearest(*pair) for pair in zip(image.shape[:2], size, strict=True))
        return image[rows][:, columns]
    if interpolation == "bilinear" and not antialias:
        resized = bilinear(image.astype("float32"), height, width)
    else:
        kernel, support = KERNELS[interpolation]
        resized = weighed(image.astype("float32"), height, width, kernel, support, antialias)
    if image.dtype.kind not in "iu":
        return resized.astype(image.dtype)
    limits = np.iinfo(image.dtype)
    return np.clip(np.rint(resized), limits.min, limits.max).astype(image.dtype)


def cropped(image, height, width):
    rows, columns = image.shape[:2]
    kept_rows = max(min(rows, int(columns * height / width)), 1)
    kept_columns = max(min(columns, int(rows * width / height)), 1)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return image[top : top + kept_rows, left : left + kept_columns]


def padded(image, height, width):
    """Keras adds as much below as above, and so leaves out the last row or column of an odd difference."""
    rows, columns = image.shape[:2]
    above = (max(rows, int(columns * height / width)) - rows) // 2
    beside = (max(columns, int(rows * width / height)) - columns) // 2
    return np.pad(image, ((above, above), (beside, beside), (0, 0)))


def nearest(count, wanted):
    return np.minimum(((np.arange(wanted) + 0.5) * (count / wanted)).astype(int), count - 1)


def bilinear(image, height, width):
    import cv2

    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(height, width, image.shape[-1])


def weighed(image, height, width, kernel, support, antialias):
    rows, columns, channels = image.shape
    across = weights(rows, height, kernel, support, antialias) @ image.reshape(rows, -1)
    across = across.reshape(height, columns, channels)
    return np.einsum("ow,hwc->hoc", weights(columns, width, kernel, support, antialias), across, optimize=True)


def weights(count, wanted, kernel, support, antialias):
    """float32 `(wanted, count)`: what each pixel gives to each new one; the rows sum to 1."""
    scale = count / wanted
    stretch = max(scale, 1.0) if antialias else 1.0
    distances = np.abs(np.arange(count) + 0.5 - ((np.arange(wanted) + 0.5) * scale)[:, None]) / stretch
    found = np.where(distances < support, kernel(distances), 0.0)
    return (found / found.sum(axis=1, keepdims=True)).astype("float32")


def triangle(x):
    return 1 - x


def cubic(x):
    """Keys' cubic convolution with a = -1/2."""
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def lanczos(lobes):
    return lambda x: np.sinc(x) * np.sinc(x / lobes)


KERNELS = {
    "bilinear": (triangle, 1),
    "bicubic": (cubic, 2),
    "lanczos3": (lanczos(3), 3),
    "lanczos5": (lanczos(5), 5),
}
