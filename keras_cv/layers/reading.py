"""Between the dictionaries of arrays that users have and the batches that image layers work on."""

import numpy as np

from keras_cv.layers.batch import Batch, blanked
from keras_cv.ops.box_rows import ROW_KEYS, class_key, to_dense, validate_format
from keras_cv.ops.boxes import convert_format, padding


def read(data, name, bounding_box_format):
    """A dictionary of NumPy arrays, one image's or a batch's, as a `Batch`.

    Args:
        data: `"images"` and, of what the layer touches, `"labels"`, `"bounding_boxes"`, `"segmentation_masks"`.
        name: the layer's name, for errors.
        bounding_box_format: that of the boxes.

    Returns:
        The batch, and whether it was one image.

    Raises:
        ValueError: for what is no image, boxes without a format, boxes turned inside out, masks of another size.
    """
    images, single = read_images(data["images"], name)
    labels = data.get("labels")
    if labels is not None:
        labels = np.asarray(labels)[None] if single else np.asarray(labels)
        if len(labels) != len(images) or (labels.ndim not in (1, 2) and not single):
            raise ValueError(
                f"{name}: labels must be (B,) or (B, classes) for {len(images)} images; got {labels.shape}."
            )
    boxes, rows = None, None
    if data.get("bounding_boxes") is not None:
        boxes, rows = read_boxes(data["bounding_boxes"], images, single, name, bounding_box_format)
    masks = data.get("segmentation_masks")
    if masks is not None:
        masks = read_masks(masks, images, single, name)
    return Batch(images, labels, boxes, rows, masks, bounding_box_format), single


def read_images(images, name):
    """`(B, H, W, C)`, or a list of `(H, W, C)` of different sizes, uint8 or float32; and whether it was one image."""
    if isinstance(images, list | tuple):
        parts = [np.asarray(image) for image in images]
        equal = len({part.shape for part in parts}) == 1
        images = np.stack(parts) if equal else [read_image(part, name) for part in parts]
        if not equal:
            return images, False
    images = np.asarray(images)
    single = images.ndim == 3
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{name} takes an image (H, W, C) or a batch (B, H, W, C), grey ones with a last axis of 1; got an array "
            f"of shape {images.shape}."
        )
    images = images[None] if single else images
    if 0 in images.shape[1:]:
        raise ValueError(f"{name} takes images with at least one pixel and one channel; got shape {images.shape}.")
    return as_pixels(images, name), single


def read_image(image, name):
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"{name} takes lists of images (H, W, C); got one of shape {image.shape}.")
    return as_pixels(image, name)


def as_pixels(images, name):
    """uint8 as it is, every other number as float32."""
    if images.dtype == "uint8":
        return images
    if images.dtype.kind not in "iuf" and images.dtype.name not in ("bfloat16", "float16"):
        raise ValueError(f"{name} takes images of numbers, 0 to 255; got {images.dtype}.")
    return images.astype("float32", copy=False)


def read_masks(masks, images, single, name):
    masks = [np.asarray(mask) for mask in ([masks] if single else masks)]
    masks = [mask[..., None] if mask.ndim == 2 else mask for mask in masks]
    if wrong := [
        f"{mask.shape[:2]} for {image.shape[:2]}"
        for mask, image in zip(masks, images)
        if mask.shape[:2] != image.shape[:2]
    ]:
        raise ValueError(f"{name}: segmentation_masks must be as high and wide as their images; got {wrong[0]}.")
    if len(masks) != len(images):
        raise ValueError(f"{name}: there are {len(masks)} segmentation_masks for {len(images)} images.")
    return masks if isinstance(images, list) else np.stack(masks) if masks else np.zeros((0, *images.shape[1:3], 1))


