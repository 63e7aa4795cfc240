"""RandAugment and AugMix: operations against Pillow, boxes and masks that follow their pixels, moves made one."""

import numpy as np
import pytest
from photographs import photographs
from PIL import Image, ImageEnhance, ImageOps

from keras_cv import layers
from keras_cv.layers.operations import COLOURS, GEOMETRIC, Operations
from keras_cv.layers.rand_augment import RandAugment
from keras_cv.ops import colour
from keras_cv.ops.resampling import mover, warp

PILLOW = {
    "auto_contrast": lambda image, s: ImageOps.autocontrast(image),
    "brightness": lambda image, s: ImageEnhance.Brightness(image).enhance(1 + 0.9 * s),
    "color": lambda image, s: ImageEnhance.Color(image).enhance(1 + 0.9 * s),
    "contrast": lambda image, s: ImageEnhance.Contrast(image).enhance(1 + 0.9 * s),
    "equalize": lambda image, s: ImageOps.equalize(image),
    "posterize": lambda image, s: ImageOps.posterize(image, 8 - round(4 * abs(s))),
    "sharpness": lambda image, s: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * s),
    "solarize": lambda image, s: ImageOps.solarize(image, round(255 * (1 - abs(s)))),
}


def only(name, **options):
    """RandAugment of one operation."""
    layer = RandAugment(augmentations_per_image=1, rate=1.0, **options)
    layer._operations = Operations([name], translation=150 / 331, bits=(8, 4))
    return layer


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_operations_are_pillows(name, strength):
    images = photographs((31, 37))
    layer = only(name)
    layer_input = {"operations": np.zeros((4, 1), int), "strengths": np.full((4, 1), strength)}
    result = layer.images(images, layer_input | {"matrices": np.tile(np.eye(3), (4, 1, 1, 1))})
    expected = np.stack([np.asarray(PILLOW[name](Image.fromarray(image), strength)) for image in images])
    assert np.abs(result.astype(int) - expected).max() <= 1
    assert set(PILLOW) == set(COLOURS)


def painted(count, size=(80, 96), seed=0):
    """Black images with a white rectangle each, its box in xyxy, and its mask."""
    random = np.random.default_rng(seed)
    images, masks = np.zeros((count, *size, 3), "uint8"), np.zeros((count, *size), "uint8")
    boxes = np.zeros((count, 1, 4), "float32")
    for i in range(count):
        top, left = random.integers(25, 40, 2)
        bottom, right = top + random.integers(8, 16), left + random.integers(8, 16)
        images[i, top:bottom, left:right] = 255
        masks[i, top:bottom, left:right] = 1
        boxes[i, 0] = left, top, right, bottom
    return images, boxes, masks


