"""What image layers work on: a batch of images with the labels, boxes and masks that go with them."""

import dataclasses

import numpy as np

from keras_cv.ops.boxes import padding
from keras_zoo.arrays import pad_rows

SLIVER = 0.01  # pixels
FIELDS = ("images", "labels", "boxes", "rows", "masks")


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images and what goes with them; entries that were not given, or that the layer does not touch, are None.

    Attributes:
        images: `(B, H, W, C)`, uint8 or float32; or a list of `(H, W, C)`, of different sizes.
        labels: `(B,)` or `(B, classes)`.
        boxes: `(B, N, 4)` float32, xyxy in pixels; rows of -1 are padding.
        rows: a dictionary of what else there is for each box, `(B, N, …)`: classes above all, -1 at padding.
        masks: `(B, H, W, K)`, of any dtype; or a list of `(H, W, K)`.
        box_format: the format in which the user has the boxes, for layers whose hooks see them so.
    """

    images: object
    labels: object = None
    boxes: object = None
    rows: object = None
    masks: object = None
    box_format: str | None = None

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def __len__(self):
        return len(self.images)

    @property
    def size(self):
        """`(height, width)` of the images, which are all of one size."""
        return self.images.shape[1:3]

    def take(self, indices):
        """The images at `indices`, in that order, with all that is theirs."""

        def of(x):
            if isinstance(x, dict):
                return {key: of(part) for key, part in x.items()}
            return None if x is None else [x[i] for i in indices] if isinstance(x, list) else x[indices]

        return self.replace(**{name: of(getattr(self, name)) for name in FIELDS})

    def with_rows(self, count):
        """`count` rows of boxes for each image: the first ones, or padding after those there are."""
        if self.boxes is None or self.boxes.shape[1] == count:
            return self
        rows = {key: pad_rows(x, 1, count, -1) for key, x in self.rows.items()}
        return self.replace(boxes=pad_rows(self.boxes, 1, count, -1), rows=rows)

    def compact(self, count=None):
        """Boxes first and padding after them, of each image the first `count` rows; None for all."""
        if self.boxes is None:
            return self
        order = np.argsort(padding(self.boxes), axis=1, kind="stable")
        rows = {key: x[np.arange(len(x))[:, None], order] for key, x in self.rows.items()}
        compacted = self.replace(boxes=np.take_along_axis(self.boxes, order[..., None], 1), rows=rows)
        return compacted if count is None else compacted.with_rows(count)

    def singles(self):
        """Each image as a batch of its own."""
        for i in range(len(self)):
            one = self.take([i])
            yield one.replace(**{name: x[0][None] for name in FIELDS if isinstance(x := getattr(one, name), list)})


def join(batches):
    """One batch of several; images whose sizes differ become a list, missing rows of boxes padding."""
    widest = max((batch.boxes.shape[1] for batch in batches if batch.boxes is not None), default=0)
    batches = [batch.with_rows(widest) for batch in batches]

    def of(parts):
        if parts[0] is None:
            return None
        if isinstance(parts[0], dict):
            return {key: of([part[key] for part in parts]) for key in parts[0]}
        if any(isinstance(part, list) for part in parts) or len({part.shape[1:] for part in parts}) > 1:
            return [image for part in parts for image in part]
        return np.concatenate(parts)

    return batches[0].replace(**{name: of([getattr(batch, name) for batch in batches]) for name in FIELDS})


def blanked(rows, gone):
    """`rows` with -1 where `gone`, booleans `(B, N)`."""
    return {
        key: np.where(gone.reshape(*gone.shape, *[1] * (x.ndim - 2)), x.dtype.type(-1), x) for key, x in rows.items()
    }


def settle(boxes, rows, size, least=0.0):
    """Boxes cut at the edges of an image of `size` (height, width); what has left it becomes padding.

    A box is kept if more than the part `least` of its area is in the image, and more of each side than rounding leaves.
    """
    height, width = size
    edges = np.array([width, height, width, height], "float32")
    cut = np.clip(boxes, 0, edges)
    sides, whole = cut[..., 2:] - cut[..., :2], boxes[..., 2:] - boxes[..., :2]
    kept = (sides > SLIVER).all(-1) & (sides.prod(-1) > least * whole.prod(-1)) & ~padding(boxes)
    return np.where(kept[..., None], cut, np.float32(-1)), blanked(rows, ~kept)
