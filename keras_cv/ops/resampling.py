"""Resampling of images by matrices, over OpenCV; and where points and boxes go.

A matrix `(3, 3)` maps homogeneous points `(x, y, 1)` of an image to those of the new one, in pixels that count from
the upper left corner of the upper left pixel, as boxes do: the middle of that pixel is (0.5, 0.5).
"""

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def known(value, names, argument):
    if value in names:
        return value
    raise ValueError(f"{argument} must be one of {', '.join(names)}; got {value!r}.")


def opencv():
    try:
        import cv2
    except ImportError as error:
        raise ImportError("Image layers need OpenCV: pip install 'keras-zoo[cv]'") from error
    return cv2


def warp(images, matrices, size, interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """Images moved by matrices.

    Args:
        images: `(B, H, W, C)`; uint8 and float32, other dtypes with `interpolation="nearest"` only.
        matrices: `(B, 3, 3)`.
        size: `(H', W')` of the result.
        interpolation: `"nearest"`, `"bilinear"` or `"bicubic"`.
        fill_mode: what lies outside of an image: `"constant"`, `"nearest"` (the edge goes on), `"reflect"`
            (dcba|abcd|dcba) or `"wrap"` (abcd|abcd|abcd).
        fill_value: the constant.

    Returns:
        `(B, H', W', C)` of the same dtype.
    """
    move = mover(interpolation, fill_mode, fill_value)
    source = images if images.dtype in ("uint8", "float32") else images.astype("float64")
    out = np.empty((len(images), *map(int, size), images.shape[-1]), source.dtype)
    for image, matrix, target in zip(source, np.asarray(matrices, "float64"), out, strict=True):
        move(image, matrix, target)
    return out.astype(images.dtype, copy=False)


def mover(interpolation="bilinear", fill_mode="constant", fill_value=0.0):
    """`move(image, matrix, out)`, which does for one image `(H, W, C)` what `warp` does, into `out` `(H', W', C)`.

    `out` is contiguous and may be the image itself. Shifts by whole pixels are copies.
    """
    cv2 = opencv()
    flags = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[interpolation]
    borders = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT, "wrap": cv2.BORDER_WRAP}
    options = {"borderMode": borders.get(fill_mode, cv2.BORDER_CONSTANT), "borderValue": [fill_value] * 4}

    def move(image, matrix, out):
        (a, b, x), (c, d, y), last = matrix.tolist()
        affine = last == [0, 0, 1]
        still = (a, b, c, d) == (1, 0, 0, 1) and x == round(x) and y == round(y)
        if affine and still and image.shape == out.shape and (fill_mode == "constant" or x == y == 0):
            slide(image, round(x), round(y), fill_value, out)
            return
        height, width, channels = out.shape
        # OpenCV counts from the middle of the upper left pixel.
        if affine:
            form = np.array([[a, b, x + (a + b - 1) / 2], [c, d, y + (c + d - 1) / 2]])
        else:
            form = TO_CENTRES @ matrix @ FROM_CENTRES
        function = cv2.warpAffine if affine else cv2.warpPerspective
        if channels == 3 and flags == cv2.INTER_LINEAR and image.dtype in ("uint8", "float32"):
            # The same values; OpenCV moves four channels in half the time of three.
            moved = function(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), form, (width, height), flags=flags, **options)
            cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB, dst=out)
            return
        if channels <= 4:
            function(image, form, (width, height), dst=out, flags=flags, **options)
            return
        for k in range(0, channels, 4):  # a border's colour has four channels
            part = np.ascontiguousarray(image[..., k : k + 4])
            moved = function(part, form, (width, height), flags=flags, **options)
            out[..., k : k + 4] = moved.reshape(height, width, -1)

    return move


def slide(image, x, y, fill_value, out):
    """The image shifted by whole pixels, `x` to the right and `y` down, into `out` of the same shape."""
    height, width = image.shape[:2]
    x, y = max(-width, min(x, width)), max(-height, min(y, height))
    top, bottom, left, right = max(y, 0), height + min(y, 0), max(x, 0), width + min(x, 0)
    out[top:bottom, left:right] = image[top - y : bottom - y, left - x : right - x]
    for beyond in (np.s_[:top], np.s_[bottom:], np.s_[:, :left], np.s_[:, right:]):
        out[beyond] = fill_value