def read_boxes(bounding_boxes, images, single, name, bounding_box_format):
    """Boxes `(B, N, 4)` in xyxy pixels, padding -1; and what else there is for each box, `(B, N, …)`."""
    if bounding_box_format is None:
        raise ValueError(f"{name} was given boxes; say in which format: {name}(..., bounding_box_format='xyxy').")
    info = validate_format(bounding_boxes)
    dense = to_dense(bounding_boxes)
    if single == info["is_batched"]:
        kind = "one image" if single else "a batch"
        raise ValueError(f"{name}: {kind} of images comes with boxes of shape {np.shape(dense['boxes'])}.")
    given = np.asarray(dense["boxes"], "float32")
    given = given[None] if single else given
    if len(given) != len(images):
        raise ValueError(f"{name}: there are boxes of {len(given)} images for {len(images)} images.")
    rows = {key: np.asarray(x)[None] if single else np.asarray(x) for key, x in dense.items() if key != "boxes"}
    rows = {key: signed(x) for key, x in rows.items() if x.shape[:2] == given.shape[:2] and x.dtype.kind in "biuf"}
    boxes = convert_format(given, bounding_box_format, "xyxy", images=images)
    padded = padding(given)
    classes = rows.get(class_key(dense))
    if classes is not None and classes.ndim == 2:
        padded |= classes == -1
    check_boxes(boxes, ~padded, name)
    return np.where(padded[..., None], np.float32(-1), boxes), blanked(rows, padded)


def signed(x):
    """Classes and flags that can be -1."""
    return x.astype(np.result_type(x.dtype, "int8")) if x.dtype.kind in "bu" else x


def check_boxes(boxes, real, name):
    wrong = real & ~((boxes[..., 2] >= boxes[..., 0]) & (boxes[..., 3] >= boxes[..., 1]) & np.isfinite(boxes).all(-1))
    if wrong.any():
        places = [f"{boxes[i, n].tolist()} (image {i}, row {n})" for i, n in np.argwhere(wrong)[:5]]
        raise ValueError(
            f"{name}: {wrong.sum()} boxes end before they begin, or are not finite; as left, top, right, bottom in "
            f"pixels: {', '.join(places)}. Is the format right?"
        )


def write(batch, data, single, bounding_box_format):
    """The dictionary `data` with what is in `batch`, in the form it was given."""
    done = {"images": batch.images}
    if batch.labels is not None:
        done["labels"] = batch.labels
    if batch.boxes is not None:
        boxes = convert_format(batch.boxes, "xyxy", bounding_box_format, images=batch.images)
        done["bounding_boxes"] = {"boxes": boxes, **batch.rows}
    if batch.masks is not None:
        first = data["segmentation_masks"] if single else data["segmentation_masks"][0]
        flat = np.ndim(first) == 2
        unequal = isinstance(batch.masks, list)
        done["segmentation_masks"] = (
            [m[..., 0] for m in batch.masks] if flat and unequal else batch.masks[..., 0] if flat else batch.masks
        )
    if single:
        done = {key: {k: x[0] for k, x in v.items()} if isinstance(v, dict) else v[0] for key, v in done.items()}
    if "bounding_boxes" in done:
        done["bounding_boxes"] = {**data["bounding_boxes"], **done["bounding_boxes"]}
    return {**data, **done}


def coherent(data):
    """Examples of a dictionary's entries, made by themselves where sizes are unknown, as if they were of one batch."""
    images, masks, boxes = data["images"], data.get("segmentation_masks"), data.get("bounding_boxes")
    size = images.shape[:-1] if hasattr(images, "shape") else ()
    if masks is not None and hasattr(masks, "shape") and size:
        data = {**data, "segmentation_masks": np.zeros((*size, *masks.shape[len(size) :]), masks.dtype)}
    if boxes is not None and hasattr(boxes["boxes"], "shape") and size:
        rows = (*size[:-2], boxes["boxes"].shape[-2])
        agreed = {
            key: np.full((*rows, *x.shape[len(rows) :]), -1, x.dtype) if key in ROW_KEYS and hasattr(x, "shape") else x
            for key, x in boxes.items()
        }
        data = {**data, "bounding_boxes": agreed}
    return data


def is_single(images):
    """Whether these are the rows of one image and not images."""
    return images.ndim == 3 if hasattr(images, "ndim") else len(images) > 0 and np.ndim(images[0]) == 2
