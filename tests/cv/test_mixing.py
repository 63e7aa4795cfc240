"""Layers that mix images of a batch: pixels, labels, boxes and masks go together."""

import keras
import numpy as np
import pytest
from painted import COLOURS, extent, extent_of, painted

from keras_cv import layers

pytestmark = pytest.mark.once
XYXY = {"bounding_box_format": "xyxy"}


def four(height=64, width=80):
    """Four images of one object each, of a colour, a class and a mask value of its own, and another padding row."""
    places = [[10, 8, 44, 40], [30, 20, 70, 56], [4, 30, 40, 60], [40, 4, 76, 36]]
    data = painted([[place] for place in places], height, width)
    for i, (x1, y1, x2, y2) in enumerate(places):
        data["images"][i, y1:y2, x1:x2] = COLOURS[i]
        data["segmentation_masks"][i, y1:y2, x1:x2] = i + 1
    boxes = np.concatenate([data["bounding_boxes"]["boxes"], np.full((4, 1, 4), -1, "float32")], 1)
    data["bounding_boxes"] = {"boxes": boxes, "classes": np.array([[0, -1], [1, -1], [2, -1], [3, -1]])}
    data["labels"] = np.eye(4, dtype="float32")
    return data


def found_by_class(mixed, i):
    rows = mixed["bounding_boxes"]
    return {c: b for c, b in zip(rows["classes"][i].tolist(), rows["boxes"][i]) if c != -1}


def check_objects(mixed, tolerance=0.0):
    """In each image, the objects that can be seen are those that have boxes, and masks, where they are."""
    for i, image in enumerate(mixed["images"]):
        boxes = found_by_class(mixed, i)
        for c in range(4):
            seen, mask = extent(image, COLOURS[c], 60), extent_of(mixed["segmentation_masks"][i] == c + 1)
            assert (seen is None) == (mask is None) == (c not in boxes), (i, c)
            if seen is not None:
                np.testing.assert_allclose(seen, boxes[c], atol=tolerance)
                np.testing.assert_allclose(mask, boxes[c], atol=tolerance)


