"""Layers that make an image of several of its batch: MixUp, CutMix, Mosaic, CopyPaste."""

import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers import reading
from keras_cv.layers.factors import sampler
from keras_cv.layers.image_layer import RandomImageLayer
from keras_cv.ops.resampling import opencv
from keras_cv.ops.visible import uncovered
from keras_zoo.config import serializable


class Mixing(RandomImageLayer):
    """What layers share that mix the images of a batch.

    They take a batch of images of one size. Labels are mixed as images are, so they are floats: one-hot classes
    `(B, classes)`. Boxes of all images that are mixed are kept, with padding after them.

    Args:
        max_boxes: rows of boxes in the result, further ones being cut off; None for as many as there may be.
        minimum_box_area_ratio: boxes of which no larger part is seen become padding, in [0, 1).
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`.
    """

    touches = ("images", "labels", "bounding_boxes", "segmentation_masks")

    def __init__(self, max_boxes=None, minimum_box_area_ratio=0.0, **kwargs):
        super().__init__(**kwargs)
        if max_boxes is not None and max_boxes < 1:
            raise ValueError(f"max_boxes must be at least 1, or None; got {max_boxes}.")
        if not 0 <= minimum_box_area_ratio < 1:
            raise ValueError(f"minimum_box_area_ratio must lie in [0, 1); got {minimum_box_area_ratio}.")
        self.max_boxes = max_boxes
        self.minimum_box_area_ratio = minimum_box_area_ratio

    def run(self, data, training=True):
        if reading.is_single(data["images"]):
            raise ValueError(f"{type(self).__name__} mixes the images of a batch, (B, H, W, C); got one image.")
        return super().run(data, training)

    def apply(self, batch, training=True):
        if isinstance(batch.images, list):
            raise ValueError(f"{type(self).__name__} mixes images of one size; resize them first.")
        if training and batch.boxes is not None:
            inside, rows = batches.settle(batch.boxes, batch.rows, batch.size)
            batch = batch.replace(boxes=inside, rows=rows)
        return super().apply(batch, training)

    images_mixed = 2

    def rows_of(self, count):
        return self.max_boxes or count * self.images_mixed

    def mixed_labels(self, labels, others, share):
        """`share` `(B,)` of the labels, and the rest of `others`."""
        if labels.dtype.kind != "f":
            raise ValueError(
                f"{type(self).__name__} mixes labels: give one-hot ones as floats, (B, classes), such as "
                f"keras.ops.one_hot makes; got {labels.dtype} of shape {labels.shape}."
            )
        share = share.astype(labels.dtype).reshape(-1, *[1] * (labels.ndim - 1))
        return labels * share + others * (1 - share)

    def alone(self, batch):
        """An image that has no other one to be mixed with, as it is."""
        return batch if batch.boxes is None else batch.compact(self.rows_of(batch.boxes.shape[1]))

    def both(self, batch, others, boxes, other_boxes):
        """The rows of both for each image, the boxes being these, without gaps."""
        rows = {key: np.concatenate([x, others.rows[key]], 1) for key, x in batch.rows.items()}
        boxes = np.concatenate([boxes, other_boxes], 1)
        rows = batches.blanked(rows, batches.padding(boxes))
        return batch.replace(boxes=boxes, rows=rows).compact(self.max_boxes)


def partners(random, count):
    """Another image for each of `count`: their places, in one circle."""
    order = random.permutation(count)
    places = np.empty_like(order)
    places[order] = np.roll(order, 1)
    return places


@serializable
class MixUp(Mixing):
    """Each image blended with another one (Zhang et al., 2017), in a proportion drawn from Beta(alpha, alpha).

    Boxes of both are kept. Masks are blended as images are, so they are floats: one-hot classes `(B, H, W, classes)`.

    Args:
        alpha: how even the proportions are, above 0.
        max_boxes, bounding_box_format, seed: see `Mixing`.
    """

    def __init__(self, alpha=0.2, **kwargs):
        super().__init__(**kwargs)
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0; got {alpha}.")
        self.alpha = alpha

    def augment(self, batch, random):
        if batch.masks is not None and batch.masks.dtype.kind != "f":
            raise ValueError(
                "MixUp blends segmentation_masks: give one-hot ones as floats, (B, H, W, classes), or take CutMix or "
                f"Mosaic, which keep numbers of classes; got {batch.masks.dtype} of shape {batch.masks.shape}."
            )
        if len(batch) == 1:
            return self.alone(batch)
        share = random.beta(self.alpha, self.alpha, len(batch))
        others = batch.take(partners(random, len(batch)))
        images = np.empty_like(batch.images)
        for out, image, other, part in zip(images, batch.images, others.images, share.tolist()):
            blended = opencv().addWeighted(image, part, other, 1 - part, 0)
            out[...] = blended.reshape(out.shape)
        mixed = batch.replace(images=images)
        if batch.labels is not None:
            mixed = mixed.replace(labels=self.mixed_labels(batch.labels, others.labels, share))
        if batch.masks is not None:
            part = share.astype(batch.masks.dtype)[:, None, None, None]
            mixed = mixed.replace(masks=batch.masks * part + others.masks * (1 - part))
        return mixed if batch.boxes is None else self.both(mixed, others, batch.boxes, others.boxes)


