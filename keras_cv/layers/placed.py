"""Layers that cut, resize and pad: each image is placed on a canvas of one size."""

import numpy as np

from keras_cv.layers.factors import sampler
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer
from keras_cv.layers.reading import is_single
from keras_cv.ops.placing import RESIZING, Placement
from keras_cv.ops.resampling import FILL_MODES, known
from keras_zoo.config import serializable


class Placing:
    """Mixin of layers that give `placements(random, count, height, width)`, a `Placement` for each image."""

    interpolation, antialias, fill_mode, fill_value = "bilinear", False, "constant", 0.0

    def draw(self, random, count, height, width):
        return {"placements": self.placements(random, count, height, width)}

    def images(self, images, p):
        how = self.interpolation, self.antialias, self.fill_mode, self.fill_value
        placed = [place.image(image, *how) for image, place in zip(images, p["placements"], strict=True)]
        return np.stack(placed)

    def masks(self, masks, p):
        return np.stack([place.image(mask, "nearest") for mask, place in zip(masks, p["placements"], strict=True)])

    def boxes(self, boxes, p, size):
        return np.stack([place.apply(rows) for rows, place in zip(boxes, p["placements"], strict=True)])


def checked_size(height, width, names=("height", "width")):
    if not all(isinstance(n, int | np.integer) and n > 0 for n in (height, width)):
        raise ValueError(f"{names[0]} and {names[1]} must be integers of at least 1; got {height!r} and {width!r}.")
    return int(height), int(width)


def checked_pair(size, name):
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"{name} must be (height, width); got {size!r}.")
    return checked_size(*size, names=(f"{name}[0]", f"{name}[1]"))


def cut_to_aspect(height, width, canvas):
    """The largest window in the middle with the canvas's aspect ratio, resized to it."""
    window_height = min(height, max(1, int(width * canvas[0] / canvas[1])))
    window_width = min(width, max(1, int(height * canvas[1] / canvas[0])))
    window = (height - window_height) // 2, (width - window_width) // 2, window_height, window_width
    return Placement(window, canvas, (0, 0), canvas)