@pytest.mark.parametrize("seed", range(8))
def test_cut_mix(seed):
    data = four()
    mixed = layers.CutMix(**XYXY, seed=seed)(data)
    assert mixed["bounding_boxes"]["boxes"].shape == (4, 4, 4) and mixed["images"].dtype == "uint8"
    check_objects(mixed)
    np.testing.assert_allclose(mixed["labels"].sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_cut_mix_labels_are_the_parts_of_the_area(seed):
    images = np.stack([np.full((30, 40, 3), 50 * i, "uint8") for i in range(4)])
    mixed = layers.CutMix(seed=seed)({"images": images, "labels": np.eye(4, dtype="float32")})
    for image, label in zip(mixed["images"], mixed["labels"]):
        np.testing.assert_allclose([(image == 50 * i).mean() for i in range(4)], label, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_mosaic(seed):
    data = four()
    mixed = layers.Mosaic(**XYXY, seed=seed)(data)
    boxes = mixed["bounding_boxes"]
    assert boxes["boxes"].shape == (4, 8, 4) and boxes["classes"].shape == (4, 8)
    for image, mask, rows, classes in zip(
        mixed["images"], mixed["segmentation_masks"], boxes["boxes"], boxes["classes"]
    ):
        covered = np.zeros(mask.shape, bool)
        for (x1, y1, x2, y2), c in zip(rows[classes != -1].astype(int), classes[classes != -1]):
            assert (image[y1:y2, x1:x2] == COLOURS[c]).all() and (mask[y1:y2, x1:x2] == c + 1).all()
            covered[y1:y2, x1:x2] = True
        assert (covered == (mask != 0)).all()  # nothing is seen that has no box
        assert (np.diff((classes == -1).astype(int)) >= 0).all()  # padding comes last
    np.testing.assert_allclose(mixed["labels"].sum(1), 1, atol=1e-6)
    few = layers.Mosaic(**XYXY, seed=seed, max_boxes=3)(data)["bounding_boxes"]
    np.testing.assert_array_equal(few["boxes"], boxes["boxes"][:, :3])


def test_mosaic_labels_are_the_parts_of_the_area():
    images = np.stack([np.full((40, 60, 3), 50 * i, "uint8") for i in range(4)])
    mixed = layers.Mosaic(seed=0)({"images": images, "labels": np.eye(4, dtype="float32")})
    for image, label in zip(mixed["images"], mixed["labels"]):
        np.testing.assert_allclose([(image == 50 * i).mean() for i in range(4)], label, atol=1e-6)


def test_mix_up_blends_masks_by_the_shares_of_labels():
    data = {key: x for key, x in four().items() if key != "bounding_boxes"}
    classes = np.eye(5, dtype="float32")[data["segmentation_masks"]]
    mixed = layers.MixUp(alpha=1.0, seed=2)({**data, "segmentation_masks": classes})
    for mask, label in zip(mixed["segmentation_masks"], mixed["labels"]):
        np.testing.assert_allclose(mask, np.tensordot(label, classes, 1), atol=1e-6)
    np.testing.assert_allclose(mixed["segmentation_masks"].sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mix_up(dtype):
    data = {key: x for key, x in four().items() if key != "segmentation_masks"}
    data["images"] = data["images"].astype(dtype)
    mixed = layers.MixUp(alpha=1.0, **XYXY, seed=2)(data)
    assert mixed["images"].dtype == dtype
    for i, label in enumerate(mixed["labels"]):
        expected = np.tensordot(label, data["images"].astype("float32"), 1)
        np.testing.assert_allclose(mixed["images"][i], expected, atol=0.51)
        assert {c for c, share in enumerate(label) if share} <= set(found_by_class(mixed, i))
        for c, box in found_by_class(mixed, i).items():
            np.testing.assert_array_equal(box, data["bounding_boxes"]["boxes"][c, 0])


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_copy_paste(masks, seed):
    data = four()
    if masks:  # an object that is smaller than its box
        data["images"][0, 8:24, 10:27], data["segmentation_masks"][0, 8:24, 10:27] = 0, 0
    given = data if masks else {key: x for key, x in data.items() if key != "segmentation_masks"}
    mixed = layers.CopyPaste(rate=0.7, minimum_box_area_ratio=0.0, **XYXY, seed=seed)(given)
    if masks:
        check_objects(mixed)
    for i, image in enumerate(mixed["images"]):
        for c, box in found_by_class(mixed, i).items():
            np.testing.assert_array_equal(extent(image, COLOURS[c]), box)
    np.testing.assert_array_equal(mixed["labels"], data["labels"])
    still = layers.CopyPaste(rate=0.0, **XYXY, seed=seed)(given)
    np.testing.assert_array_equal(still["images"], data["images"])


@pytest.mark.parametrize("make", [layers.MixUp, layers.CutMix, layers.Mosaic, layers.CopyPaste])
def test_without_boxes_there_is_nothing_to_keep(make):
    data = {"images": np.zeros((3, 16, 16, 3), "uint8")}
    data["bounding_boxes"] = {"boxes": np.zeros((3, 0, 4)), "classes": np.zeros((3, 0), "int64")}
    mixed = make(**XYXY, seed=0)(data)
    assert mixed["bounding_boxes"]["boxes"].shape == (3, 0, 4) and mixed["bounding_boxes"]["classes"].shape == (3, 0)


@pytest.mark.parametrize("make", [layers.MixUp, layers.CutMix, layers.Mosaic, layers.CopyPaste, layers.FourierMix])
def test_boxes_that_reach_beyond_the_edges_are_cut(make):
    data = four()
    data["bounding_boxes"]["boxes"][:, 0] = [-20, 40, 100, 90]
    data["bounding_boxes"]["boxes"][0, 0] = [200, 200, 210, 210]
    del data["segmentation_masks"]
    first = keras.tree.map_structure(lambda x: x[:1], data)
    for given in (first, data):
        mixed = make(**XYXY, seed=0)(given)["bounding_boxes"]
        real = mixed["classes"] != -1
        assert 0 not in mixed["classes"]
        assert ((mixed["boxes"][real] >= 0) & (mixed["boxes"][real] <= [80, 64, 80, 64])).all()


def test_what_cannot_be_mixed():
    images = np.zeros((2, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match=r"one-hot ones as floats.*got int64 of shape \(2,\)"):
        layers.MixUp()({"images": images, "labels": np.array([0, 1])})
    with pytest.raises(ValueError, match=r"Mosaic mixes the images of a batch.*got one image"):
        layers.Mosaic()(images[0])
    with pytest.raises(ValueError, match="CutMix mixes images of one size; resize them first"):
        layers.CutMix()([images[0], images[0, :4]])
    with pytest.raises(ValueError, match=r"MixUp blends segmentation_masks: give one-hot ones.*got uint8 of shape"):
        layers.MixUp()({"images": images, "segmentation_masks": images[..., 0]})
    with pytest.raises(ValueError, match="CopyPaste pastes the objects in bounding_boxes"):
        layers.CopyPaste()(images)
    with pytest.raises(ValueError, match="alpha must be above 0; got 0"):
        layers.MixUp(0)
    with pytest.raises(ValueError, match="max_boxes must be at least 1"):
        layers.Mosaic(max_boxes=0)
    with pytest.raises(ValueError, match="rate must lie in"):
        layers.CopyPaste(rate=2)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_erased_is_filled_and_the_rest_stays(seed):
    images = np.random.default_rng(0).integers(1, 256, (4, 40, 50, 3)).astype("uint8")
    erased = layers.RandomErasing(scale=(0.1, 0.2), fill_value=0, seed=seed)(images)
    cut = layers.RandomCutout((0.5, 0.5), (0.4, 0.4), seed=seed)(images)
    grid = layers.GridMask((0.4, 0.4), seed=seed)(images)
    for changed, low, high in ((erased, 0.08, 0.22), (cut, 0.04, 0.21), (grid, 0.08, 0.3)):
        hidden = (changed == 0).all(-1)
        np.testing.assert_array_equal(changed[~hidden], images[~hidden])
        assert (low < hidden.mean((1, 2))).all() and (hidden.mean((1, 2)) < high).all()
    for noisy in (layers.RandomErasing(seed=seed), layers.GridMask(fill_mode="gaussian_noise", seed=seed)):
        assert (noisy(images) != images).any() and noisy(images.astype("float32")).max() <= 255
    assert (layers.RandomErasing(0.0)(images) == images).all()


def test_boxes_and_masks_stay_when_pixels_are_erased():
    data = four()
    for layer in (layers.RandomErasing(), layers.RandomCutout(0.5, 0.5), layers.GridMask()):
        erased = layer(data)
        for key in ("bounding_boxes", "segmentation_masks", "labels"):
            keras.tree.map_structure(np.testing.assert_array_equal, erased[key], data[key])
