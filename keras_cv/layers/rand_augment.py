"""RandAugment: a few operations drawn for each image."""

import itertools
import numbers

import numpy as np

from keras_cv.layers.colour_layer import RandomColourLayer
from keras_cv.layers.colours import RandomBrightness, RandomColorDegeneration, RandomContrast, signs
from keras_cv.layers.factors import NormalFactorSampler
from keras_cv.layers.filters import RandomSharpness
from keras_cv.layers.levels import AutoContrast, Equalization, RandomPosterization, Solarization
from keras_cv.layers.operations import COLOURS, GEOMETRIC, ROTATION, SHEAR, Operations
from keras_cv.layers.warps import RandomRotation, RandomShear, RandomTranslation
from keras_cv.ops.resampling import mover, warp_boxes, warp_masks
from keras_zoo.config import serializable

TRANSLATION = 150 / 331  # the paper shifts images of 331 pixels by up to 150


@serializable
class RandAugment(RandomColourLayer):
    """Sends each image through a few operations drawn for it (https://arxiv.org/abs/1909.13719).

    The operations are the paper's, with the meaning they have in Pillow: auto-contrast, brightness, colour, contrast,
    equalize, posterize, sharpness, solarize, and, if `geometric`, rotations, shears and shifts, which move boxes and
    masks too. The paper's fourteenth, which does nothing, is what `rate` leaves.

    Args:
        value_range: of the values in float images. Those of uint8 images are 0-255.
        augmentations_per_image: how many operations are drawn for an image; the same may be drawn twice.
        magnitude, magnitude_stddev: mean and standard deviation of the strength, within 0 and 1, to which it is
            clipped. At 1 images are rotated by 30 degrees, sheared by 0.3, shifted by 45 %, brightness and the like
            are multiplied by 0.1 or 1.9, 4 bits are left and everything is inverted.
        rate: the probability of each operation.
        geometric: whether images are moved too.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode, fill_value: what comes from beyond the edge, as in `RandomRotation`.
        bounding_box_format: of the boxes, where there are any and `geometric`.
        seed: None draws one.
    """

    def __init__(
        self,
        value_range=(0, 255),
        augmentations_per_image=3,
        magnitude=0.5,
        magnitude_stddev=0.15,
        rate=10 / 11,
        geometric=True,
        interpolation="bilinear",
        fill_mode="constant",
        fill_value=0.0,
        bounding_box_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(value_range=value_range, bounding_box_format=bounding_box_format, seed=seed, **kwargs)
        check_parts(magnitude=magnitude, magnitude_stddev=magnitude_stddev, rate=rate)
        if not isinstance(augmentations_per_image, int) or augmentations_per_image < 0:
            raise ValueError(f"augmentations_per_image must be a whole number from 0; got {augmentations_per_image!r}.")
        self.augmentations_per_image = augmentations_per_image
        self.magnitude, self.magnitude_stddev, self.rate = magnitude, magnitude_stddev, rate
        self.geometric, self.interpolation = geometric, interpolation
        self.fill_mode, self.fill_value = fill_mode, fill_value
        names = sorted((*COLOURS, *GEOMETRIC)) if geometric else sorted(COLOURS)
        self._operations = Operations(names, translation=TRANSLATION, bits=(8, 4))

    @staticmethod
    def get_standard_policy(
        value_range=(0, 255),
        magnitude=0.5,
        magnitude_stddev=0.15,
        geometric=True,
        bounding_box_format=None,
        seed=None,
    ):
        """The operations as a list of layers, to leave some out or add others, for `RandomAugmentationPipeline`.

        First the colours, in KerasCV's order, then shears, shifts and rotation. They are the layers nearest to the
        operations: brightness is added, contrast is of each channel, and of brightness, contrast, shifts and rotations
        the strength is drawn evenly up to `magnitude`.

        Args:
            value_range, magnitude, magnitude_stddev, geometric, bounding_box_format: as of the class.
            seed: of each of the layers; None draws one for each.
        """
        check_parts(magnitude=magnitude, magnitude_stddev=magnitude_stddev)

        def up_to(end):
            return NormalFactorSampler(magnitude * end, magnitude_stddev * end, 0.0, end)

        colour = {"value_range": value_range, "seed": seed}
        threshold = NormalFactorSampler(255 * (1 - magnitude), 255 * magnitude_stddev, 0.0, 255.0)
        policy = [
            AutoContrast(value_range=value_range),
            Equalization(value_range=value_range),
            Solarization(threshold_factor=threshold, **colour),
            RandomColorDegeneration(up_to(1.0), **colour),
            RandomContrast(factor=magnitude, **colour),
            RandomBrightness(magnitude, **colour),
            RandomPosterization((8 - round(4 * magnitude), 8), **colour),
            RandomSharpness(up_to(1.0), **colour),
        ]
        if not geometric:
            return policy
        moving = {"fill_mode": "constant", "bounding_box_format": bounding_box_format, "seed": seed}
        shift = TRANSLATION * magnitude
        return [
            *policy,
            RandomShear(x_factor=up_to(SHEAR), **moving),
            RandomShear(y_factor=up_to(SHEAR), **moving),
            RandomTranslation(height_factor=0.0, width_factor=shift, **moving),
            RandomTranslation(height_factor=shift, width_factor=0.0, **moving),
            RandomRotation(ROTATION / (2 * np.pi) * magnitude, **moving),
        ]

    def draw(self, random, count, height, width):
        shape = (count, self.augmentations_per_image)
        chosen = np.where(random.random(shape) < self.rate, self._operations.draw(random, shape), -1)
        strengths = np.clip(random.normal(self.magnitude, self.magnitude_stddev, shape), 0, 1) * signs(random, shape)
        return {
            "operations": chosen,
            "strengths": strengths,
            "matrices": self._operations.matrices(chosen, strengths, height, width),
        }

    @property
    def touches(self):
        return super().touches if self.geometric else ("images",)

    def colours(self, images, p):
        move = mover(self.interpolation, self.fill_mode, self.fill_value)
        out = np.empty(images.shape, images.dtype)
        rows = zip(images, p["operations"], p["strengths"], p["matrices"], out, strict=True)
        for image, chosen, strengths, matrices, target in rows:
            self._operations.apply(image, chosen, strengths, matrices, move, target)
        return out

    def boxes(self, boxes, p, size):
        movement = np.tile(np.eye(3), (len(boxes), 1, 1))
        for step in np.moveaxis(p["matrices"], 1, 0):
            movement = step @ movement
        return warp_boxes(boxes, movement, size)

    def masks(self, masks, p):
        """Moved as often as the image, so that both lose the same at the edges."""
        rows = [self._operations.movements(*row) for row in zip(p["operations"], p["matrices"], strict=True)]
        for movements in itertools.zip_longest(*rows, fillvalue=np.eye(3)):
            masks = warp_masks(masks, np.stack(movements), masks.shape[1:3], self.fill_mode)
        return masks


def check_parts(**numbers_given):
    for name, value in numbers_given.items():
        if not isinstance(value, numbers.Number) or not 0 <= value <= 1:
            raise ValueError(f"{name} must lie within 0 and 1; got {value!r}.")