@serializable
class Resizing(Placing, ImageLayer):
    """Images of one size, of images of any size.

    Args:
        height, width: the new size.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"area"`, `"lanczos3"` or `"lanczos5"`. Masks take the
            nearest value.
        crop_to_aspect_ratio: cut away what the new aspect ratio has no room for, in place of distorting.
        pad_to_aspect_ratio: fit the whole image in and fill the rest ("letterbox").
        placement: where a padded image lies: `"top_left"`, as in KerasCV, or `"center"`, as in Keras.
        fill_mode, fill_value: the padding, see `keras_cv.ops.resampling.warp`.
        antialias: smooth what shrinks, as Pillow does.
        return_transform: put `"transform"`, `(B, 4)` float32, into the dictionary: the scale across and down and the
            offset across and down, by which boxes that are found in the new images go back:
            `keras_cv.ops.placing.undo(boxes, transform)`.
        bounding_box_format: see `ImageLayer`.

    `transform(height, width)` gives the same for one size, as an object with `apply(boxes)` and `undo(boxes)`.
    """

    def __init__(
        self,
        height,
        width,
        interpolation="bilinear",
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=False,
        placement="top_left",
        fill_mode="constant",
        fill_value=0.0,
        antialias=False,
        return_transform=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other; got True for both.")
        self.height, self.width = checked_size(height, width)
        self.interpolation = known(interpolation, RESIZING, "interpolation")
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.placement = known(placement, ("top_left", "center"), "placement")
        self.fill_mode = known(fill_mode, FILL_MODES, "fill_mode")
        self.fill_value = fill_value
        self.antialias = antialias
        self.return_transform = return_transform

    def transform(self, height, width):
        """The `Placement` of an image of this size, whose `apply` and `undo` take boxes there and back."""
        canvas = self.height, self.width
        if self.crop_to_aspect_ratio:
            return cut_to_aspect(height, width, canvas)
        window = 0, 0, height, width
        if not self.pad_to_aspect_ratio:
            return Placement(window, canvas, (0, 0), canvas)
        scale = min(self.height / height, self.width / width)
        size = tuple(min(c, max(1, round(n * scale))) for n, c in zip((height, width), canvas))
        room = [c - n for c, n in zip(canvas, size)]
        place = (0, 0) if self.placement == "top_left" else (room[0] // 2, room[1] // 2)
        return Placement(window, size, place, canvas)

    def placements(self, random, count, height, width):
        return [self.transform(height, width)] * count

    def run(self, data, training=True):
        done = super().run(data, training)
        if self.return_transform:
            images, single = data["images"], is_single(data["images"])
            sizes = [np.shape(image)[:2] for image in ([images] if single else images)]
            transforms = np.array([self.transform(*size).as_array() for size in sizes], "float32").reshape(-1, 4)
            done["transform"] = transforms[0] if single else transforms
        return done


@serializable
class CenterCrop(Placing, ImageLayer):
    """The middle of each image.

    An image that is smaller than that gives its largest part of the same aspect ratio, resized, as in Keras.

    Args:
        height, width: the size of what is cut out.
        bounding_box_format: see `ImageLayer`.
    """

    def __init__(self, height, width, **kwargs):
        super().__init__(**kwargs)
        self.height, self.width = checked_size(height, width)

    def placements(self, random, count, height, width):
        canvas = self.height, self.width
        if height < self.height or width < self.width:
            return [cut_to_aspect(height, width, canvas)] * count
        window = (height - self.height) // 2, (width - self.width) // 2, *canvas
        return [Placement(window, canvas, (0, 0), canvas)] * count


class RandomPlacing(Placing, RandomImageLayer):
    """What random layers that place images share.

    Args:
        minimum_box_area_ratio: boxes of which no larger part stays in the image become padding, in [0, 1).
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`.
    """

    def __init__(self, minimum_box_area_ratio=0.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= minimum_box_area_ratio < 1:
            raise ValueError(f"minimum_box_area_ratio must lie in [0, 1); got {minimum_box_area_ratio}.")
        self.minimum_box_area_ratio = minimum_box_area_ratio


@serializable
class RandomCrop(RandomPlacing):
    """A part of each image, cut out somewhere.

    An image that is smaller than that is resized whole, as in KerasCV.

    Args:
        height, width: the size of what is cut out.
        minimum_box_area_ratio, bounding_box_format, seed: see `RandomPlacing`.
    """

    def __init__(self, height, width, **kwargs):
        super().__init__(**kwargs)
        self.height, self.width = checked_size(height, width)

    def placements(self, random, count, height, width):
        canvas = self.height, self.width
        if height < self.height or width < self.width:
            return [Placement((0, 0, height, width), canvas, (0, 0), canvas)] * count
        tops = random.integers(0, height - self.height + 1, count).tolist()
        lefts = random.integers(0, width - self.width + 1, count).tolist()
        return [Placement((top, left, *canvas), canvas, (0, 0), canvas) for top, left in zip(tops, lefts)]


@serializable
class RandomCropAndResize(RandomPlacing):
    """A part of each image of random size and shape, resized (Szegedy et al., 2014; torchvision's RandomResizedCrop).

    Args:
        target_size: `(height, width)` of the result.
        crop_area_factor: the part of the image's area that is cut out, a range in (0, 1] such as `(0.08, 1.0)`.
        aspect_ratio_factor: by how much the cut is wider than the image, to its height, such as `(3 / 4, 4 / 3)`.
        interpolation: as of `Resizing`.
        minimum_box_area_ratio, bounding_box_format, seed: see `RandomPlacing`.
    """

    def __init__(self, target_size, crop_area_factor, aspect_ratio_factor, interpolation="bilinear", **kwargs):
        super().__init__(**kwargs)
        self.target_size = checked_pair(target_size, "target_size")
        self.crop_area_factor = crop_area_factor
        self.aspect_ratio_factor = aspect_ratio_factor
        self.interpolation = known(interpolation, RESIZING, "interpolation")
        self._area = sampler(crop_area_factor, 0.0, 1.0, "crop_area_factor")
        self._aspect = sampler(aspect_ratio_factor, 0.0, None, "aspect_ratio_factor")

    def placements(self, random, count, height, width):
        area, aspect = self._area.draw(random, (count,)), np.maximum(self._aspect.draw(random, (count,)), 1e-6)
        heights = np.clip(np.rint(height * np.sqrt(area / aspect)), 1, height).astype(int)
        widths = np.clip(np.rint(width * np.sqrt(area * aspect)), 1, width).astype(int)
        tops = np.floor(random.random(count) * (height - heights + 1)).astype(int)
        lefts = np.floor(random.random(count) * (width - widths + 1)).astype(int)
        windows = np.stack([tops, lefts, heights, widths], 1).tolist()
        return [Placement(tuple(window), self.target_size, (0, 0), self.target_size) for window in windows]


@serializable
class JitteredResize(RandomPlacing):
    """Scale jitter: each image fitted into the target, made larger or smaller by a factor, then cut or padded.

    The factor counts from the size at which the whole image just fits, as in the papers that use it (Mask R-CNN, He et
    al., 2017; Ghiasi et al., 2021). A larger image is cut at a random place, a smaller one is padded with zeros at its
    right and bottom. `JitteredResize(size, scale_factor=(1, 1))` is `Resizing(*size, pad_to_aspect_ratio=True)`.

    Args:
        target_size: `(height, width)` of the result.
        scale_factor: a range of factors, such as `(0.8, 1.25)`.
        crop_size: `(height, width)` of the part that is cut from the scaled image and then resized to `target_size`;
            None for the target size itself.
        interpolation: as of `Resizing`.
        minimum_box_area_ratio, bounding_box_format, seed: see `RandomPlacing`.
    """

    def __init__(self, target_size, scale_factor, crop_size=None, interpolation="bilinear", **kwargs):
        super().__init__(**kwargs)
        self.target_size = checked_pair(target_size, "target_size")
        self.crop_size = None if crop_size is None else checked_pair(crop_size, "crop_size")
        self.scale_factor = scale_factor
        self.interpolation = known(interpolation, RESIZING, "interpolation")
        self._scale = sampler(scale_factor, 0.0, None, "scale_factor")

    def placements(self, random, count, height, width):
        canvas, crop = self.target_size, self.crop_size or self.target_size
        fit = min(canvas[0] / height, canvas[1] / width) * self._scale.draw(random, (count,))
        scaled = np.outer(fit, [canvas[0] / crop[0] * height, canvas[1] / crop[1] * width])
        sizes = np.maximum(np.rint(scaled), 1).astype(int)
        places = -np.floor(random.random((count, 2)) * np.maximum(sizes - canvas + 1, 0)).astype(int)
        window = 0, 0, height, width
        rows = zip(sizes.tolist(), places.tolist())
        return [Placement(window, tuple(size), tuple(place), canvas) for size, place in rows]