def warp_masks(masks, matrices, size, fill_mode="constant", fill_value=0):
    """Segmentation masks `(B, H, W, K)` of any dtype moved as `warp` moves images; no value is mixed with another."""
    whole = masks.astype("uint8") if masks.dtype == bool else masks
    return warp(whole, matrices, size, "nearest", fill_mode, fill_value).astype(masks.dtype, copy=False)


def warp_boxes(boxes, matrices, size=None):
    """The boxes `(B, N, 4)`, xyxy in pixels, around what boxes become.

    With the `size` `(H', W')` of the new image they are around what of it lies inside, which is less than such a box
    cut at the edges where a corner is turned out of the image; of what lies outside nothing is left, `(0, 0, 0, 0)`.
    """
    corners = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*boxes.shape[:2], 4, 2).astype("float64")
    points = np.concatenate([corners, np.ones_like(corners[..., :1])], -1) @ np.swapaxes(matrices, 1, 2)[:, None]
    points = points[..., :2] / points[..., 2:]
    if size is not None:
        return cover_inside(points, size).astype("float32")
    return np.concatenate([points.min(2), points.max(2)], -1).astype("float32")


def cover_inside(points, size):
    """Boxes `(B, N, 4)` around the parts of convex quadrangles `(B, N, 4, 2)` that lie in an image of `size`.

    Such a part is around what of its edges lies inside (found as by Liang and Barsky, 1984), and around the corners of
    the image that lie inside of it.
    """
    limits = np.array([size[1], size[0]], "float64")
    steps = np.roll(points, -1, axis=2) - points
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.stack([-points / steps, (limits - points) / steps])  # when an edge crosses the image's edges
    still = (steps == 0)[None]
    beside = (points < 0) | (points > limits)
    enter = np.where(still, np.where(beside, 2, 0), times).min(0).max(-1).clip(0)
    leave = np.where(still, np.where(beside, -1, 1), times).max(0).min(-1).clip(None, 1)
    inside = (enter <= leave)[..., None]
    ends = np.concatenate([points + np.where(inside, t[..., None], 0) * steps for t in (enter, leave)], 2)
    inside = np.concatenate([inside, inside], 2)

    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * limits
    to_frame = frame - points[..., None, :]  # (B, N, edges, corners of the image, 2)
    side = steps[..., None, 0] * to_frame[..., 1] - steps[..., None, 1] * to_frame[..., 0]
    covered = ((side >= 0).all(2) | (side <= 0).all(2))[..., None]

    frame = np.broadcast_to(frame, (*points.shape[:2], 4, 2))
    found, valid = np.concatenate([ends, frame], 2), np.concatenate([inside, covered], 2)
    low = np.where(valid, found, np.inf).min(2)
    high = np.where(valid, found, -np.inf).max(2)
    boxes = np.concatenate([low, high], -1)
    return np.where(valid.any((2, 3))[..., None], boxes, 0)


def shift(x, y):
    """Matrices that move points by `x` and `y`, numbers or `(B,)`; `(3, 3)` or `(B, 3, 3)`."""
    return affine(1.0, 0.0, x, 0.0, 1.0, y)


def affine(a, b, c, d, e, f):
    """Matrices `[[a, b, c], [d, e, f], [0, 0, 1]]` of numbers or arrays `(B,)`."""
    rows = np.broadcast_arrays(*(np.asarray(x, "float64") for x in (a, b, c, d, e, f, 0, 0, 1)))
    return np.stack(rows, -1).reshape(*rows[0].shape, 3, 3)


def about_centre(matrices, height, width):
    """Matrices that do what `matrices` do about the middle of an image in place of its corner."""
    return shift(width / 2, height / 2) @ matrices @ shift(-width / 2, -height / 2)


TO_CENTRES, FROM_CENTRES = shift(-0.5, -0.5), shift(0.5, 0.5)
