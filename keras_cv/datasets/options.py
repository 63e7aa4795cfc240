"""Options of `DetectionDataset`: what they stand for, and errors."""

import warnings

from keras_cv.layers.image_layer import ImageLayer

STRIDE = 32  # of a detector's coarsest grid


def pair(size):
    """`(height, width)` of a pair or of one number."""
    sides = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(sides) != 2 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise ValueError(f"image_size must be (height, width) in pixels, or one number for both; got {size!r}.")
    return sides


def image_layers(layers):
    """A list of layers or functions, of a list, of one, or of None for none."""
    layers = [] if layers is None else list(layers) if isinstance(layers, list | tuple) else [layers]
    if wrong := [type(layer).__name__ for layer in layers if not callable(layer)]:
        raise ValueError(f"augmentation must be layers or functions; got {', '.join(wrong)}.")
    return layers


def batch_sides(sides):
    """The sides that batches may have; none without `multi_scale`."""
    if sides is None:
        return []
    sides = list(sides) if isinstance(sides, list | tuple) else [sides]
    if len(set(sides)) < 2 or not all(isinstance(n, int) and n > 0 and n % STRIDE == 0 for n in sides):
        raise ValueError(f"multi_scale must be two or more different multiples of {STRIDE}; got {sides}.")
    return sides


def most_rows(max_boxes, most, layers):
    """Rows of boxes in a batch: those asked for, or as many as `most` become by the layers."""
    if max_boxes is None:
        for layer in layers:
            most = layer.rows_of(most) if isinstance(layer, ImageLayer) else most
        return max(1, most)
    if not isinstance(max_boxes, int) or max_boxes < 1:
        raise ValueError(f"max_boxes must be a whole number of at least 1, or None; got {max_boxes!r}.")
    if most > max_boxes:
        warnings.warn(f"An image has {most} boxes; max_boxes={max_boxes} cuts off what is more.", stacklevel=5)
    return max_boxes
