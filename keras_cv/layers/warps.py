"""Layers that move every pixel by a matrix: rotation, zoom, translation, shear, and all of them at once."""

import math

import numpy as np

from keras_cv.layers.factors import sampler, symmetric
from keras_cv.layers.image_layer import RandomImageLayer
from keras_cv.ops import resampling
from keras_cv.ops.resampling import FILL_MODES, INTERPOLATIONS, about_centre, affine, known, shift
from keras_zoo.config import serializable


class RandomWarp(RandomImageLayer):
    """What layers share that move an image by a matrix.

    A subclass gives `matrices(random, count, height, width)`, `(count, 3, 3)`, which map points of the image to points
    of the new one, in pixels; see `keras_cv.ops.resampling`. Boxes become the boxes around their moved corners, so a
    box that is rotated grows.

    Args:
        fill_mode: what comes in from outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`. Objects that are
            mirrored in have no boxes.
        interpolation: `"bilinear"`, `"nearest"` or `"bicubic"`. Masks take the nearest value.
        fill_value: the constant; masks are filled with 0.
        minimum_box_area_ratio: boxes of which no larger part stays in the image become padding, in [0, 1).
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`.
    """

    def __init__(
        self, fill_mode="reflect", interpolation="bilinear", fill_value=0.0, minimum_box_area_ratio=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.fill_mode = known(fill_mode, FILL_MODES, "fill_mode")
        self.interpolation = known(interpolation, INTERPOLATIONS, "interpolation")
        self.fill_value = fill_value
        if not 0 <= minimum_box_area_ratio < 1:
            raise ValueError(f"minimum_box_area_ratio must lie in [0, 1); got {minimum_box_area_ratio}.")
        self.minimum_box_area_ratio = minimum_box_area_ratio

    def draw(self, random, count, height, width):
        return {"matrices": self.matrices(random, count, height, width)}

    def images(self, images, p):
        how = self.interpolation, self.fill_mode, self.fill_value
        return resampling.warp(images, p["matrices"], images.shape[1:3], *how)

    def masks(self, masks, p):
        return resampling.warp_masks(masks, p["matrices"], masks.shape[1:3], self.fill_mode)

    def boxes(self, boxes, p, size):
        whole = resampling.warp_boxes(boxes, p["matrices"])
        inside = resampling.warp_boxes(boxes, p["matrices"], size)
        areas = ((b[..., 2:] - b[..., :2]).prod(-1) for b in (inside, whole))
        enough = next(areas) > self.minimum_box_area_ratio * next(areas)
        return np.where(enough[..., None], inside, np.float32(0))


def rotations(turns):
    """Matrices that turn counter-clockwise, as one looks at the image, by parts of a full turn `(B,)`."""
    cosine, sine = np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)
    return affine(cosine, sine, 0, -sine, cosine, 0)


def zooms(height_factors, width_factors):
    """Matrices that make an image smaller by positive parts `(B,)` of its size, and larger by negative ones."""
    return affine(1 / (1 + width_factors), 0, 0, 0, 1 / (1 + height_factors), 0)


def signs(random, count):
    return random.integers(0, 2, count) * 2 - 1


