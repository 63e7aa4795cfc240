"""Whatever holds images, with their boxes and masks, as a list of samples to draw."""

import keras
import numpy as np

from keras_cv.images import load_image
from keras_zoo import feeding, tfdata

IMAGES = ("images", "image")
CLASSES = ("classes", "labels")


def take_samples(source, count=None):
    """At most `count` dictionaries with `"images"` and, where there are, `"bounding_boxes"`, `"segmentation_masks"` …

    `source` is a batch `(B, H, W, C)`, one image, a list of images of any sizes or of what `load_image` takes, a
    dictionary of a batch or of one sample, or a data set of such (tf.data, torch's DataLoader, `PyDataset`, generator),
    batched or not, also as `(images, boxes)` or `(images, labels)`. Without a count, one batch of a data set.
    """
    if feeding.kind(source) is None:
        return samples_of(source)[:count]
    found = []
    for batch in feeding.batches(source):
        found += samples_of(as_dictionary(batch))
        if count is None or len(found) >= count:
            break
    if not found:
        raise ValueError("The data set has no images.")
    return found[:count]


def as_dictionary(batch):
    """What a data set yields, `x` or `(x, y)`, as a dictionary."""
    if not isinstance(batch, list | tuple):
        return batch
    x, y, _ = keras.utils.unpack_x_y_sample_weight(tuple(batch))
    x = dict(x) if isinstance(x, dict) else {"images": x}
    if isinstance(y, dict):
        return {**x, **(y if "bounding_boxes" in y or "segmentation_masks" in y else {"bounding_boxes": y})}
    return x if y is None else {**x, "labels": y}


def samples_of(batch):
    if not isinstance(batch, dict):
        return [{"images": image} for image in split_images(batch)]
    name = next((name for name in IMAGES if name in batch), None)
    if name is None:
        raise ValueError(f"A dictionary of images has the key 'images'; got the keys {sorted(batch)}.")
    images = split_images(batch[name])
    samples = [{"images": image} for image in images]
    single = len(images) == 1 and not is_batch(batch[name])
    for key, value in batch.items():
        if key == name or value is None:
            continue
        values = split_boxes(value, len(images)) if key == "bounding_boxes" else [value] if single else rows(value)
        for sample, part in zip(samples, values, strict=False):
            sample[key] = part
    return samples


def is_batch(images):
    return isinstance(images, list | tuple) or len(getattr(images, "shape", ())) == 4


def split_images(images):
    if hasattr(images, "shape") and len(images.shape) == 4:
        return rows(images)
    return list(images) if isinstance(images, list | tuple) else [images]


def rows(x):
    """The rows of a batch as NumPy arrays; those of a ragged tensor are as long as they are."""
    if hasattr(x, "row_lengths"):
        return [row.to_tensor().numpy() if hasattr(row, "row_lengths") else row.numpy() for row in x]
    if isinstance(x, list | tuple):
        return [tfdata.to_numpy(row) for row in x]
    return list(array_of(x))


def array_of(x):
    x = tfdata.to_numpy(x)
    return np.asarray(x.to_tensor() if hasattr(x, "row_lengths") else x)


def as_picture(image, value_range=(0, 255)):
    """One image, `(H, W)` or `(H, W, 1 | 3 | 4)` with values in `value_range`, as uint8 `(H, W, 3)`; others clipped."""
    if not hasattr(image, "shape"):
        return load_image(image)
    image = array_of(image)
    low, high = map(float, value_range)
    if image.dtype == np.uint8 and (low, high) == (0, 255):
        return load_image(image)
    scaled = (image.astype("float32") - low) * (255 / (high - low))
    return load_image(np.clip(np.round(np.nan_to_num(scaled)), 0, 255).astype("uint8"))


def as_pictures(samples, value_range):
    if len(value_range) != 2 or not value_range[0] < value_range[1]:
        raise ValueError(f"value_range is (lowest, highest), such as (0, 255) or (0, 1); got {value_range!r}.")
    return [as_picture(sample["images"], value_range) for sample in samples]


def split_boxes(boxes, count):
    """A dictionary `{"boxes", "classes" | "labels", "confidence", "num_detections"}` for each of `count` images.

    `boxes` is such a dictionary of a batch (dense, padded with class -1, or ragged), one of a single image, a list of
    dictionaries, or boxes alone. What comes out are NumPy arrays without padding: boxes `(N, 4)` float32, classes
    `(N,)` or None, confidence `(N,)` or None.
    """
    if isinstance(boxes, list | tuple) and all(isinstance(one, dict) for one in boxes):
        if len(boxes) < count:
            raise ValueError(f"There are {count} images, but boxes for {len(boxes)}.")
        return [unpadded(one) for one in boxes[:count]]
    if not isinstance(boxes, dict):
        boxes = {"boxes": boxes}
    if "boxes" not in boxes:
        raise ValueError(f"Bounding boxes have the key 'boxes'; got the keys {sorted(boxes)}.")
    single = len(getattr(boxes["boxes"], "shape", (0, 0, 0))) == 2 and not hasattr(boxes["boxes"], "row_lengths")
    columns = {key: [array_of(x)] if single else rows(x) for key, x in boxes.items() if x is not None}
    if len(columns["boxes"]) < count:
        raise ValueError(f"There are {count} images, but boxes for {len(columns['boxes'])}.")
    return [unpadded({key: column[i] for key, column in columns.items()}) for i in range(count)]


def unpadded(boxes):
    values = array_of(boxes["boxes"]).astype("float32").reshape(-1, 4)
    name = next((name for name in CLASSES if boxes.get(name) is not None), None)
    classes = None if name is None else array_of(boxes[name])
    if classes is not None and classes.ndim == 2:  # one-hot or probabilities
        classes = np.where(classes.any(-1), classes.argmax(-1), -1)
    confidence = None if boxes.get("confidence") is None else array_of(boxes["confidence"]).astype("float32")
    for part, what in ((classes, name), (confidence, "confidence")):
        if part is not None and part.shape != values.shape[:1]:
            raise ValueError(f"{what!r} has the shape {part.shape} beside {len(values)} boxes.")
    keep = np.isfinite(values).all(-1)
    if boxes.get("num_detections") is not None:
        keep &= np.arange(len(values)) < int(array_of(boxes["num_detections"]))
    if classes is not None:
        keep &= classes != -1
    return {
        "boxes": values[keep],
        "classes": None if classes is None else classes[keep],
        "confidence": None if confidence is None else confidence[keep],
    }


def grid(count, rows, cols):
    """`(rows, cols)` for `count` pictures; what is not given is chosen, nearly square."""
    if rows is None and cols is None:
        cols = int(np.ceil(np.sqrt(count)))
    rows = -(-count // cols) if rows is None else rows
    cols = -(-count // rows) if cols is None else cols
    return min(rows, -(-count // cols)), min(cols, count)


def wanted(rows, cols):
    """How many pictures a grid asks for; None for all that there are."""
    for name, number in (("rows", rows), ("cols", cols)):
        if number is not None and (not isinstance(number, int) or number < 1):
            raise ValueError(f"{name} must be at least 1; got {number!r}.")
    return rows * cols if rows and cols else None
