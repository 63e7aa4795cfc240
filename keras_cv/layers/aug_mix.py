"""AugMix: an image mixed with several altered copies of itself."""

import numpy as np

from keras_cv.layers.colour_layer import RandomColourLayer
from keras_cv.layers.colours import signs
from keras_cv.layers.factors import is_pair, sampler
from keras_cv.layers.operations import GEOMETRIC, Operations
from keras_cv.ops.colour import store
from keras_cv.ops.resampling import mover, opencv
from keras_zoo.config import serializable

COLOURS = ("auto_contrast", "equalize", "posterize", "solarize")
REFUSED = "AugMix lays moved copies of an image over each other; {} cannot follow. AugMix(geometric=False) keeps them."


@serializable
class AugMix(RandomColourLayer):
    """Mixes an image with copies that each went through a chain of operations (https://arxiv.org/abs/1912.02781).

    The operations are auto-contrast, equalize, posterize, solarize, and, if `geometric`, rotations, shears and shifts.
    Copies that were moved lie over each other, so that boxes and masks would not fit: they are refused unless
    `geometric=False`, which leaves every pixel in its place.

    Args:
        value_range: of the values in float images. Those of uint8 images are 0-255.
        severity: how strong the operations are: a number for 0.01 to that number, a pair or a `FactorSampler`, within
            0.01 and 1. At 1 images are rotated by 30 degrees, sheared by 0.3 and shifted by a third, 1 bit is left and
            everything is inverted.
        num_chains: how many copies.
        chain_depth: how many operations make a copy: a number, or a pair of which each number and those between are
            equally likely.
        alpha: of the Dirichlet distribution of the copies' shares, and of the Beta distribution of the image's own.
        geometric: whether copies are moved too.
        interpolation, fill_mode, fill_value: of operations that move, as in `RandAugment`.
        seed: None draws one.
    """

    def __init__(
        self,
        value_range=(0, 255),
        severity=0.3,
        num_chains=3,
        chain_depth=(1, 3),
        alpha=1.0,
        geometric=True,
        interpolation="bilinear",
        fill_mode="constant",
        fill_value=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.severity, self.num_chains, self.chain_depth, self.alpha = severity, num_chains, chain_depth, alpha
        self.geometric = geometric
        self.interpolation, self.fill_mode, self.fill_value = interpolation, fill_mode, fill_value
        self._severity = sampler(severity, 0.01, 1.0, "severity")
        self._depths = tuple(chain_depth) if is_pair(chain_depth) else (chain_depth, chain_depth)
        if not all(isinstance(n, int) for n in self._depths) or not 1 <= self._depths[0] <= self._depths[1]:
            raise ValueError(f"chain_depth must be a whole number from 1, or a pair of them; got {chain_depth!r}.")
        if not isinstance(num_chains, int) or num_chains < 1:
            raise ValueError(f"num_chains must be a whole number from 1; got {num_chains!r}.")
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0; got {alpha!r}.")
        names = (*COLOURS, *GEOMETRIC) if geometric else COLOURS
        self._operations = Operations(names, translation=1 / 3, bits=(4, 1))

    def draw(self, random, count, height, width):
        chains = (count, self.num_chains)
        shape = (*chains, self._depths[1])
        depths = random.integers(self._depths[0], self._depths[1] + 1, chains)
        chosen = np.where(np.arange(shape[-1]) < depths[..., None], self._operations.draw(random, shape), -1)
        strengths = self._severity.draw(random, shape) * signs(random, shape)
        return {
            "operations": chosen,
            "strengths": strengths,
            "matrices": self._operations.matrices(chosen, strengths, height, width),
            "shares": random.dirichlet(np.full(self.num_chains, self.alpha), count),
            "own": random.beta(self.alpha, self.alpha, count),
        }

    def colours(self, images, p):
        cv2, move = opencv(), mover(self.interpolation, self.fill_mode, self.fill_value)
        result, copy = np.empty(images.shape, images.dtype), np.empty(images.shape[1:], images.dtype)
        for i, image in enumerate(images):
            mixed = image * np.float32(p["own"][i])
            shares = p["shares"][i] * (1 - p["own"][i])
            chains = zip(shares, p["operations"][i], p["strengths"][i], p["matrices"][i], strict=True)
            for share, chosen, strengths, matrices in chains:
                self._operations.apply(image, chosen, strengths, matrices, move, copy)
                cv2.addWeighted(mixed, 1, copy, share, 0, dst=mixed, dtype=cv2.CV_32F)
            store(mixed, result[i])
        return result

    @property
    def touches(self):
        return super().touches if self.geometric else ("images",)

    def boxes(self, boxes, p, size):
        raise ValueError(REFUSED.format("boxes"))

    def masks(self, masks, p):
        raise ValueError(REFUSED.format("masks"))
