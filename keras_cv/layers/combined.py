"""Layers made of layers: one after the other, some of them, one of them, all of them on copies."""

import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers import reading
from keras_cv.layers.image_layer import ImageLayer, RandomImageLayer
from keras_zoo.config import serializable

ENTRIES = ("images", "labels", "bounding_boxes", "segmentation_masks")


class Combining:
    """Mixin: what a layer is that consists of `parts`, layers of this package; boxes are in the format they name."""

    @property
    def parts(self):
        """The image layers, as a list."""
        return self.layers

    def checked(self, layers, argument):
        """`layers` as a list; or an error."""
        layers = list(layers) if isinstance(layers, list | tuple) else [layers]
        if not layers or any(not isinstance(x, ImageLayer) for x in layers):
            found = ", ".join(type(x).__name__ for x in layers) or "none"
            raise ValueError(
                f"{type(self).__name__}: {argument} must be image layers of keras_cv.layers; got {found}. Map others "
                "over the data set by themselves."
            )
        formats = {self.bounding_box_format, *(x.boxes_in for x in layers)} - {None}
        if len(formats) > 1:
            formats = ", ".join(sorted(formats))
            raise ValueError(f"{type(self).__name__}: its layers must name one bounding_box_format; got {formats}.")
        return layers

    @property
    def boxes_in(self):
        return next((x for x in (self.bounding_box_format, *(part.boxes_in for part in self.parts)) if x), None)

    def rows_of(self, count):
        return max(count, *(layer.rows_of(count) for layer in self.parts))

    @property
    def touches(self):
        return tuple(key for key in ENTRIES if any(key in layer.touches for layer in self.parts))


@serializable
class Augmenter(Combining, ImageLayer):
    """Layers one after the other, as one: `dataset.map(Augmenter([RandomFlip(), RandAugment()]))`.

    At inference (`training=False`) the random ones among them do nothing, while others, such as `Resizing`, act.

    Args:
        layers: image layers, in order.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = self.checked(layers, "layers")

    def rows_of(self, count):
        for layer in self.parts:
            count = layer.rows_of(count)
        return count

    def apply(self, batch, training=True):
        for layer in self.parts:
            batch = layer.apply(batch, training)
        return batch


def scatter(batch, chosen, layers):
    """Each image through the layer whose place in `layers` is `chosen` for it, `(B,)`; -1 for none.

    There are as many rows of boxes as the layer makes that makes most, whatever is chosen.
    """
    most = 0 if batch.boxes is None else max(layer.rows_of(batch.boxes.shape[1]) for layer in layers)
    groups = [np.flatnonzero(chosen == place) for place in range(-1, len(layers))]
    done = [batch.take(groups[0])] + [layer.apply(batch.take(rows)) for layer, rows in zip(layers, groups[1:])]
    filled = [i for i, rows in enumerate(groups) if len(rows)]
    back = np.argsort(np.concatenate([groups[i] for i in filled]))
    joined = batches.join([done[i] for i in filled]).take(back)
    return joined if batch.boxes is None else joined.with_rows(max(most, batch.boxes.shape[1]))


class Choosing(Combining, RandomImageLayer):
    """Of some layers, those that chance takes.

    Args:
        auto_vectorize: is there because KerasCV has it: nothing is traced here, so that there is nothing to vectorize.
    """

    def __init__(self, auto_vectorize=False, **kwargs):
        super().__init__(**kwargs)
        self.auto_vectorize = auto_vectorize

    def chances(self, random, count):
        """A number in [0, 1) for each image, or one for all."""
        return np.full(count, random.random()) if self.batchwise else random.random(count)

    def choices(self, random, count):
        """The place of a layer for each image."""
        size = 1 if self.batchwise else count
        return np.broadcast_to(random.integers(0, len(self.parts), size), count)


@serializable
class RandomApply(Choosing):
    """A layer for some of the images.

    Args:
        layer: an image layer that keeps the images' size, unless `rate` is 1.
        rate: the chance of each image, in [0, 1].
        batchwise: draw for the batch as a whole.
        seed: see `RandomImageLayer`; what the layer does with an image is drawn by its own seed.
    """

    def __init__(self, layer, rate=0.5, batchwise=False, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must lie in [0, 1]; got {rate}.")
        self.layer = self.checked(layer, "layer")[0]
        self.rate = rate
        self.batchwise = batchwise

    @property
    def parts(self):
        return [self.layer]

    def augment(self, batch, random):
        return scatter(batch, np.where(self.chances(random, len(batch)) < self.rate, 0, -1), self.parts)


@serializable
class RandomChoice(Choosing):
    """One of several layers for each image, all equally likely.

    Args:
        layers: image layers, which give images of one size.
        batchwise: draw one for the batch as a whole.
        seed: see `RandomImageLayer`; what a layer does with an image is drawn by its own seed.
    """

    def __init__(self, layers, batchwise=False, **kwargs):
        super().__init__(**kwargs)
        self.layers = self.checked(layers, "layers")
        self.batchwise = batchwise

    def augment(self, batch, random):
        return scatter(batch, self.choices(random, len(batch)), self.parts)


@serializable
class RandomAugmentationPipeline(Choosing):
    """Several layers for each image, drawn one after the other, so that one may come twice.

    Args:
        layers: image layers, which keep the images' size.
        augmentations_per_image: how many are drawn.
        rate: the chance of each of them to be used, in [0, 1].
        batchwise: draw for the batch as a whole.
        seed: see `RandomImageLayer`; what a layer does with an image is drawn by its own seed.
    """

    def __init__(self, layers, augmentations_per_image, rate=1.0, batchwise=False, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must lie in [0, 1]; got {rate}.")
        self.layers = self.checked(layers, "layers")
        self.augmentations_per_image = augmentations_per_image
        self.rate = rate
        self.batchwise = batchwise

    def rows_of(self, count):
        for _ in range(self.augmentations_per_image):
            count = super().rows_of(count)
        return count

    def augment(self, batch, random):
        for _ in range(self.augmentations_per_image):
            used = self.chances(random, len(batch)) < self.rate
            batch = scatter(batch, np.where(used, self.choices(random, len(batch)), -1), self.parts)
        return batch


@serializable
class RepeatedAugmentation(Combining, RandomImageLayer):
    """Each image several times in a batch, augmented differently (Hoffer et al., 2020).

    The batch grows by the number of augmenters, and so do labels, boxes and masks; a dictionary has no other entries.

    Args:
        augmenters: image layers.
        shuffle: mix the copies; else those of one augmenter stand together.
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`.
    """

    def __init__(self, augmenters, shuffle=True, **kwargs):
        super().__init__(**kwargs)
        self.augmenters = self.checked(augmenters, "augmenters")
        self.shuffle = shuffle

    touches = ENTRIES

    @property
    def parts(self):
        return self.augmenters

    def __call__(self, inputs, training=True):
        others = sorted(map(str, set(inputs) - set(ENTRIES))) if isinstance(inputs, dict) else []
        if others:
            raise ValueError(f"RepeatedAugmentation cannot repeat {', '.join(others)}.")
        return super().__call__(inputs, training)

    def run(self, data, training=True):
        if reading.is_single(data["images"]):
            raise ValueError("RepeatedAugmentation takes a batch of images, (B, H, W, C); got one image.")
        return super().run(data, training)

    def augment(self, batch, random):
        repeated = batches.join([layer.apply(batch) for layer in self.parts])
        return repeated.take(random.permutation(len(repeated))) if self.shuffle else repeated
