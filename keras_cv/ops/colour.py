"""The colours of a batch of images, changed by as much as is said for each image.

Images are `(B, H, W, C)`, uint8 or float32, with values 0-255; results have the same shape and dtype and are clipped to
0-255. Parameters are a number for all images or an array with one row for each, `(B,)` unless said otherwise. uint8 and
float32 give the same up to rounding (saturation: to three quarters of a level). Brightness, contrast, saturation,
sharpness, posterize, solarize, equalize and auto-contrast mean what they mean in Pillow, with which RandAugment and
AutoAugment were written.

Each function has at `.one` what it does to one image: `function.one(image, *parameters, out)` writes into `out`,
`(H, W, C)`, which may be the image itself.
"""

import functools
import math

import numpy as np

from keras_cv.ops.resampling import opencv

LUMINANCE = np.array([0.299, 0.587, 0.114], "float32")  # ITU-R 601, as Pillow and JPEG have it


def each(function):
    """Makes `function(image, *parameters, out)` of one image a function of a batch; the former stays at `.one`."""

    @functools.wraps(function)
    def batched(images, *parameters):
        out = np.empty(images.shape, images.dtype)
        rows = [np.broadcast_to(p, (len(images), *np.shape(p)[1:])) for p in parameters]
        for i, image in enumerate(images):
            function(image, *(row[i] for row in rows), out[i])
        return out

    batched.one = function
    return batched


def grey_weights(channels):
    """How much of each channel is in the grey of a pixel."""
    if channels not in (1, 3):
        raise ValueError(f"Grey is defined for images of 1 or 3 channels; got {channels}.")
    return LUMINANCE if channels == 3 else np.ones(1, "float32")


def scale(channels, factor, shift=0.0):
    """The matrix of `factor * x + shift`, `(C, C + 1)`; `shift` is a number or has one for each channel."""
    matrix = np.zeros((channels, channels + 1), "float32")
    matrix[range(channels), range(channels)] = factor
    matrix[:, -1] = shift
    return matrix


def linear_one(image, matrix, out):
    opencv().transform(image, matrix, dst=out)
    if out.dtype != np.uint8:
        np.clip(out, 0, 255, out=out)


@each
def linear(image, matrix, out):
    """Each pixel `x`, a vector of channels, becomes `matrix @ (x, 1)`; matrices are `(B, C, C + 1)`, float32."""
    linear_one(image, matrix, out)


@each
def brightness(image, factor, out):
    """Every value times `factor`: 0 is black, 1 the image."""
    linear_one(image, scale(image.shape[-1], factor), out)


@each
def shift(image, amounts, out):
    """Grey levels are added; `amounts` is `(B,)` or `(B, C)`."""
    linear_one(image, scale(image.shape[-1], 1, amounts), out)


@each
def contrast(image, factor, out):
    """The distance to the mean grey of the image times `factor`: 0 is grey, 1 the image."""
    channels = image.shape[-1]
    mean = np.dot(grey_weights(channels), channel_means(image))
    linear_one(image, scale(channels, factor, (1 - factor) * mean), out)


@each
def channel_contrast(image, factor, out):
    """The distance to the mean of the same channel times `factor`, as `RandomContrast` has it."""
    linear_one(image, scale(image.shape[-1], factor, (1 - factor) * channel_means(image)), out)


def channel_means(image):
    channels = image.shape[-1]
    return np.array(opencv().mean(image)[:channels]) if channels <= 4 else image.mean((0, 1))


@each
def saturation(image, factor, out):
    """The distance of a pixel to its own grey times `factor`: 0 is a grey image, 1 the image."""
    channels = image.shape[-1]
    matrix = scale(channels, factor)
    matrix[:, :-1] += (1 - factor) * grey_weights(channels)
    linear_one(image, matrix, out)


def grayscale(images, channels=1):
    """The grey of each pixel, `(B, H, W, channels)`."""
    matrix = np.zeros((channels, images.shape[-1] + 1), "float32")
    matrix[:, :-1] = grey_weights(images.shape[-1])
    out = np.empty((*images.shape[:-1], channels), images.dtype)
    for image, target in zip(images, out, strict=True):
        linear_one(image, matrix, target)
    return out


