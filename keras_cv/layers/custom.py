"""The base classes from which layers written for KerasCV derive: hooks for one image, or for a batch."""

import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers.factors import drawing
from keras_cv.layers.image_layer import RandomImageLayer
from keras_cv.ops.box_rows import ROW_KEYS, to_dense
from keras_cv.ops.boxes import convert_format, padding
from keras_zoo import tfdata


class Hooked(RandomImageLayer):
    """What both base classes share: how what hooks take and give becomes a `Batch` again."""

    touches = ("images", "labels", "bounding_boxes", "segmentation_masks")

    @property
    def _random_generator(self):
        """Random numbers as KerasCV's layers draw them: `uniform(shape)`, `normal(shape)`."""
        return drawing

    def augment(self, batch, random):
        with drawing.by(random):
            return self.hooked(batch)

    def missing(self, hook, entry):
        raise NotImplementedError(
            f"{type(self).__name__} was given {entry} and has no {hook}. Give it one that says what becomes of them; "
            "it may return them as they are."
        )

    def shown(self, batch):
        """The boxes of a batch as hooks see them: a dictionary, in the format the user has them."""
        if batch.boxes is None:
            return None
        boxes = convert_format(batch.boxes, "xyxy", batch.box_format, images=batch.images)
        return {"boxes": boxes, **batch.rows}

    def with_boxes(self, batch, given, count):
        """`batch`, whose images are new ones, with the boxes that a hook gave, in `count` rows."""
        given = {key: tfdata.to_numpy(x) for key, x in given.items() if key in ROW_KEYS or key in batch.rows}
        dense = {key: np.asarray(x) for key, x in to_dense(given).items()}
        if missing := sorted({*batch.rows} - {*dense}):
            raise ValueError(f"{type(self).__name__}: augment_bounding_boxes must return {', '.join(missing)} as well.")
        boxes = np.asarray(dense.pop("boxes"), "float32")
        if boxes.shape[1] > count:
            raise ValueError(
                f"{type(self).__name__}: augment_bounding_boxes may drop boxes, not add any; got {boxes.shape[1]} rows "
                f"for {count}."
            )
        padded = padding(boxes)
        boxes = convert_format(boxes, batch.box_format, "xyxy", images=batch.images)
        boxes = np.where(padded[..., None], np.float32(-1), boxes)
        rows = {key: dense[key].astype(x.dtype) for key, x in batch.rows.items()}
        boxes, rows = batches.settle(boxes, rows, batch.size)
        return batch.replace(boxes=boxes, rows=rows).with_rows(count)

    def as_labels(self, given, labels):
        """What a hook gave for `labels`, of their shape and dtype; or an error where that loses something."""
        given = np.asarray(tfdata.to_numpy(given))
        kept = np.broadcast_to(given, labels.shape).astype(labels.dtype)
        if labels.dtype.kind in "iu" and (kept != given).any():
            raise ValueError(f"{type(self).__name__}: labels are {labels.dtype} and became {given}; give floats.")
        return kept


def as_floats(images):
    return images.astype("float32", copy=False)


def as_images(given, images, name):
    """What a hook gave, as images of the dtype that these have; uint8 is rounded and cut off."""
    given = np.asarray(tfdata.to_numpy(given))
    if given.ndim != images.ndim:
        raise ValueError(f"{name} must return an array of {images.ndim} axes; got shape {given.shape}.")
    return np.clip(np.rint(given), 0, 255).astype("uint8") if images.dtype == np.uint8 else as_floats(given)