def found(image):
    """The box of what is bright."""
    rows, columns = np.nonzero(image[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("name", [*GEOMETRIC, None])
def test_boxes_and_masks_follow_their_pixels(name):
    images, boxes, masks = painted(12)
    options = {"bounding_box_format": "xyxy", "magnitude": 0.6, "seed": 5}
    if name:
        layer = only(name, **options)
    else:
        layer = RandAugment(augmentations_per_image=3, rate=1.0, **options)
        layer._operations = Operations(GEOMETRIC, translation=0.1, bits=(8, 4))
    data = {
        "images": images,
        "labels": np.arange(12),
        "bounding_boxes": {"boxes": boxes, "classes": np.ones((12, 1))},
        "segmentation_masks": masks,
    }
    result = layer(data)
    assert (np.asarray(result["images"]) != images).any(axis=(1, 2, 3)).sum() > 8
    np.testing.assert_array_equal(result["labels"], np.arange(12))
    seen = 0
    for i in range(12):
        image, mask = np.asarray(result["images"][i]), np.asarray(result["segmentation_masks"][i])
        box = np.asarray(result["bounding_boxes"]["boxes"][i, 0])
        if (image > 127).any() and result["bounding_boxes"]["classes"][i, 0] >= 0:
            np.testing.assert_allclose(box, found(image), atol=1.6)
            assert ((mask > 0) != (image[..., 0] > 127)).mean() < 0.01
            seen += 1
    assert seen >= 8


def test_without_movement_boxes_need_no_format():
    images, boxes, _ = painted(3)
    data = {"images": images, "bounding_boxes": {"boxes": boxes, "classes": np.zeros((3, 1))}}
    result = layers.RandAugment(geometric=False, seed=0)(data)
    np.testing.assert_array_equal(result["bounding_boxes"]["boxes"], boxes)
    with pytest.raises(ValueError, match="bounding_box_format"):
        layers.RandAugment(seed=0)(data)


def test_neighbouring_movements_are_one():
    operations = Operations(("translate_x", "brightness", "rotate"), 0.5, (8, 4))
    chosen = np.array([[0, -1, 2, 1, 2]])
    matrices = operations.matrices(chosen, np.full(chosen.shape, 0.4), 10, 20)
    warped = []
    operations.apply(
        np.zeros((10, 20, 3), "uint8"),
        chosen[0],
        np.full(5, 0.4),
        matrices[0],
        lambda image, matrix, out: warped.append(matrix),
        np.zeros((10, 20, 3), "uint8"),
    )
    np.testing.assert_allclose(warped, [matrices[0, 2] @ matrices[0, 0], matrices[0, 4]])
    np.testing.assert_allclose(operations.movements(chosen[0], matrices[0]), warped)


def test_movements_after_colours_work_in_place():
    operations = Operations(("brightness", "rotate", "shear_x"), 0.5, (8, 4))
    image = photographs((31, 37))[0]
    chosen, strengths = np.array([0, 1, 0, 2]), np.array([0.5, 0.7, -0.2, -0.9])
    matrices = operations.matrices(chosen, strengths, 31, 37)
    expected = image
    for k, strength, matrix in zip(chosen, strengths, matrices, strict=True):
        moved = warp(expected[None], matrix[None], (31, 37))
        expected = moved[0] if k else colour.brightness(expected[None], 1 + 0.9 * strength)[0]
    out = np.empty_like(image)
    operations.apply(image, chosen, strengths, matrices, mover(), out)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("x", [-40, -3, 0, 5, 40])
@pytest.mark.parametrize("y", [-2, 0, 1, 31])
def test_shifts_by_whole_pixels(x, y):
    image = photographs((31, 37))[0]
    matrix = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], "float64")
    almost = matrix + np.array([[0, 0, 1e-7], [0, 0, 0], [0, 0, 0]])  # interpolated
    shifted, interpolated = np.empty_like(image), np.empty_like(image)
    mover(fill_value=9)(image, matrix, shifted)
    mover(fill_value=9)(image, almost, interpolated)
    np.testing.assert_array_equal(shifted, interpolated)
    own = image.copy()
    mover(fill_value=9)(own, matrix, own)
    np.testing.assert_array_equal(own, shifted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"magnitude": 1.5}, "magnitude must lie within 0 and 1; got 1.5"),
        ({"magnitude_stddev": -1}, "magnitude_stddev must lie within 0 and 1; got -1"),
        ({"rate": 2}, "rate must lie within 0 and 1; got 2"),
        ({"augmentations_per_image": -1}, "augmentations_per_image must be a whole number from 0; got -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.RandAugment(**arguments)


def test_rate_zero_changes_nothing():
    images = photographs((20, 24))
    np.testing.assert_array_equal(layers.RandAugment(rate=0.0, seed=0)(images), images)


def test_every_operation_is_drawn():
    layer = layers.RandAugment(seed=0)
    drawn = layer.draw(np.random.default_rng(0), 2000, 10, 10)["operations"]
    values, counts = np.unique(drawn, return_counts=True)
    assert len(values) == 14 and abs(counts[0] / drawn.size - 1 / 11) < 0.01
    assert counts[1:].min() > 0.8 * counts[1:].max()
    still = layers.RandAugment(geometric=False).draw(np.random.default_rng(0), 2000, 9, 9)
    assert len(np.unique(still["operations"])) == 9


def test_standard_policy():
    """As in KerasCV's guide: a layer is left out, another one put in, and a pipeline made of them."""
    policy = layers.RandAugment.get_standard_policy(
        value_range=(0, 255), magnitude=0.75, magnitude_stddev=0.3, bounding_box_format="xyxy", seed=1
    )
    names = [type(layer).__name__ for layer in policy]
    kerascv = ["AutoContrast", "Equalization", "Solarization", "RandomColorDegeneration", "RandomContrast"]
    assert names[:6] == [*kerascv, "RandomBrightness"] and names.count("RandomShear") == 2
    images, boxes, masks = painted(6)
    data = {"images": images, "bounding_boxes": {"boxes": boxes, "classes": np.zeros((6, 1))}}
    for layer in policy:
        result = layer({**data, "segmentation_masks": masks})
        assert result["images"].dtype == "uint8" and result["images"].shape == images.shape
        if type(layer).__name__ in ("RandomShear", "RandomTranslation", "RandomRotation"):
            assert (result["bounding_boxes"]["boxes"] != boxes).any() and (result["segmentation_masks"] != masks).any()
    kept = [layer for layer in policy if not isinstance(layer, layers.RandomRotation)]
    assert len(kept) == len(policy) - 1
    pipeline = layers.RandomAugmentationPipeline([*kept, layers.GridMask()], augmentations_per_image=3, seed=0)
    assert (pipeline(data)["images"] != images).any(axis=(1, 2, 3)).all()
    copy = layers.RandomAugmentationPipeline.from_config(pipeline.get_config())
    assert [type(layer) for layer in copy.layers] == [type(layer) for layer in pipeline.layers]
    colours = layers.RandAugment.get_standard_policy((0, 1), 0.5, 0.1, geometric=False)
    assert [type(layer).__name__ for layer in colours] == names[:8] and colours[0].value_range == (0, 1)
    with pytest.raises(ValueError, match="magnitude must lie within 0 and 1; got 2"):
        layers.RandAugment.get_standard_policy((0, 255), 2, 0.1)


def test_aug_mix_that_moves_nothing_keeps_boxes_and_masks():
    images, boxes, masks = painted(3)
    data = {"images": photographs((80, 96))[:3], "bounding_boxes": {"boxes": boxes, "classes": np.zeros((3, 1))}}
    result = layers.AugMix(geometric=False, seed=0)({**data, "segmentation_masks": masks})
    assert (result["images"] != data["images"]).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(result["bounding_boxes"]["boxes"], boxes)
    np.testing.assert_array_equal(result["segmentation_masks"], masks)
    flat = layers.AugMix(geometric=False, severity=(0.01, 0.01), seed=0)(images)
    assert ((flat[..., 0] > 127) == (images[..., 0] > 127)).all()  # every pixel is where it was


def test_aug_mix_refuses_boxes_and_masks():
    images, boxes, masks = painted(2)
    with pytest.raises(ValueError, match=r"masks cannot follow. AugMix\(geometric=False\) keeps them"):
        layers.AugMix(seed=0)({"images": images, "segmentation_masks": masks})
    with pytest.raises(ValueError, match="AugMix"):
        layers.AugMix(bounding_box_format="xyxy", seed=0)(
            {"images": images, "bounding_boxes": {"boxes": boxes, "classes": np.zeros((2, 1))}}
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"severity": 2}, "severity must be a range within"),
        ({"chain_depth": 0}, "chain_depth must be a whole number from 1"),
        ({"num_chains": 0}, "num_chains must be a whole number from 1; got 0"),
        ({"alpha": 0}, "alpha must be above 0; got 0"),
    ],
)
def test_aug_mix_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.AugMix(**arguments)