@serializable
class CutMix(Mixing):
    """A rectangle of each image comes from another one (Yun et al., 2019).

    The rectangle takes a part of the area drawn from Beta(alpha, alpha), and is cut at the edges; labels are mixed by
    the area. Boxes are around what is left to see of the image, and around what lies in the rectangle of the other.

    Args:
        alpha: how even the proportions are, above 0.
        max_boxes, minimum_box_area_ratio, bounding_box_format, seed: see `Mixing`.
    """

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0; got {alpha}.")
        self.alpha = alpha

    def augment(self, batch, random):
        if len(batch) == 1:
            return self.alone(batch)
        height, width = batch.size
        count = len(batch)
        side = np.sqrt(random.beta(self.alpha, self.alpha, count))
        centres, others = random.random((2, count)), batch.take(partners(random, count))
        size = np.array([[height], [width]])
        low = np.clip(np.rint(size * (centres - side / 2)), 0, size).astype(int)
        high = np.clip(np.rint(size * (centres + side / 2)), 0, size).astype(int)
        edges = np.concatenate([low, high]).T.tolist()
        mixed = batch.replace(images=patched(batch.images, others.images, edges))
        if batch.masks is not None:
            mixed = mixed.replace(masks=patched(batch.masks, others.masks, edges))
        hidden = patched(np.zeros((count, height, width), bool), np.ones((count, 1, 1), bool), edges)
        if batch.labels is not None:
            mixed = mixed.replace(labels=self.mixed_labels(batch.labels, others.labels, 1 - hidden.mean((1, 2))))
        if batch.boxes is None:
            return mixed
        least = self.minimum_box_area_ratio
        boxes = [uncovered(rows, place, least) for rows, place in zip(batch.boxes, hidden)]
        other_boxes = [uncovered(rows, ~place, least) for rows, place in zip(others.boxes, hidden)]
        return self.both(mixed, others, np.stack(boxes), np.stack(other_boxes))


def patched(images, others, edges):
    """`images` with a rectangle of `others` each, from top and left to bottom and right."""
    images = images.copy()
    others = np.broadcast_to(others, images.shape)
    for image, other, (top, left, bottom, right) in zip(images, others, edges, strict=True):
        image[top:bottom, left:right] = other[top:bottom, left:right]
    return images


@serializable
class Mosaic(Mixing):
    """Four images around a point, each cut where the new image ends (Bochkovskiy et al., 2020).

    The upper left one is the image itself, the others are drawn from the batch. Images keep their scale, so that of
    each the part near the point is seen. Labels are mixed by area.

    Args:
        offset: where the point is, in parts of height and width: a range in [0, 1]; a number `f` stands for `(0, f)`.
        max_boxes, minimum_box_area_ratio, bounding_box_format, seed: see `Mixing`.
    """

    images_mixed = 4

    def __init__(self, offset=(0.25, 0.75), **kwargs):
        super().__init__(**kwargs)
        self.offset = offset
        self._offset = sampler(offset, 0.0, 1.0, "offset")

    def augment(self, batch, random):
        height, width = batch.size
        count = len(batch)
        places = [np.arange(count), *random.integers(0, count, (3, count))]
        quarters = [batch.replace(images=None, masks=None).take(rows) for rows in places]
        across = np.rint(width * self._offset.draw(random, (count,))).astype(int)
        down = np.rint(height * self._offset.draw(random, (count,))).astype(int)
        mixed = batch.replace(images=tile(batch.images, places, across, down))
        if batch.masks is not None:
            mixed = mixed.replace(masks=tile(batch.masks, places, across, down))
        if batch.labels is not None:
            x, y = across / width, down / height
            shares = x * y, (1 - x) * y, x * (1 - y), (1 - x) * (1 - y)
            labels = [self.mixed_labels(part.labels, part.labels * 0, share) for part, share in zip(quarters, shares)]
            mixed = mixed.replace(labels=sum(labels))
        if batch.boxes is None:
            return mixed
        boxes, rows = [], []
        for i, part in enumerate(quarters):
            x, y = across - (width if i in (0, 2) else 0), down - (height if i in (0, 1) else 0)
            moved = part.boxes + np.stack([x, y, x, y], -1)[:, None].astype("float32")
            moved = np.where(batches.padding(part.boxes)[..., None], part.boxes, moved)
            inside, kept = batches.settle(moved, part.rows, batch.size, self.minimum_box_area_ratio)
            boxes.append(inside)
            rows.append(kept)
        rows = {key: np.concatenate([part[key] for part in rows], 1) for key in batch.rows}
        return mixed.replace(boxes=np.concatenate(boxes, 1), rows=rows).compact(self.max_boxes)


def tile(images, places, across, down):
    """Four of `images` `(B, H, W, C)` around the points `across`, `down`, `(B,)`, each from the side that is near it.

    `places` are four arrays `(B,)`, of the images above left, above right, below left and below right.
    """
    out = np.empty_like(images)
    for new, x, y, rows in zip(out, across, down, np.transpose(places), strict=True):
        height, width = new.shape[:2]
        a, b, c, d = (images[row] for row in rows)
        new[:y, :x] = a[height - y :, width - x :]
        new[:y, x:] = b[height - y :, : width - x]
        new[y:, :x] = c[: height - y, width - x :]
        new[y:, x:] = d[: height - y, : width - x]
    return out
