"""Distorts the aspect ratio of images."""

import numbers

import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers.factors import sampler
from keras_cv.layers.placed import RandomPlacing
from keras_cv.layers.reading import is_single
from keras_cv.ops.placing import RESIZING, Placement
from keras_cv.ops.resampling import known
from keras_zoo import tfdata
from keras_zoo.config import serializable


@serializable
class RandomAspectRatio(RandomPlacing):
    """Makes each image wider by a factor, and lower by the same.

    So images of a batch get different sizes: a batch becomes a list of images. In tf.data it is mapped over single
    images, before `Resizing`, as in KerasCV's guides.

    Args:
        factor: above 0, a pair or a `FactorSampler`; above 1 images become wider. A number `f` stands for the range
            between `1 / f` and `f`.
        interpolation: as of `Resizing`.
        minimum_box_area_ratio, bounding_box_format, seed: see `RandomPlacing`.
    """

    def __init__(self, factor, interpolation="bilinear", **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.interpolation = known(interpolation, RESIZING, "interpolation")
        ends = sorted((factor, 1 / factor)) if isinstance(factor, numbers.Number) and factor > 0 else factor
        self._factor = sampler(ends, np.finfo("float32").tiny, None)

    def run(self, data, training=True):
        if tfdata.learning_shapes.active and not is_single(data["images"]):
            raise ValueError(
                "RandomAspectRatio gives images of different sizes, which a tf.data batch cannot hold: map it over "
                "single images, then resize and batch them."
            )
        return super().run(data, training)

    def augment(self, batch, random):
        augment = super().augment
        return batches.join([augment(one, random) for one in batch.singles()])

    def placements(self, random, count, height, width):
        factors = self._factor.draw(random, (count,)).tolist()
        if min(factors) <= 0:
            raise ValueError(f"RandomAspectRatio: factors must be above 0; {self.factor!r} drew {min(factors)}.")
        sizes = [(max(1, round(height / factor)), max(1, round(width * factor))) for factor in factors]
        return [Placement((0, 0, height, width), size, (0, 0), size) for size in sizes]
