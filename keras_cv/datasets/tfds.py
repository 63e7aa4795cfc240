"""Data sets of tensorflow-datasets: dictionaries of an image and its objects."""

import numpy as np

from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.examples import Example, check_flag, flagged, gather
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import check_on_error
from keras_zoo import tfdata


def load_tfds(
    source,
    class_names=None,
    crowd="skip",
    difficult="skip",
    on_error="raise",
    max_pixels=MAX_PIXELS,
    **options,
):
    """A `DetectionDataset` of what tensorflow-datasets gives.

    Each example is `{"image", "objects": {"bbox": (n, 4) top, left, bottom, right in 0-1, "label": (n,)}}`, with
    `"is_crowd"` or `"is_difficult"`, `(n,)`, where it has them.

    ```python
    source, info = tfds.load("voc/2007", split="train", with_info=True, decoders={"image": tfds.decode.SkipDecoding()})
    dataset = load_tfds(source, class_names=info.features["objects"]["label"].names)
    ```

    Args:
        source: a `tf.data.Dataset`, which is read into memory: without decoding, as above, images stay as small as
            their files. Or a sequence, such as `tfds.data_source` gives, whose images are read each time anew.
        class_names: a list; by default the numbers of the labels.
        crowd, difficult: what is done with boxes marked so: `"skip"` leaves them out; `"flag"` keeps them and adds
            `"is_crowd"` or `"is_difficult"`, `(B, N)`, to the bounding boxes; `"keep"` treats them as any other.
        on_error: `"raise"`, or `"skip"` to leave out images that cannot be read or have wrong boxes.
        max_pixels: as for `load_image`.
        **options: see `DetectionDataset`.

    Raises:
        ValueError: another structure, batches; with `on_error="raise"` what is wrong with images and boxes.
    """
    check_on_error(on_error)
    check_flag(crowd, "crowd")
    check_flag(difficult, "difficult")
    how = {"is_crowd": crowd, "is_difficult": difficult}
    lazy = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    entries = (source[i] for i in range(len(source))) if lazy else source
    found = (example(entry, how, place) for place, entry in enumerate(entries))
    names = None if class_names is None else list(class_names)
    examples = gather(found, names, on_error, max_pixels, images=Images(source) if lazy else None)
    return DetectionDataset(examples, on_error=on_error, max_pixels=max_pixels, **options)


class Images:
    """The images of a sequence of examples, as a sequence."""

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return plain(self.source[index]["image"])


def plain(x):
    """A tensor as an array, an encoded image as its bytes."""
    x = tfdata.to_numpy(x)
    return x.item() if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "SO" else x


def example(entry, how, place):
    objects = entry.get("objects") if isinstance(entry, dict) else None
    if not isinstance(objects, dict) or "image" not in entry or not {"bbox", "label"} <= set(objects):
        got = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f'Examples must be {{"image", "objects": {{"bbox", "label"}}}}; example {place} is: {got}.')
    image, boxes, classes = plain(entry["image"]), plain(objects["bbox"]), plain(objects["label"])
    if np.ndim(image) > 3 or np.ndim(boxes) > 2:
        raise ValueError("The data set is batched; give it unbatched, dataset.unbatch().")
    rows, flags = np.arange(len(boxes)), {}
    for name, choice in how.items():
        if name in objects:
            kept, more = flagged(np.asarray(plain(objects[name]))[rows], choice, name)
            flags = {key: x[kept] for key, x in flags.items()} | more
            rows = rows[kept]
    places = [f"Example {place}, object {i}" for i in rows]
    return Example(image, np.reshape(boxes, (-1, 4))[rows], np.asarray(classes)[rows], "rel_yxyx", flags, places)
