"""For every layer that moves pixels: a rectangle is painted, moved, found, and compared with its box."""

import keras
import numpy as np
import pytest
from painted import COLOURS, extent, extent_of, painted

from keras_cv import bounding_box, layers

NONE = np.zeros((3, 0, 4))
ONE = [[[20, 16, 52, 48]]] * 3
MANY = [[[8, 8, 30, 24], [40, 10, 80, 36], [12, 40, 34, 72], [50, 44, 90, 70]]] * 3
OUTSIDE = [[[-16, 10, 30, 40], [60, 44, 130, 95], [200, 200, 260, 230]]] * 3
CASES = {"none": NONE, "one": ONE, "many": MANY, "partly outside": OUTSIDE}
CONSTANT = {"fill_mode": "constant"}
LAYERS = {
    "flip": lambda **k: layers.RandomFlip("horizontal_and_vertical", **k),
    "rotation": lambda **k: layers.RandomRotation(0.1, **CONSTANT, **k),
    "quarter turn": lambda **k: layers.RandomRotation((0.25, 0.25), **CONSTANT, **k),
    "zoom out": lambda **k: layers.RandomZoom((0.1, 0.5), (0.2, 0.3), **CONSTANT, **k),
    "zoom in": lambda **k: layers.RandomZoom((-0.4, 0.0), **CONSTANT, **k),
    "translation": lambda **k: layers.RandomTranslation(0.3, 0.3, **CONSTANT, **k),
    "shear": lambda **k: layers.RandomShear(0.3, 0.2, **CONSTANT, **k),
    "affine": lambda **k: layers.RandomAffine(0.05, 0.1, 0.2, 0.1, **CONSTANT, **k),
    "perspective": lambda **k: layers.RandomPerspective(1.0, 0.4, **k),
    "crop": lambda **k: layers.RandomCrop(56, 64, **k),
    "crop larger": lambda **k: layers.RandomCrop(100, 64, **k),
    "crop and resize": lambda **k: layers.RandomCropAndResize((64, 80), (0.3, 0.9), (0.7, 1.4), **k),
    "wider": lambda **k: layers.RandomAspectRatio((1.5, 1.5), **k),
    "narrower": lambda **k: layers.RandomAspectRatio((0.6, 0.6), **k),
    "jitter down": lambda **k: layers.JitteredResize((72, 64), (0.6, 0.9), **k),
    "jitter up": lambda **k: layers.JitteredResize((72, 120), (1.1, 1.6), **k),
    "jitter with a crop": lambda **k: layers.JitteredResize((96, 96), (0.8, 1.25), crop_size=(64, 72), **k),
    "resizing": lambda seed, **k: layers.Resizing(60, 120, **k),
    "letterbox": lambda seed, **k: layers.Resizing(60, 120, pad_to_aspect_ratio=True, **k),
    "letterbox in the middle": lambda seed, **k: layers.Resizing(
        120, 60, pad_to_aspect_ratio=True, placement="center", fill_value=114, **k
    ),
    "cut": lambda seed, **k: layers.Resizing(100, 50, crop_to_aspect_ratio=True, **k),
    "centre": lambda seed, **k: layers.CenterCrop(51, 64, **k),
    "centre of a small one": lambda seed, **k: layers.CenterCrop(120, 64, **k),
}
pytestmark = pytest.mark.once


def check(found, box, size, tolerance=1.6):
    """`box` is around the pixels `found`, give or take, or both are at most a sliver at the edge."""
    if found is None or box[0] == -1:
        rest = box if found is None else found
        assert (rest == -1).all() or min(rest[2] - rest[0], rest[3] - rest[1]) <= 2, (found, box)
        return
    np.testing.assert_allclose(found, box, atol=tolerance)
    assert (box >= 0).all() and (box <= [size[1], size[0], size[1], size[0]]).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", LAYERS)
def test_boxes_and_masks_follow_their_pixels(name, case, dtype):
    data = painted(CASES[case], dtype=dtype)
    given = keras.tree.map_structure(np.copy, data)
    moved = LAYERS[name](bounding_box_format="xyxy", seed=5)(data)
    keras.tree.map_structure(np.testing.assert_array_equal, data, given)  # nothing is written into
    images, boxes, masks = moved["images"], moved["bounding_boxes"]["boxes"], moved["segmentation_masks"]
    assert images.dtype == dtype and masks.dtype == "uint8" and boxes.dtype == "float32"
    assert boxes.shape == data["bounding_boxes"]["boxes"].shape and images.shape[1:3] == masks.shape[1:]
    for i in range(len(images)):
        for n in range(boxes.shape[1]):
            check(extent(images[i], COLOURS[n]), boxes[i, n], images.shape[1:3])
            check(extent_of(masks[i] == n + 1), boxes[i, n], images.shape[1:3])
    np.testing.assert_array_equal(moved["bounding_boxes"]["classes"] == -1, bounding_box_padding(boxes))


def bounding_box_padding(boxes):
    return (boxes == -1).all(-1)


@pytest.mark.parametrize("name", bounding_box.FORMATS)
def test_every_format_gives_the_same(name):
    data = painted(MANY)
    size = data["images"].shape[1:]
    expected = LAYERS["letterbox"](bounding_box_format="xyxy", seed=0)(data)
    given = {
        **data,
        "bounding_boxes": bounding_box.convert_format(data["bounding_boxes"], "xyxy", name, image_shape=size),
    }
    moved = LAYERS["letterbox"](bounding_box_format=name, seed=0)(given)
    back = bounding_box.convert_format(moved["bounding_boxes"], name, "xyxy", images=moved["images"])
    np.testing.assert_allclose(back["boxes"], expected["bounding_boxes"]["boxes"], atol=1e-3)


def test_boxes_too_little_of_which_is_left_go():
    data = painted([[[0, 0, 20, 20], [40, 0, 60, 20]]])
    shifted = {"height_factor": 0.0, "width_factor": (-17 / 96, -17 / 96), "fill_mode": "constant"}
    kept = layers.RandomTranslation(**shifted, bounding_box_format="xyxy")(data)["bounding_boxes"]
    np.testing.assert_allclose(kept["boxes"], [[[0, 0, 3, 20], [23, 0, 43, 20]]], atol=1e-4)
    kept = layers.RandomTranslation(**shifted, bounding_box_format="xyxy", minimum_box_area_ratio=0.2)(data)
    np.testing.assert_array_equal(kept["bounding_boxes"]["classes"], [[-1, 1]])
    np.testing.assert_allclose(kept["bounding_boxes"]["boxes"][0, 0], -1)
