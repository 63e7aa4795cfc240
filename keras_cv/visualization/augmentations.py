"""What a layer does to one image, as a gallery."""

import inspect

import numpy as np

from keras_cv.visualization.boxes import TRUE_COLOUR, corners
from keras_cv.visualization.drawing import Style, draw
from keras_cv.visualization.image_gallery import plot_pictures
from keras_cv.visualization.masks import as_mask, paint
from keras_cv.visualization.samples import CLASSES, array_of, as_picture, as_pictures, samples_of, split_boxes
from keras_cv.visualization.text import as_colour


def show_augmentations(
    layer,
    image,
    bounding_box_format=None,
    rows=3,
    cols=3,
    value_range=(0, 255),
    color=TRUE_COLOUR,
    class_mapping=None,
    captions=True,
    **kwargs,
):
    """Draws one image as it is and as a layer changes it, again and again; returns the `matplotlib.figure.Figure`.

    The layer gets a batch of copies, in one call, so that layers which mix images (`MixUp`, `Mosaic`) show what they do
    with copies; give them a batch of different images instead.

    Args:
        layer: a layer or any function of a batch: an array, or a dictionary if the image came in one. It is called with
            `training=True` if it takes that.
        image: what `keras_cv.images.load_image` takes; a batch, whose images are then used in turn; or a dictionary
            with `"images"` and any of `"bounding_boxes"`, `"segmentation_masks"`, `"labels"`, which is drawn with its
            boxes and masks.
        bounding_box_format: of the boxes, before and after.
        rows, cols: the grid; its first picture is the image as it is.
        value_range: `(lowest, highest)` of the values that the layer returns; those of `image` are 0-255.
        color: of the boxes.
        class_mapping: a dictionary, or a list, from the numbers of classes to names.
        captions: whether the first picture is called "original".
        scale, path, show, transparent, dpi, title: as for `plot_image_gallery`.
    """
    given = image if isinstance(image, dict) else {"images": image}
    samples = samples_of(given)
    if any("bounding_boxes" in sample for sample in samples) and bounding_box_format is None:
        raise ValueError("bounding_box_format says how the boxes are given, such as 'xyxy'; give one.")
    pictures = as_pictures(samples, (0, 255))
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError("The images of a batch have one size; give one image, or images of one size.")
    count = rows * cols - 1
    if count < 1:
        raise ValueError(f"rows and cols leave no room beside the image itself; got {rows} and {cols}.")
    chosen = [i % len(samples) for i in range(count)]
    batch = {"images": np.stack([pictures[i] for i in chosen])}
    for key in samples[0]:
        if key != "images":
            values = [samples[i][key] for i in chosen]
            batch[key] = (
                padded(values, given[key]) if key == "bounding_boxes" else np.stack(list(map(array_of, values)))
            )
    result = call(layer, batch if isinstance(image, dict) else batch["images"])
    after = samples_of(result if isinstance(result, dict) else {"images": result})
    shown = [(pictures[0], samples[0])]
    shown += [(as_picture(sample["images"], value_range), sample) for sample in after[:count]]
    style = Style(as_colour(color), class_mapping)

    def annotated(i, picture, scale):
        original, sample = shown[i]
        if sample.get("segmentation_masks") is not None:
            picture = paint(picture, as_mask(array_of(sample["segmentation_masks"]), None))
        if sample.get("bounding_boxes") is not None:
            (boxes,) = corners(split_boxes([sample["bounding_boxes"]], 1), [original], bounding_box_format)
            picture = draw(picture, [({**boxes, "boxes": boxes["boxes"] * scale}, style)])
        return picture

    return plot_pictures(
        [picture for picture, _ in shown], rows, cols, draw=annotated, captions=["original"] * captions, **kwargs
    )


def padded(boxes, given):
    """Boxes of a batch as dense arrays, under the keys that they came with."""
    longest = max(len(one["boxes"]) for one in boxes)

    def column(name):
        rows = [one[name].astype("float32") for one in boxes]
        return np.stack([np.pad(x, [(0, longest - len(x)), (0, 0)][: x.ndim], constant_values=-1) for x in rows])

    names = [name for name in CLASSES if name in given]
    return {"boxes": column("boxes"), **{name: column("classes") for name in names}}


def call(layer, batch):
    """`layer(batch)`, told that it is training where it can be."""
    try:
        parameters = inspect.signature(layer.call if hasattr(layer, "call") else layer).parameters
    except (TypeError, ValueError):  # a function without a signature
        parameters = {}
    return layer(batch, training=True) if "training" in parameters else layer(batch)
