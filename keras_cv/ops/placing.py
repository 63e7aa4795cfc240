"""Placing an image: a window of it, resized, at a place on a canvas; and the way back for boxes."""

import dataclasses

import numpy as np

from keras_cv.ops import resizing
from keras_cv.ops.resampling import opencv
from keras_cv.ops.resizing import by_pillow
from keras_zoo import arrays

RESIZING = (*resizing.INTERPOLATIONS, "area")


@dataclasses.dataclass(frozen=True)
class Placement:
    """What was done to an image: `window` was cut out, resized to `size`, and put at `place` on a `canvas`.

    Attributes:
        window: top, left, height and width of the part of the image, in pixels.
        size: the height and width it was resized to.
        place: top and left of it on the canvas; negative where it reaches beyond.
        canvas: height and width of the new image.
    """

    window: tuple
    size: tuple
    place: tuple
    canvas: tuple

    @property
    def scale(self):
        """New pixels for an old one, across and down: `(x, y)`."""
        return self.size[1] / self.window[3], self.size[0] / self.window[2]

    @property
    def offset(self):
        """Where the corner of the old image lies in the new one: `(x, y)`."""
        x, y = self.scale
        return self.place[1] - self.window[1] * x, self.place[0] - self.window[0] * y

    def apply(self, boxes):
        """Boxes of the old image in the new one: `(..., 4)`, xyxy in pixels, arrays or tensors; padding stays."""
        return rescale(boxes, (*self.scale, *self.offset))

    def undo(self, boxes):
        """Boxes of the new image in the old one."""
        return undo(boxes, (*self.scale, *self.offset))

    def as_array(self):
        """`(4,)` float32: scale x, scale y, offset x, offset y; for data sets. See `rescale` and `undo`."""
        return np.array([*self.scale, *self.offset], "float32")

    def image(self, image, interpolation="bilinear", antialias=False, fill_mode="constant", fill_value=0.0):
        """The image `(H, W, C)`, placed; what it does not cover is filled as in `warp`."""
        cv2 = opencv()
        top, left, height, width = self.window
        part = resize(image[top : top + height, left : left + width], self.size, interpolation, antialias)
        before = [max(place, 0) for place in self.place]
        start = [max(-place, 0) for place in self.place]
        end = [min(n, c - p) for n, c, p in zip(self.size, self.canvas, self.place)]
        part = part[start[0] : end[0], start[1] : end[1]]
        if part.shape[:2] == tuple(self.canvas):
            return part
        after = [c - b - n for c, b, n in zip(self.canvas, before, part.shape[:2])]
        if fill_mode == "constant":
            out = np.full((*self.canvas, image.shape[-1]), fill_value, image.dtype)
            out[before[0] : self.canvas[0] - after[0], before[1] : self.canvas[1] - after[1]] = part
            return out
        modes = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT, "wrap": cv2.BORDER_WRAP}
        out = cv2.copyMakeBorder(part, before[0], after[0], before[1], after[1], modes[fill_mode])
        return out.reshape(*self.canvas, image.shape[-1])


def rescale(boxes, transform):
    """Boxes `(..., N, 4)`, xyxy in pixels, by a transform `(..., 4)` of `Placement.as_array`; padding stays."""
    ops, boxes, scale, offset = prepare(boxes, transform)
    return ops.where(ops.all(boxes == -1, axis=-1)[..., None], boxes, boxes * scale + offset)


def undo(boxes, transform):
    """The way back from `rescale`: from the new image to the old one."""
    ops, boxes, scale, offset = prepare(boxes, transform)
    return ops.where(ops.all(boxes == -1, axis=-1)[..., None], boxes, (boxes - offset) / scale)


def prepare(boxes, transform):
    ops = arrays.namespace_of(boxes, transform)
    boxes, transform = ops.cast(boxes, "float32"), ops.cast(transform, "float32")
    if len(transform.shape) > 1:
        transform = transform[..., None, :]
    scale, offset = transform[..., :2], transform[..., 2:]
    return ops, boxes, ops.concatenate([scale, scale], axis=-1), ops.concatenate([offset, offset], axis=-1)


def resize(image, size, interpolation="bilinear", antialias=False):
    """As `keras_cv.ops.resizing.resize`, and `"area"`, the mean of what a pixel covers; the quick ones by OpenCV."""
    if image.shape[:2] == tuple(size):
        return image
    if interpolation == "area" or (interpolation == "bilinear" and not antialias):
        cv2 = opencv()
        method = cv2.INTER_AREA if interpolation == "area" else cv2.INTER_LINEAR
        resized = cv2.resize(np.ascontiguousarray(image), (size[1], size[0]), interpolation=method)
        return resized.reshape(*size, image.shape[-1])
    if antialias and interpolation in resizing.PILLOW and image.dtype == "float32":
        # Several products of matrices at a time, as in a data set, would hinder each other.
        channels = np.ascontiguousarray(np.moveaxis(image, -1, 0))[..., None]
        return np.concatenate([by_pillow(channel, size, interpolation) for channel in channels], -1)
    return resizing.resize(image, size, interpolation, antialias)
