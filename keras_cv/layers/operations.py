"""The operations among which `RandAugment` and `AugMix` choose, and how an image goes through a row of them.

An operation has a strength between -1 and 1. Its sign is a direction, where the operation has two. Operations are those
of the paper (RandAugment, arXiv 1909.13719, from AutoAugment, arXiv 1805.09501), with the meaning they have in Pillow;
shears and rotations are about the centre of the image, shifts by whole pixels.
"""

import numpy as np

from keras_cv.ops import colour, filters

ENHANCEMENT = 0.9  # how far from 1 the factor of brightness and the like goes
SHEAR = 0.3
ROTATION = np.deg2rad(30)
GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")


def enhance(function):
    return lambda image, strength, out: function.one(image, 1 + ENHANCEMENT * strength, out)


class Operations:
    """Those of the given names.

    Args:
        translation: the part of the image's size by which it is shifted at full strength.
        bits: how many bits posterize leaves without strength and at full strength.
    """

    def __init__(self, names, translation, bits):
        self.translation, self.bits = translation, bits
        self.names = tuple(names)
        self.functions = [None if name in GEOMETRIC else COLOURS[name] for name in self.names]
        if "posterize" in self.names:
            self.functions[self.names.index("posterize")] = self.posterize

    def posterize(self, image, strength, out):
        most, least = self.bits
        colour.posterize.one(image, most - round((most - least) * abs(strength)), out)

    def draw(self, random, shape):
        """Which operations, by place in `names`, int64."""
        return random.integers(0, len(self.names), shape)

    def matrices(self, chosen, strengths, height, width):
        """Where each moves a point of the image: 3 by 3 matrices in pixels, `(*chosen.shape, 3, 3)` float64.

        Operations that move nothing have the identity.
        """
        matrices = np.tile(np.eye(3), (*chosen.shape, 1, 1))
        for place, name in enumerate(self.names):
            rows = chosen == place
            if name in GEOMETRIC and rows.any():
                matrices[rows] = self.moved(name, strengths[rows], height, width)
        return matrices

    def moved(self, name, strengths, height, width):
        m = np.tile(np.eye(3), (len(strengths), 1, 1))
        if name == "translate_x":
            m[:, 0, 2] = np.rint(self.translation * width * strengths)
        elif name == "translate_y":
            m[:, 1, 2] = np.rint(self.translation * height * strengths)
        else:
            if name == "shear_x":
                m[:, 0, 1] = SHEAR * strengths
            elif name == "shear_y":
                m[:, 1, 0] = SHEAR * strengths
            else:
                cosines, sines = np.cos(ROTATION * strengths), np.sin(ROTATION * strengths)
                m[:, 0, 0], m[:, 0, 1], m[:, 1, 0], m[:, 1, 1] = cosines, -sines, sines, cosines
            centre = np.array([width / 2, height / 2])
            m[:, :2, 2] = centre - m[:, :2, :2] @ centre
        return m

    def apply(self, image, chosen, strengths, matrices, warp, out):
        """Sends an image `(H, W, C)` through a row of operations into `out`; places below zero stand for none.

        Neighbouring movements become one, so that pixels are interpolated once; what the first of them moves out of
        the image and the second back in again is then still there. `warp(image, matrix, out)` does it.
        """
        movement = None
        for place, strength, matrix in zip(chosen.tolist(), strengths.tolist(), matrices, strict=True):
            if place < 0:
                continue
            function = self.functions[place]
            if function is None:
                movement = matrix if movement is None else matrix @ movement
                continue
            if movement is not None:
                warp(image, movement, out)
                image, movement = out, None
            function(image, strength, out)
            image = out
        if movement is not None:
            warp(image, movement, out)
        elif image is not out:
            np.copyto(out, image)

    def movements(self, chosen, matrices):
        """The movements of a row of operations as `apply` joins them, a list of matrices."""
        joined, moving = [], False
        for place, matrix in zip(chosen.tolist(), matrices, strict=True):
            if place >= 0 and self.functions[place] is None:
                if moving:
                    joined[-1] = matrix @ joined[-1]
                else:
                    joined.append(matrix)
                moving = True
            elif place >= 0:
                moving = False
        return joined


COLOURS = {
    "auto_contrast": lambda image, strength, out: colour.auto_contrast.one(image, out),
    "brightness": enhance(colour.brightness),
    "color": enhance(colour.saturation),
    "contrast": enhance(colour.contrast),
    "equalize": lambda image, strength, out: colour.equalize.one(image, 256, out),
    "posterize": None,  # depends on the number of bits
    "sharpness": enhance(filters.sharpness),
    "solarize": lambda image, strength, out: colour.solarize.one(image, 255 * (1 - abs(strength)), out),
}