@each
def hue_saturation(image, turn, factor, out):
    """The hue turned by a part of a full turn, and the saturation of HSV times `factor`, at most 1."""
    if image.shape[-1] == 1:
        return np.copyto(out, image)
    grey_weights(image.shape[-1])
    cv2 = opencv()
    # In floats: 8 bits for the hue are three grey levels of a colour.
    hsv = cv2.cvtColor(np.asarray(image, "float32"), cv2.COLOR_RGB2HSV)
    # OpenCV brings a hue of up to two turns back to one, but not one below zero.
    matrix = np.array([[1, 0, 0, 360 * (turn % 1)], [0, factor, 0, 0], [0, 0, 1, 0]], "float32")
    cv2.transform(hsv, matrix, dst=hsv)
    if factor > 1:
        cv2.min(hsv, (math.inf, 1, math.inf, 0), dst=hsv)
    store(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), out)


@each
def invert(image, out):
    """`255 - x`."""
    np.subtract(255, image, out=out)


@each
def posterize(image, bits, out):
    """Only the first `bits` of the 8 bits of a value, as a whole level, are kept."""
    step = 2 ** (8 - int(bits))
    if image.dtype == np.uint8:
        np.bitwise_and(image, 256 - step if step > 1 else 255, out=out)
    else:
        np.multiply(np.floor(np.rint(image) / np.float32(step)), np.float32(step), out=out)


@each
def solarize(image, threshold, out):
    """Values that are at least `threshold` are inverted; it is rounded to a whole level."""
    cv2 = opencv()
    threshold = round(float(threshold))
    if image.dtype == np.uint8:
        above = cv2.threshold(image, threshold - 1, 255, cv2.THRESH_BINARY)[1]
        np.bitwise_xor(image, above.reshape(image.shape), out=out)
    else:
        np.copyto(out, np.where(image >= threshold - 0.5, 255 - image, image))


@each
def solarize_add(image, addition, threshold, out):
    """`addition` is added to the values below `threshold`; both are rounded to whole levels."""
    addition, threshold = round(float(addition)), round(float(threshold))
    if image.dtype == np.uint8:
        levels = np.arange(256)
        lookup(image, np.where(levels < threshold, np.clip(levels + addition, 0, 255), levels), out)
    else:
        np.copyto(out, np.where(image < threshold - 0.5, np.clip(image + addition, 0, 255), image))


@each
def gamma(image, exponent, out):
    """`255 * (x / 255) ** exponent`."""
    if image.dtype == np.uint8:
        lookup(image, np.rint(255 * (np.arange(256) / 255) ** exponent), out)
    else:
        np.multiply(np.power(image / np.float32(255), np.float32(exponent)), np.float32(255), out=out)


def lookup(image, table, out):
    """Each value of a uint8 image replaced by what the table of 256 has for it."""
    flat = (len(image), -1)
    opencv().LUT(image.reshape(flat), np.asarray(table, "uint8"), dst=out.reshape(flat))


@each
def auto_contrast(image, out):
    """Each channel stretched so that its values reach from 0 to 255; a channel of one value stays as it is."""
    channels = image.shape[-1]
    rows = image.reshape(len(image), -1)
    low, high = (
        extreme.reduce(extreme.reduce(rows, axis=0).reshape(-1, channels), axis=0).astype("float64")
        for extreme in (np.minimum, np.maximum)
    )
    flat = high <= low
    factor = np.where(flat, 1, 255 / np.where(flat, 1, high - low))
    linear_one(image, scale(channels, factor, np.where(flat, 0, -low * factor)), out)


@each
def equalize(image, bins, out):
    """Each channel's values spread so that all levels are about equally frequent, counted in `bins` bins."""
    cv2 = opencv()
    levels = image if image.dtype == np.uint8 else np.clip(np.rint(image), 0, 255).astype("uint8")
    planes = []
    for plane in cv2.split(levels):
        counts = cv2.calcHist([plane], [0], None, [int(bins)], [0, 256]).ravel().astype("int64")
        planes.append(cv2.LUT(plane, equal_levels(counts)))
    merged = cv2.merge(planes).reshape(image.shape)
    np.copyto(out, merged)


def equal_levels(counts):
    """The table of 256 that spreads levels of which there are so many in each bin.

    A step is the number of pixels to an output level. As in Pillow the brightest bin is not counted, so that it comes
    out as the last level, and an image of few pixels or of one level keeps its values.
    """
    bins = len(counts)
    used = counts[counts > 0]
    step = (counts.sum() - used[-1]) // (bins - 1) if len(used) > 1 else 0
    if not step:
        return np.arange(256, dtype="uint8")
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    table = np.minimum((below + step // 2) // step, bins - 1) * 255 / (bins - 1)
    return np.rint(table).astype("uint8")[np.arange(256) * bins // 256]


def store(values, out):
    """float32 values into `out`, clipped, and rounded where that is uint8."""
    if out.dtype == np.uint8:
        np.rint(values, out=values)
    np.copyto(out, np.clip(values, 0, 255, out=values), casting="unsafe")