class BaseImageAugmentationLayer(Hooked):
    """A layer of one's own, written for one image, as in KerasCV.

    A subclass gives `augment_image` and, of the others, those whose entries its data has. Each is called for one image:

    - `get_random_transformation(image=, label=, bounding_boxes=, segmentation_mask=)`: anything, which the other hooks
      get as `transformation`; None by default. What is missing in the data is None;
    - `augment_image(image, transformation=, bounding_boxes=, label=)`: `(H, W, C)` float32 -> `(H', W', C)`;
    - `augment_label(label, transformation=, bounding_boxes=, image=)`: a number or `(classes,)`;
    - `augment_bounding_boxes(bounding_boxes, transformation=, label=, image=)`: `{"boxes": (n, 4), "classes": (n,)}`,
      without padding and in the data's format; `image` is the one before;
    - `augment_segmentation_mask(segmentation_mask, transformation=)`: `(H, W, K)`, in its own dtype.

    They take NumPy arrays and may return tensors of any backend. `transformation` and what follows are passed by name,
    so hooks end in `**kwargs`. uint8 images are handed over as float32 and rounded afterwards; labels and masks keep
    their dtype. Random numbers come from factor samplers, called without arguments, or from
    `self._random_generator.uniform(shape)` and `normal(shape)`: the layer's seed decides them.

    `RandomImageLayer` does the same for whole batches, and faster.

    Args:
        bounding_box_format, seed: see `ImageLayer` and `RandomImageLayer`. Boxes need a format, in a pipeline that of
            any of its layers.

    Raises:
        NotImplementedError: for an entry whose hook is missing.
    """

    def get_random_transformation(self, image=None, label=None, bounding_boxes=None, segmentation_mask=None, **kwargs):
        return None

    def augment_image(self, image, transformation=None, **kwargs):
        self.missing("augment_image", "images")

    def augment_label(self, label, transformation=None, **kwargs):
        self.missing("augment_label", "labels")

    def augment_bounding_boxes(self, bounding_boxes, transformation=None, **kwargs):
        self.missing("augment_bounding_boxes", "bounding_boxes")

    def augment_segmentation_mask(self, segmentation_mask, transformation=None, **kwargs):
        self.missing("augment_segmentation_mask", "segmentation_masks")

    def hooked(self, batch):
        return batches.join([self.of_one(one) for one in batch.singles()])

    def of_one(self, one):
        image, boxes = as_floats(one.images[0]), self.shown(one)
        label = None if one.labels is None else one.labels[0]
        mask = None if one.masks is None else one.masks[0]
        if boxes is not None:
            real = ~padding(one.boxes[0])
            boxes = {key: x[0, real] for key, x in boxes.items()}
        p = self.get_random_transformation(image=image, label=label, bounding_boxes=boxes, segmentation_mask=mask)
        given = self.augment_image(image, transformation=p, bounding_boxes=boxes, label=label)
        new = one.replace(images=as_images(given, one.images[0], "augment_image")[None])
        if label is not None:
            label = self.augment_label(label, transformation=p, bounding_boxes=boxes, image=new.images[0])
            new = new.replace(labels=self.as_labels(label, one.labels[0])[None])
        if boxes is not None:
            given = self.augment_bounding_boxes(boxes, transformation=p, label=label, image=image)
            given = {key: np.asarray(tfdata.to_numpy(x))[None] for key, x in given.items()}
            new = self.with_boxes(new, given, one.boxes.shape[1])
        if mask is not None:
            mask = tfdata.to_numpy(self.augment_segmentation_mask(mask, transformation=p))
            new = new.replace(masks=np.asarray(mask).astype(one.masks.dtype)[None])
        return new


class VectorizedBaseImageAugmentationLayer(Hooked):
    """A layer of one's own, written for a batch, as in KerasCV.

    As `BaseImageAugmentationLayer`, but that hooks are called once for a batch of images of one size:

    - `get_random_transformation_batch(batch_size, images=, labels=, bounding_boxes=, segmentation_masks=)`;
    - `augment_images(images, transformations=, bounding_boxes=, labels=)`: `(B, H, W, C)` float32;
    - `augment_labels(labels, transformations=, bounding_boxes=, images=, raw_images=)`: `(B,)` or `(B, classes)`;
    - `augment_bounding_boxes(bounding_boxes, transformations=, labels=, images=, raw_images=)`:
      `{"boxes": (B, N, 4), "classes": (B, N)}`, dense with padding of -1; it may return them ragged;
    - `augment_segmentation_masks(segmentation_masks, transformations=, labels=, bounding_boxes=, images=,
      raw_images=)`: `(B, H, W, K)`.

    `images` are the new ones, `raw_images` those before. Of a list of images of different sizes each comes by itself,
    as a batch of one.
    """

    def get_random_transformation_batch(
        self, batch_size, images=None, labels=None, bounding_boxes=None, segmentation_masks=None, **kwargs
    ):
        return np.zeros(batch_size, "float32")

    def augment_images(self, images, transformations=None, **kwargs):
        self.missing("augment_images", "images")

    def augment_labels(self, labels, transformations=None, **kwargs):
        self.missing("augment_labels", "labels")

    def augment_bounding_boxes(self, bounding_boxes, transformations=None, **kwargs):
        self.missing("augment_bounding_boxes", "bounding_boxes")

    def augment_segmentation_masks(self, segmentation_masks, transformations=None, **kwargs):
        self.missing("augment_segmentation_masks", "segmentation_masks")

    def hooked(self, batch):
        before, labels, boxes, masks = as_floats(batch.images), batch.labels, self.shown(batch), batch.masks
        p = self.get_random_transformation_batch(
            len(batch), images=before, labels=labels, bounding_boxes=boxes, segmentation_masks=masks
        )
        given = self.augment_images(before, transformations=p, bounding_boxes=boxes, labels=labels)
        new = batch.replace(images=as_images(given, batch.images, "augment_images"))
        about = {"transformations": p, "images": new.images, "raw_images": before}
        if labels is not None:
            labels = self.as_labels(self.augment_labels(labels, bounding_boxes=boxes, **about), labels)
            new = new.replace(labels=labels)
        if boxes is not None:
            boxes = self.augment_bounding_boxes(boxes, labels=labels, **about)
            new = self.with_boxes(new, boxes, batch.boxes.shape[1])
        if masks is not None:
            masks = self.augment_segmentation_masks(masks, labels=labels, bounding_boxes=boxes, **about)
            new = new.replace(masks=np.asarray(tfdata.to_numpy(masks)).astype(batch.masks.dtype))
        return new
