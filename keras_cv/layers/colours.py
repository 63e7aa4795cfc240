"""Layers that change brightness, contrast, saturation and hue; labels, boxes and masks stay as they are."""

import numbers

import numpy as np

from keras_cv.layers.colour_layer import OneFactorLayer, RandomColourLayer
from keras_cv.layers.factors import pair, sampler
from keras_cv.ops import colour
from keras_zoo.config import serializable


@serializable
class RandomBrightness(RandomColourLayer):
    """Makes images lighter or darker by adding the same to every value.

    Args:
        factor: what is added, as a part of the range: a number `x` for -x to x, a pair or a `FactorSampler`, within
            -1, which makes an image black, and 1, which makes it white.
        value_range: of the values in float images. Those of uint8 images are 0-255.
        seed: None draws one.
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        ends = (-factor, factor) if isinstance(factor, numbers.Number) else factor
        self._sampler = sampler(ends, -1.0, 1.0)

    def draw(self, random, count, height, width):
        return {"amounts": 255 * self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        return colour.shift(images, p["amounts"])


@serializable
class RandomContrast(RandomColourLayer):
    """Multiplies the distance of each value to the mean of its channel.

    Args:
        value_range: as in `RandomBrightness`.
        factor: a number `x` for multiples of 1 - x to 1 + x, or a pair `(x, y)` for 1 - x to 1 + y.
    """

    def __init__(self, value_range=(0, 255), factor=0.5, seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        lower, upper = pair(factor)
        self._sampler = sampler((1 - lower, 1 + upper), -1.0, 2.0, "1 ± factor")

    def draw(self, random, count, height, width):
        return {"factors": self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        return colour.channel_contrast(images, p["factors"])


def saturation_multiples(factors):
    """0 to 1 as multiples: 0 is grey, 0.5 changes nothing, 1 is as colourful as can be."""
    return factors / np.maximum(1 - factors, 1e-4)


@serializable
class RandomSaturation(OneFactorLayer):
    """Makes colours stronger or weaker, by the saturation of HSV.

    Args:
        factor: a number for 0 to that number, a pair or a `FactorSampler`, within 0 and 1: 0 is a grey image, 0.5
            changes nothing, 1 gives the strongest colours.
        value_range: as in `RandomBrightness`.
    """

    def draw(self, random, count, height, width):
        return {"factors": saturation_multiples(self._sampler.draw(random, (count,)))}

    def colours(self, images, p):
        return colour.hue_saturation(images, 0.0, p["factors"])


@serializable
class RandomHue(OneFactorLayer):
    """Turns the colours along the circle of hues, to one side or to the other.

    Args:
        factor: a number for 0 to that number, a pair or a `FactorSampler`, within 0 and 1, which is half a turn.
        value_range: as in `RandomBrightness`.
    """

    def draw(self, random, count, height, width):
        return {"turns": signs(random, (count,)) * self._sampler.draw(random, (count,)) / 2}

    def colours(self, images, p):
        return colour.hue_saturation(images, p["turns"], 1.0)


def signs(random, shape):
    """-1 or 1, equally likely."""
    return 2 * random.integers(0, 2, shape) - 1


@serializable
class RandomColorJitter(RandomColourLayer):
    """`RandomBrightness`, `RandomContrast`, `RandomSaturation` and `RandomHue` one after the other.

    Args:
        value_range: as in `RandomBrightness`.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: the factors of these layers; None leaves a
            layer out.
    """

    def __init__(
        self,
        value_range=(0, 255),
        brightness_factor=None,
        contrast_factor=None,
        saturation_factor=None,
        hue_factor=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        kinds = {
            RandomBrightness: brightness_factor,
            RandomContrast: contrast_factor,
            RandomSaturation: saturation_factor,
            RandomHue: hue_factor,
        }
        self._parts = [kind(factor=factor, seed=0) for kind, factor in kinds.items() if factor is not None]

    def draw(self, random, count, height, width):
        parameters = {}
        for part in self._parts:
            for name, values in part.draw(random, count, height, width).items():
                parameters[f"{type(part).__name__}/{name}"] = values
        return parameters

    def colours(self, images, p):
        for part in self._parts:
            prefix = f"{type(part).__name__}/"
            images = part.colours(images, {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)})
        return images


@serializable
class RandomColorDegeneration(OneFactorLayer):
    """Mixes an image with its grey.

    Args:
        factor: how much grey: a number for 0 to that number, a pair or a `FactorSampler`, within 0 and 1.
        value_range: as in `RandomBrightness`.
    """

    def draw(self, random, count, height, width):
        return {"factors": 1 - self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        return colour.saturation(images, p["factors"])


@serializable
class RandomGamma(RandomColourLayer):
    """Raises values, as parts of the range, to a power.

    Args:
        factor: the exponent, above 0: a pair or a `FactorSampler`. Below 1 images become lighter.
        value_range: as in `RandomBrightness`.
    """

    def __init__(self, factor=(0.7, 1.4), value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range=value_range, seed=seed, **kwargs)
        self.factor = factor
        self._sampler = sampler(pair(factor) if isinstance(factor, numbers.Number) else factor, 1e-3, None)

    def draw(self, random, count, height, width):
        return {"exponents": self._sampler.draw(random, (count,))}

    def colours(self, images, p):
        return colour.gamma(images, p["exponents"])
