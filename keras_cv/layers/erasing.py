"""Layers that hide parts of an image: RandomErasing, RandomCutout, GridMask. Labels, boxes and masks stay."""

import math

import numpy as np

from keras_cv.layers.factors import sampler, symmetric
from keras_cv.layers.image_layer import RandomImageLayer
from keras_cv.ops.resampling import known
from keras_zoo.config import serializable

FILLS = ("constant", "gaussian_noise")


class Erasing(RandomImageLayer):
    """What layers share that fill parts of images: with a value, or with noise.

    A subclass draws `"noise"`, a seed `(count,)` for each image or None, and calls `fill`.

    Args:
        value_range: the lowest and the highest value of the images, within which noise lies.
        seed: see `RandomImageLayer`.
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(**kwargs)
        self.value_range = tuple(value_range)

    def fill(self, part, value, seed):
        """Fills a view of an image; `seed` is that of the noise, whose deviation is a quarter of the range."""
        if seed is None:
            part[...] = value
            return
        low, high = self.value_range
        noise = np.random.default_rng(seed).standard_normal(part.shape, "float32") * (high - low) / 4 + (low + high) / 2
        part[...] = np.clip(noise, low, high).astype(part.dtype)


def noise_seeds(random, count, noisy):
    return random.integers(0, 2**31, count).tolist() if noisy else [None] * count


class RectangleErasing(Erasing):
    """Fills a rectangle of each image: `"top"`, `"left"`, `"bottom"`, `"right"` of what is drawn, `(count,)`."""

    def images(self, images, p):
        erased = images.copy()
        edges = zip(*(p[side].tolist() for side in ("top", "bottom", "left", "right")))
        for image, (top, bottom, left, right), seed in zip(erased, edges, p["noise"], strict=True):
            self.fill(image[top:bottom, left:right], self.fill_value, seed)
        return erased


@serializable
class RandomErasing(RectangleErasing):
    """A rectangle of each image filled (Zhong et al., 2017), which lies whole within it.

    Args:
        factor: the chance of each image, in [0, 1], or a range from which the chance is drawn.
        scale: the rectangle's part of the area, a range in [0, 1]. It is 0.3 to 3.3 times as high as wide.
        fill_value: what it is filled with; None for noise.
        value_range, seed: see `Erasing`.
    """

    def __init__(self, factor=1.0, scale=(0.02, 0.33), fill_value=None, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.scale = scale
        self.fill_value = fill_value
        self._chance = sampler((factor, factor) if isinstance(factor, int | float) else factor, 0.0, 1.0)
        self._scale = sampler(scale, 0.0, 1.0, "scale")

    def draw(self, random, count, height, width):
        area = self._scale.draw(random, (count,)) * height * width
        aspect = np.exp(random.uniform(math.log(0.3), math.log(3.3), count))
        chosen = random.random(count) < self._chance.draw(random, (count,))
        tall = np.where(chosen, np.minimum(np.rint(np.sqrt(area * aspect)), height), 0).astype(int)
        wide = np.where(chosen, np.minimum(np.rint(np.sqrt(area / aspect)), width), 0).astype(int)
        top, left = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
        noise = noise_seeds(random, count, self.fill_value is None)
        return {"top": top, "bottom": top + tall, "left": left, "right": left + wide, "noise": noise}


@serializable
class RandomCutout(RectangleErasing):
    """A rectangle of each image filled (DeVries and Taylor, 2017), cut where it reaches beyond the edges.

    Args:
        height_factor, width_factor: its size in parts of the image's, a range in [0, 1]; a number `f` stands for
            `(0, f)`.
        fill_mode: `"constant"` or `"gaussian_noise"`.
        fill_value: the constant.
        value_range, seed: see `Erasing`.
    """

    def __init__(self, height_factor, width_factor, fill_mode="constant", fill_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.fill_mode = known(fill_mode, FILLS, "fill_mode")
        self.fill_value = fill_value
        self._height = sampler(height_factor, 0.0, 1.0, "height_factor")
        self._width = sampler(width_factor, 0.0, 1.0, "width_factor")

    def draw(self, random, count, height, width):
        drawn = {"noise": noise_seeds(random, count, self.fill_mode != "constant")}
        for size, factor, sides in ((height, self._height, ("top", "bottom")), (width, self._width, ("left", "right"))):
            length = np.ceil(factor.draw(random, (count,)) * size)
            start = np.rint(random.random(count) * size - length / 2)
            drawn[sides[0]], drawn[sides[1]] = (np.clip(x, 0, size).astype(int) for x in (start, start + length))
        return drawn


@serializable
class GridMask(Erasing):
    """A turned grid of squares of each image filled (Chen et al., 2020).

    The grid's unit is between three tenths of the width and half of the height, as in KerasCV.

    Args:
        ratio_factor: the side of a square in parts of the unit, a range in [0, 1]; a number `f` stands for `(0, f)`.
        rotation_factor: how far the grid is turned, in parts of a full turn; a number `f` stands for `(-f, f)`.
        fill_mode: `"constant"` or `"gaussian_noise"`.
        fill_value: the constant.
        value_range, seed: see `Erasing`.
    """

    def __init__(self, ratio_factor=(0, 0.5), rotation_factor=0.15, fill_mode="constant", fill_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.ratio_factor = ratio_factor
        self.rotation_factor = rotation_factor
        self.fill_mode = known(fill_mode, FILLS, "fill_mode")
        self.fill_value = fill_value
        self._ratio = sampler(ratio_factor, 0.0, 1.0, "ratio_factor")
        self._turns = symmetric(rotation_factor, name="rotation_factor")

    def draw(self, random, count, height, width):
        low, high = sorted((height * 0.5, width * 0.3))
        return {
            "unit": np.maximum(random.uniform(low, high, count), 1),
            "ratio": self._ratio.draw(random, (count,)),
            "angle": 2 * math.pi * self._turns.draw(random, (count,)),
            "start": random.random((count, 2)),
            "noise": noise_seeds(random, count, self.fill_mode != "constant"),
        }

    def images(self, images, p):
        masked = images.copy()
        height, width = images.shape[1:3]
        x, y = np.arange(width, dtype="float32") + 0.5, np.arange(height, dtype="float32")[:, None] + 0.5
        for i, image in enumerate(masked):
            unit, ratio = np.float32(p["unit"][i]), np.float32(p["ratio"][i])
            cosine, sine = np.cos(p["angle"][i]) / unit, np.sin(p["angle"][i]) / unit
            along = x * np.float32(cosine) + y * np.float32(sine) + np.float32(p["start"][i, 0])
            across = y * np.float32(cosine) - x * np.float32(sine) + np.float32(p["start"][i, 1])
            hidden = (along - np.floor(along) < ratio) & (across - np.floor(across) < ratio)
            filling = np.empty((int(hidden.sum()), image.shape[-1]), image.dtype)
            self.fill(filling, self.fill_value, p["noise"][i])
            image[hidden] = filling
        return masked
