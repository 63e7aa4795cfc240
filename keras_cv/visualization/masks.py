"""A gallery of images with their true and predicted segmentation masks."""

import numpy as np

from keras_cv.visualization.drawing import class_name
from keras_cv.visualization.image_gallery import plot_pictures
from keras_cv.visualization.samples import array_of, as_pictures, take_samples, wanted
from keras_cv.visualization.samples import rows as rows_of
from keras_cv.visualization.text import class_colour


def plot_segmentation_mask_gallery(
    images,
    value_range=(0, 255),
    num_classes=None,
    y_true=None,
    y_pred=None,
    rows=3,
    cols=None,
    class_mapping=None,
    background=0,
    alpha=0.6,
    legend=None,
    legend_handles=None,
    **kwargs,
):
    """Draws images, each beside itself under its true and under its predicted mask, and returns the figure.

    Args:
        images: as for `plot_image_gallery`. Data sets and dictionaries that hold `"segmentation_masks"` bring `y_true`.
        value_range: `(lowest, highest)` of the images' values.
        num_classes: masks hold 0 … num_classes - 1; other values, such as 255 for "void", are not painted. By default
            every value is a class but 255.
        y_true: masks `(B, H, W)` or `(B, H, W, 1)` of class numbers, or a list of masks; of other sizes than the image
            if they cover the same frame.
        y_pred: the same, or scores `(B, H, W, num_classes)`, of which the largest counts.
        rows: number of rows of samples.
        cols: number of samples in a row; by default one.
        class_mapping: a dictionary, or a list, from numbers to names, for the legend.
        background: the class that is left as it is; None paints all.
        alpha: how much of the colour covers the image, 0-1.
        legend: whether a legend stands below; by default where there is a `class_mapping`.
        legend_handles: matplotlib's handles, in addition.
        scale, path, show, transparent, dpi, title: as for `plot_image_gallery`.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0-1; got {alpha!r}.")
    cols = cols or 1
    samples = take_samples(images, wanted(rows, cols))
    if y_true is None and samples and all("segmentation_masks" in sample for sample in samples):
        y_true = [sample["segmentation_masks"] for sample in samples]
    pictures = as_pictures(samples, value_range)
    sets = [[None] * len(pictures)]
    sets += [split_masks(masks, pictures, num_classes) for masks in (y_true, y_pred) if masks is not None]
    kinds = ["image"] + ["truth"] * (y_true is not None) + ["prediction"] * (y_pred is not None)
    panels = [(picture, masks[i]) for i, picture in enumerate(pictures) for masks in sets]

    def painted(i, picture, scale):
        return picture if panels[i][1] is None else paint(picture, panels[i][1], background, alpha)

    handles = list(legend_handles or [])
    if legend if legend is not None else class_mapping is not None:
        found = sorted({n for _, mask in panels if mask is not None for n in np.unique(mask) if n >= 0} - {background})
        handles = [handle_of(n, class_mapping) for n in found] + handles
    return plot_pictures(
        [picture for picture, _ in panels],
        rows=None,
        cols=min(cols, len(pictures)) * len(sets),
        draw=painted,
        headings=kinds * min(cols, len(pictures)),
        legend_handles=handles,
        **kwargs,
    )


def split_masks(masks, pictures, num_classes):
    """An int array `(H, W)` for each picture; -1 where nothing is painted."""
    masks = rows_of(masks)
    if len(masks) < len(pictures):
        raise ValueError(f"There are {len(pictures)} images, but {len(masks)} masks.")
    return [as_mask(array_of(mask), num_classes) for mask in masks[: len(pictures)]]


def as_mask(mask, num_classes):
    if mask.ndim == 3 and mask.shape[-1] > 1:
        if num_classes is not None and mask.shape[-1] != num_classes:
            raise ValueError(f"A mask of scores has num_classes={num_classes} channels; got the shape {mask.shape}.")
        mask = mask.argmax(-1)
    mask = mask[..., 0] if mask.ndim == 3 else mask
    if mask.ndim != 2:
        raise ValueError(f"A mask is (H, W), (H, W, 1) or (H, W, num_classes); got the shape {mask.shape}.")
    mask = mask.astype("int32")
    limit = 255 if num_classes is None else num_classes
    return np.where((mask >= 0) & (mask < limit), mask, -1)


def paint(picture, mask, background=0, alpha=0.6):
    """The picture under the mask: each class in its colour, with a line around every region."""
    height, width = picture.shape[:2]
    y = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    x = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    mask = mask[y][:, x]
    painted = (mask >= 0) & (mask != (-1 if background is None else background))
    colours = np.zeros((*mask.shape, 3), "float32")
    for number in np.unique(mask[painted]):
        colours[mask == number] = class_colour(number)
    covered = np.where(painted[..., None], picture * (1 - alpha) + colours * alpha, picture)
    line = painted & border(mask, max(1, round(0.003 * max(height, width))))
    return np.round(np.where(line[..., None], colours, covered)).astype("uint8")


def border(mask, reach):
    """Where another class lies within `reach` pixels, up, down, left or right."""
    found = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        for step in range(1, reach + 1):
            near, far = (np.take(mask, range(a, b), axis) for a, b in spans(mask.shape[axis], step))
            change = near != far
            np.moveaxis(found, axis, 0)[step:] |= np.moveaxis(change, axis, 0)
            np.moveaxis(found, axis, 0)[:-step] |= np.moveaxis(change, axis, 0)
    return found


def spans(size, step):
    return (0, size - step), (step, size)


def handle_of(number, class_mapping):
    from matplotlib.patches import Patch

    colour = tuple(value / 255 for value in class_colour(int(number)))
    return Patch(facecolor=colour, edgecolor="#222222", linewidth=0.5, label=class_name(number, class_mapping))
