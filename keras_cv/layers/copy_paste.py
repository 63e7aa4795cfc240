"""CopyPaste: objects of one image on another."""

import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers.mixing import Mixing, partners
from keras_cv.ops.resampling import opencv
from keras_cv.ops.visible import uncovered
from keras_zoo.config import serializable


@serializable
class CopyPaste(Mixing):
    """Objects of another image of the batch pasted over each image (Ghiasi et al., 2021).

    With `"segmentation_masks"` an object is what, within its box, has the value that most of its pixels have there, 0
    aside; without, it is its whole box. Labels of images stay. Boxes of what is pasted over become those around what is
    left to see.

    Args:
        rate: the chance of each object to be pasted, in [0, 1].
        max_boxes, minimum_box_area_ratio, bounding_box_format, seed: see `Mixing`.
    """

    touches = ("images", "bounding_boxes", "segmentation_masks")

    def __init__(self, rate=0.5, minimum_box_area_ratio=0.1, **kwargs):
        super().__init__(minimum_box_area_ratio=minimum_box_area_ratio, **kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must lie in [0, 1]; got {rate}.")
        self.rate = rate

    def augment(self, batch, random):
        if batch.boxes is None:
            raise ValueError("CopyPaste pastes the objects in bounding_boxes; there are none in the data.")
        if len(batch) == 1:
            return self.alone(batch)
        others = batch.take(partners(random, len(batch)))
        chosen = (random.random(others.boxes.shape[:2]) < self.rate) & ~batches.padding(others.boxes)
        pasted = np.zeros((len(batch), *batch.size), bool)
        boxes, other_boxes = np.empty_like(batch.boxes), np.full_like(others.boxes, -1)
        for i, place in enumerate(pasted):
            mask = None if others.masks is None else others.masks[i, ..., 0]
            for n in chosen[i].nonzero()[0]:
                outline(others.boxes[i, n], mask, place)
            other_boxes[i, chosen[i]] = uncovered(others.boxes[i, chosen[i]], ~place)
            boxes[i] = uncovered(batch.boxes[i], place, self.minimum_box_area_ratio)
        mixed = batch.replace(images=paste(batch.images, others.images, pasted))
        if batch.masks is not None:
            mixed = mixed.replace(masks=paste(batch.masks, others.masks, pasted))
        return self.both(mixed, others, boxes, other_boxes)


def paste(images, others, where):
    """`images` with what `others` have at `where`, `(B, H, W)` booleans."""
    images = images.copy()
    quick = images.dtype in ("uint8", "float32") and images.shape[-1] <= 4  # 20 times as fast
    for image, other, place in zip(images, others, where, strict=True):
        if quick:
            opencv().copyTo(other, place.view("uint8"), image)
        else:
            np.copyto(image, other, where=place[..., None])
    return images


def outline(box, mask, place):
    """Marks in `place` `(H, W)` the pixels of the object in the box."""
    left, top = map(int, np.floor(box[:2]))
    right, bottom = map(int, np.ceil(box[2:]))
    window = np.s_[top:bottom, left:right]
    if mask is None:
        place[window] = True
        return
    inside = mask[window]
    kind = most_frequent(inside[inside != 0])
    if kind is not None:
        place[window] |= inside == kind


def most_frequent(values):
    """The value that occurs most often, None of none."""
    if not len(values):
        return None
    if values.dtype in ("uint8", "uint16"):
        return np.bincount(values).argmax()  # 20 times as fast
    kinds, counts = np.unique(values, return_counts=True)
    return kinds[counts.argmax()]
