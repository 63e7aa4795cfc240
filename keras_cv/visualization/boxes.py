"""Boxes drawn on arrays, and a gallery of images with their true and predicted boxes."""

import warnings

import numpy as np

from keras_cv.bounding_box import convert_format
from keras_cv.visualization.drawing import Style, draw
from keras_cv.visualization.image_gallery import plot_pictures
from keras_cv.visualization.samples import array_of, as_picture, as_pictures, split_boxes, split_images, take_samples
from keras_cv.visualization.samples import wanted as how_many
from keras_cv.visualization.text import as_colour

TRUE_COLOUR, PRED_COLOUR = (0, 188, 212), (255, 235, 59)


def draw_bounding_boxes(
    images,
    bounding_boxes,
    color,
    bounding_box_format,
    line_thickness=None,
    text_thickness=1,
    font_scale=1.0,
    class_mapping=None,
):
    """Copies of the images with boxes, class names and confidences on them, uint8 in 0-255.

    Args:
        images: `(B, H, W, C)`, one `(H, W, C)`, or a list of images of any sizes; values in 0-255.
        bounding_boxes: `{"boxes": (B, N, 4), "classes" or "labels": (B, N)}`, with `"confidence"` `(B, N)` and
            `"num_detections"` `(B,)` if there are; arrays or ragged; for one image without the batch axis, or a list of
            a dictionary for each image. Boxes of class -1 are padding and not drawn.
        color: `(red, green, blue)` in 0-255, or a name or code such as `"orange"` or `"#ff8800"`.
        bounding_box_format: how the boxes are given, such as `"xyxy"` or `"rel_xywh"`.
        line_thickness: pixels; by default it grows with the image.
        text_thickness: bold from 2.
        font_scale: factor on the size of labels, which grows with the image.
        class_mapping: a dictionary, or a list, from a class's number to its name; otherwise the number is shown.

    Returns an array of the shape of `images`, with 3 channels, or a list of arrays if they came as a list.
    """
    single = not isinstance(images, list | tuple) and len(array_of(images).shape) < 4
    pictures = [as_picture(image) for image in ([images] if single else split_images(images))]
    boxes = corners(split_boxes(bounding_boxes, len(pictures)), pictures, bounding_box_format)
    style = Style(as_colour(color), class_mapping, line_thickness, font_scale, (text_thickness or 1) >= 2)
    drawn = [draw(picture, [(of_one, style)]) for picture, of_one in zip(pictures, boxes, strict=True)]
    return drawn[0] if single else drawn if isinstance(images, list | tuple) else np.stack(drawn)


def plot_bounding_box_gallery(
    images,
    value_range=(0, 255),
    bounding_box_format=None,
    y_true=None,
    y_pred=None,
    true_color=TRUE_COLOUR,
    pred_color=PRED_COLOUR,
    line_thickness=None,
    font_scale=1.0,
    text_thickness=None,
    class_mapping=None,
    ground_truth_mapping=None,
    prediction_mapping=None,
    legend=None,
    legend_handles=None,
    rows=None,
    cols=None,
    **kwargs,
):
    """Draws images with their boxes in a grid and returns the `matplotlib.figure.Figure`.

    True boxes are solid with the label above, predicted ones dashed with the label below wherever there is room, so
    that they are told apart without their colours. Lines and letters have their size in the gallery, not in the image.

    Args:
        images: as for `plot_image_gallery`. Data sets and dictionaries that hold `"bounding_boxes"` bring `y_true`.
        value_range: `(lowest, highest)` of the images' values.
        bounding_box_format: of both sets, such as `"xyxy"`; relative ones refer to each image.
        y_true: boxes as for `draw_bounding_boxes`.
        y_pred: the same; `"confidence"` is shown.
        true_color, pred_color: `(red, green, blue)` in 0-255, or names or codes.
        line_thickness: pixels in the gallery; by default it grows with `scale`.
        font_scale: factor on the size of labels.
        text_thickness: bold from 2.
        class_mapping: a dictionary, or a list, from numbers to names.
        ground_truth_mapping, prediction_mapping: the same for one of the two sets, in place of `class_mapping`.
        legend: whether a legend stands below; by default where there are both sets.
        legend_handles: matplotlib's handles, in addition.
        rows, cols, scale, path, show, transparent, dpi, captions, title: as for `plot_image_gallery`.
    """
    samples = take_samples(images, how_many(rows, cols))
    if y_true is None and samples and all("bounding_boxes" in sample for sample in samples):
        y_true = [sample["bounding_boxes"] for sample in samples]
    if bounding_box_format is None and (y_true is not None or y_pred is not None):
        raise ValueError("bounding_box_format says how the boxes are given, such as 'xyxy' or 'rel_xywh'; give one.")
    pictures = as_pictures(samples, value_range)
    bold = (text_thickness or 1) >= 2
    truth = Style(as_colour(true_color), ground_truth_mapping or class_mapping, line_thickness, font_scale, bold)
    guess = Style(
        as_colour(pred_color), prediction_mapping or class_mapping, line_thickness, font_scale, bold, True, True
    )
    sets = [
        (corners(split_boxes(boxes, len(pictures)), pictures, bounding_box_format), style)
        for boxes, style in ((y_true, truth), (y_pred, guess))
        if boxes is not None
    ]

    def annotated(i, picture, scale):
        return draw(picture, [({**boxes[i], "boxes": boxes[i]["boxes"] * scale}, style) for boxes, style in sets])

    handles = list(legend_handles or [])
    if legend if legend is not None else len(sets) == 2:
        handles = [handle_of(style, name) for (_, style), name in zip(sets, names_of(y_true, y_pred))] + handles
    return plot_pictures(pictures, rows, cols, draw=annotated, legend_handles=handles, **kwargs)


def corners(boxes, pictures, bounding_box_format):
    """The dictionaries with boxes as xyxy in pixels."""
    changed = []
    for one, picture in zip(boxes, pictures, strict=True):
        xyxy = convert_format(one["boxes"], bounding_box_format, "xyxy", image_shape=picture.shape)
        changed.append({**one, "boxes": np.asarray(array_of(xyxy), "float32").reshape(-1, 4)})
    turned = sum(int((one["boxes"][:, :2] > one["boxes"][:, 2:]).any(-1).sum()) for one in changed)
    if turned:
        warnings.warn(
            f"{turned} boxes end before they begin, read as {bounding_box_format!r}; is that their format? They are "
            "drawn with their corners exchanged.",
            stacklevel=3,
        )
    return changed


def names_of(y_true, y_pred):
    return [name for name, boxes in (("truth", y_true), ("prediction", y_pred)) if boxes is not None]


def handle_of(style, name):
    from matplotlib import patheffects
    from matplotlib.lines import Line2D

    colour = tuple(value / 255 for value in style.colour)
    rim = [patheffects.withStroke(linewidth=3.4, foreground=(0, 0, 0, 0.55))]
    dashes = (0, (1.6, 1)) if style.dashed else "solid"
    return Line2D([], [], color=colour, linewidth=2.4, linestyle=dashes, label=name, path_effects=rim)