@serializable
class RandomRotation(RandomWarp):
    """Turns each image about its middle.

    Args:
        factor: parts of a full turn, counter-clockwise; a number `f` stands for `(-f, f)`.
        segmentation_classes: is there because KerasCV has it: masks take the nearest value, one-hot ones and others.
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`.
    """

    def __init__(self, factor, segmentation_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.segmentation_classes = segmentation_classes
        self._turns = symmetric(factor)

    def matrices(self, random, count, height, width):
        return about_centre(rotations(self._turns.draw(random, (count,))), height, width)


@serializable
class RandomZoom(RandomWarp):
    """Makes each image larger or smaller about its middle.

    Args:
        height_factor: by which part; positive zooms out, negative in, more than -1; a number `f` stands for `(-f, f)`.
        width_factor: the same across; None for the height's, which keeps the aspect ratio.
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`.
    """

    def __init__(self, height_factor, width_factor=None, **kwargs):
        super().__init__(**kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = symmetric(height_factor, -0.99, None, "height_factor")
        self._width = None if width_factor is None else symmetric(width_factor, -0.99, None, "width_factor")

    def matrices(self, random, count, height, width):
        down = self._height.draw(random, (count,))
        across = down if self._width is None else self._width.draw(random, (count,))
        return about_centre(zooms(down, across), height, width)


@serializable
class RandomTranslation(RandomWarp):
    """Shifts each image.

    Args:
        height_factor, width_factor: parts of the height, positive downwards, and of the width, positive to the right,
            in [-1, 1]; a number `f` stands for `(-f, f)`.
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`.
    """

    def __init__(self, height_factor, width_factor, **kwargs):
        super().__init__(**kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = symmetric(height_factor, -1, 1, "height_factor")
        self._width = symmetric(width_factor, -1, 1, "width_factor")

    def matrices(self, random, count, height, width):
        down = self._height.draw(random, (count,)) * height
        return shift(self._width.draw(random, (count,)) * width, down)


@serializable
class RandomShear(RandomWarp):
    """Slants each image about its middle, to either side.

    Args:
        x_factor: how far a line is shifted across for each line below, a range of numbers from 0 up; a number `f`
            stands for `(0, f)`; None for not at all.
        y_factor: the same with columns, downwards.
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`.
    """

    def __init__(self, x_factor=None, y_factor=None, **kwargs):
        super().__init__(**kwargs)
        self.x_factor = x_factor
        self.y_factor = y_factor
        self._x = sampler(0.0 if x_factor is None else x_factor, 0.0, None, "x_factor")
        self._y = sampler(0.0 if y_factor is None else y_factor, 0.0, None, "y_factor")

    def matrices(self, random, count, height, width):
        across, down = (factor.draw(random, (count,)) * signs(random, count) for factor in (self._x, self._y))
        return about_centre(affine(1, 0, 0, down, 1, 0) @ affine(1, across, 0, 0, 1, 0), height, width)


@serializable
class RandomAffine(RandomWarp):
    """Shears, zooms, turns and shifts each image in one resampling, about its middle.

    Args:
        rotation_factor: see `RandomRotation`.
        translation_factor: see `RandomTranslation`; across and down are drawn apart.
        zoom_factor: see `RandomZoom`; the same across and down.
        shear_factor: see `RandomShear`, but that a number `f` stands for `(-f, f)`; across and down are drawn apart.
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`.
    """

    def __init__(self, rotation_factor=0.0, translation_factor=0.0, zoom_factor=0.0, shear_factor=0.0, **kwargs):
        super().__init__(**kwargs)
        self.rotation_factor = rotation_factor
        self.translation_factor = translation_factor
        self.zoom_factor = zoom_factor
        self.shear_factor = shear_factor
        self._rotation = symmetric(rotation_factor, name="rotation_factor")
        self._translation = symmetric(translation_factor, -1, 1, "translation_factor")
        self._zoom = symmetric(zoom_factor, -0.99, None, "zoom_factor")
        self._shear = symmetric(shear_factor, name="shear_factor")

    def matrices(self, random, count, height, width):
        turns, zoom = self._rotation.draw(random, (count,)), self._zoom.draw(random, (count,))
        (across, down), (right, below) = (d.draw(random, (2, count)) for d in (self._shear, self._translation))
        sheared = affine(1, 0, 0, down, 1, 0) @ affine(1, across, 0, 0, 1, 0)
        turned = about_centre(rotations(turns) @ zooms(zoom, zoom) @ sheared, height, width)
        return shift(right * width, below * height) @ turned


@serializable
class RandomPerspective(RandomWarp):
    """Looks at each image from aside: its corners move inwards, each by itself.

    Args:
        factor: the chance that an image is moved at all, in [0, 1], or a range from which the chance is drawn.
        scale: how far corners move at most, in parts of half the height and width, in [0, 1).
        fill_mode, interpolation, fill_value, minimum_box_area_ratio, bounding_box_format, seed: see `RandomWarp`; the
            fill mode is `"constant"` here, as in Keras.
    """

    def __init__(self, factor=1.0, scale=0.3, fill_mode="constant", **kwargs):
        super().__init__(fill_mode=fill_mode, **kwargs)
        if not 0 <= scale < 1:
            raise ValueError(f"scale must lie in [0, 1); got {scale}.")
        self.factor = factor
        self.scale = scale
        self._chance = sampler((factor, factor) if isinstance(factor, int | float) else factor, 0.0, 1.0)

    def matrices(self, random, count, height, width):
        cv2 = resampling.opencv()
        moved = random.random(count) < self._chance.draw(random, (count,))
        inwards = random.random((count, 4, 2)) * moved[:, None, None] * self.scale / 2
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], "float32")
        targets = corners + inwards * np.where(corners == 0, 1, -1)
        size = np.array([width, height], "float32")
        pairs = ((corners * size, (target * size).astype("float32")) for target in targets)
        return np.stack([cv2.getPerspectiveTransform(*pair) for pair in pairs])
