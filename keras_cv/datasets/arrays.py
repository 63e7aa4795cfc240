"""Images and boxes in memory as a data set."""

import numpy as np

from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.examples import Example, gather
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import check_on_error
from keras_cv.ops.boxes import known_format
from keras_zoo import tfdata


def load_arrays(
    images,
    boxes,
    classes,
    class_names=None,
    source_format="xyxy",
    on_error="raise",
    max_pixels=MAX_PIXELS,
    **options,
):
    """A `DetectionDataset` of images and boxes that are at hand.

    Args:
        images: `(N, H, W, 3)`, or a sequence of what `load_image` takes: arrays of any size, paths, PIL images. A
            sequence that makes its images when asked for them is asked for each here, and then in every epoch.
        boxes: for each image `(n, 4)` in `source_format`; or `(N, M, 4)` with padding, whose class is -1.
        classes: for each image `(n,)`, or `(N, M)`.
        class_names: a list; by default the numbers of the classes.
        source_format: the boxes' format, see `keras_cv.bounding_box.convert_format`.
        on_error: `"raise"`, or `"skip"` to leave out images that cannot be read or have wrong boxes.
        max_pixels: as for `load_image`.
        **options: see `DetectionDataset`; there `bounding_box_format` is that of what comes out.

    Raises:
        ValueError: unequal numbers of images, boxes and classes; with `on_error="raise"` what is wrong with them.
    """
    check_on_error(on_error)
    source_format = known_format(source_format, "source_format")
    images, boxes, classes = (tfdata.to_numpy(x) for x in (images, boxes, classes))
    if not len(images) == len(boxes) == len(classes):
        raise ValueError(
            f"There must be as many boxes and classes as images; got {len(images)} images, boxes of {len(boxes)} and "
            f"classes of {len(classes)}."
        )
    rows = range(len(images))
    found = (example(images[i], boxes[i], classes[i], source_format, i) for i in rows)
    names = None if class_names is None else list(class_names)
    examples = gather(found, names, on_error, max_pixels, images=images)
    return DetectionDataset(examples, on_error=on_error, max_pixels=max_pixels, **options)


def example(image, boxes, classes, source_format, place):
    boxes, classes = (np.asarray(tfdata.to_numpy(x)) for x in (boxes, classes))
    boxes = np.zeros((0, 4)) if not boxes.size else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4 or classes.shape != boxes.shape[:1]:
        raise ValueError(
            f"Image {place}: boxes must be (n, 4) and classes (n,); got shapes {boxes.shape} and {classes.shape}."
        )
    real = classes != -1
    places = [f"Image {place}, box {i}" for i in np.flatnonzero(real)]
    return Example(image, boxes[real], classes[real], source_format, places=places)
