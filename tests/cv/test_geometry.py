"""What each layer does to pixels: held against Keras' own layers where these have one answer, and by definition."""

import keras
import numpy as np
import pytest
from painted import painted

from keras_cv import core, layers
from keras_cv.ops import placing, resampling

pytestmark = pytest.mark.once
XYXY = {"bounding_box_format": "xyxy"}


@pytest.fixture
def images(random):
    """Smooth pictures, 40 by 60, so that a small difference of places is a small difference of values."""
    coarse = random.integers(0, 256, (2, 5, 6, 3)).astype("float32")
    return np.stack([placing.resize(image, (40, 60), "bicubic") for image in coarse]).clip(0, 255)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandomRotation", {"factor": (0.1, 0.1)}),
        ("RandomRotation", {"factor": (-0.2, -0.2), "fill_mode": "constant", "fill_value": 9.0}),
        ("RandomZoom", {"height_factor": (0.3, 0.3), "width_factor": (0.1, 0.1), "fill_mode": "nearest"}),
        ("RandomZoom", {"height_factor": (-0.3, -0.3), "fill_mode": "constant"}),
        ("RandomTranslation", {"height_factor": (0.25, 0.25), "width_factor": (-0.1, -0.1), "fill_mode": "wrap"}),
        ("RandomTranslation", {"height_factor": (-0.2, -0.2), "width_factor": (0.1, 0.1), "fill_mode": "reflect"}),
        ("CenterCrop", {"height": 31, "width": 40}),
        ("CenterCrop", {"height": 50, "width": 40}),
        ("Resizing", {"height": 33, "width": 90}),
        ("Resizing", {"height": 33, "width": 89, "interpolation": "nearest"}),
        ("Resizing", {"height": 33, "width": 90, "interpolation": "bicubic"}),
        ("Resizing", {"height": 33, "width": 90, "interpolation": "lanczos3"}),
        ("Resizing", {"height": 20, "width": 24, "crop_to_aspect_ratio": True}),
        ("Rescaling", {"scale": 1 / 127.5, "offset": -1.0}),
    ],
)
def test_as_keras(name, arguments, images):
    ours = getattr(layers, name)(**arguments)(images)
    theirs = keras.ops.convert_to_numpy(getattr(keras.layers, name)(**arguments)(images, training=True))
    assert ours.shape == theirs.shape and ours.dtype == "float32"
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.5 and np.quantile(difference, 0.99) < 6


def test_a_letterbox_as_keras(images):
    """Where the padding comes out even, Keras' is the same picture: it pads first and resizes then."""
    arguments = {"height": 60, "width": 60, "pad_to_aspect_ratio": True, "fill_value": 7.0}
    ours = layers.Resizing(**arguments, placement="center")(images)
    theirs = keras.ops.convert_to_numpy(keras.layers.Resizing(**arguments)(images))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    corner = layers.Resizing(**arguments)(images)
    np.testing.assert_array_equal(corner[:, :40], ours[:, 10:50])
    assert (corner[:, 40:] == 7).all()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_antialiased_as_pillow(interpolation, random):
    image_module = pytest.importorskip("PIL.Image")
    image = random.integers(0, 256, (50, 70, 3)).astype("uint8")
    method = image_module.Resampling[interpolation.upper()]
    expected = np.asarray(image_module.fromarray(image).resize((31, 20), method))
    layer = layers.Resizing(20, 31, interpolation=interpolation, antialias=True)
    np.testing.assert_array_equal(layer(image), expected)
    assert np.abs(layer(image.astype("float32")).clip(0, 255) - expected).max() < 1.5  # Pillow rounds twice
    assert layer(image[..., :1]).shape == (20, 31, 1) and layer(np.repeat(image, 2, -1)).shape == (20, 31, 6)


def test_resampling_moves_each_pixel(random):
    for dtype in ("uint8", "float32", "int32", "int64", "uint16", "bool"):
        masks = random.integers(0, 2 if dtype == "bool" else 200, (2, 5, 7, 6)).astype(dtype)
        moved = resampling.warp_masks(masks, resampling.shift(np.array([2, -1]), np.array([1, 0])), (5, 7))
        assert moved.dtype == dtype
        np.testing.assert_array_equal(moved[0, 1:, 2:], masks[0, :-1, :-2])
        np.testing.assert_array_equal(moved[1, :, :-1], masks[1, :, 1:])
        assert (moved[0, 0] == 0).all() and (moved[1, :, -1] == 0).all()
    image = random.integers(0, 256, (1, 6, 6, 3)).astype("uint8")
    quarter = layers.RandomRotation((0.25, 0.25), interpolation="nearest")(image)
    np.testing.assert_array_equal(quarter[0], np.rot90(image[0]))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Resizing(64, 80),
        layers.Resizing(100, 30, pad_to_aspect_ratio=True),
        layers.Resizing(30, 100, pad_to_aspect_ratio=True, placement="center"),
        layers.Resizing(50, 50, crop_to_aspect_ratio=True),
    ],
)
def test_the_transform_goes_back(layer, random):
    boxes = random.uniform(0, 40, (5, 4)).astype("float32")
    boxes[3] = -1
    transform = layer.transform(40, 60)
    there = transform.apply(boxes)
    np.testing.assert_allclose(transform.undo(there), boxes, atol=1e-4)
    assert (there[3] == -1).all()
    np.testing.assert_allclose(placing.undo(there, transform.as_array()), boxes, atol=1e-4)


def test_the_transform_in_a_data_set():
    tf = pytest.importorskip("tensorflow")
    data = painted([[[8, 8, 30, 24]], [[40, 10, 80, 36]]])
    layer = layers.Resizing(32, 48, pad_to_aspect_ratio=True, return_transform=True, **XYXY)
    done = layer(data)
    np.testing.assert_allclose(done["transform"], [[0.4, 0.4, 0, 0]] * 2, atol=0.01)
    back = placing.undo(done["bounding_boxes"]["boxes"], done["transform"])
    np.testing.assert_allclose(back, data["bounding_boxes"]["boxes"], atol=1e-3)
    mapped = tf.data.Dataset.from_tensor_slices(data).map(layer)
    assert mapped.element_spec["transform"].shape == (4,)
    np.testing.assert_array_equal(next(iter(mapped.batch(2)))["transform"], done["transform"])
    unequal = layer([data["images"][0], data["images"][1, :40]])
    assert unequal.shape == (2, 32, 48, 3)
    unequal = layer({"images": [data["images"][0], data["images"][1, :40]]})
    assert not np.allclose(unequal["transform"][0], unequal["transform"][1])


def test_jitter_counts_from_the_size_that_fits():
    data = painted([[[8, 8, 30, 24]]], height=40, width=60)
    exact = layers.JitteredResize((64, 64), (1, 1), **XYXY)(data)
    letterbox = layers.Resizing(64, 64, pad_to_aspect_ratio=True, **XYXY)(data)
    keras.tree.map_structure(np.testing.assert_array_equal, exact, letterbox)
    half = layers.JitteredResize((64, 64), (0.5, 0.5))(np.full((1, 400, 300, 3), 9, "uint8"))
    assert (half[0] == 9).all(-1).sum() == 32 * 24 and (half[0, :32, :24] == 9).all()
    sampled = layers.JitteredResize((64, 64), layers.ConstantFactorSampler(0.5))(np.full((1, 400, 300, 3), 9, "uint8"))
    np.testing.assert_array_equal(sampled, half)


def test_crops_come_from_everywhere():
    row = np.arange(20, dtype="float32").reshape(1, 1, 20, 1)
    images = np.repeat(np.repeat(row, 400, 0), 3, 1)
    cut = layers.RandomCrop(3, 18, seed=0)(images)
    assert set(cut[:, 0, 0, 0]) == {0, 1, 2} and (np.diff(cut, axis=2) == 1).all()
    parts = layers.RandomCropAndResize((3, 18), (0.25, 1.0), (1.0, 1.0), seed=0)(images)
    assert parts.min() < 0.5 and parts.max() > 18.5
    halves = layers.RandomCropAndResize((8, 8), (0.25, 0.25), (1.0, 1.0), seed=0)(images[:, :, :, :])
    assert (np.ptp(halves, axis=(1, 2, 3)) <= 9).all()


def test_perspective_moves_corners_inwards(images):
    layer = layers.RandomPerspective(1.0, 0.5, fill_value=-1.0, seed=0)
    assert (layer(images) == -1).any() and (layers.RandomPerspective(0.0)(images) == images).all()


def test_some_of_the_images():
    images = np.arange(400, dtype="float32").reshape(400, 1, 1, 1)
    shifted = layers.RandomApply(layers.Rescaling(1, 1000), rate=0.25, seed=0)(images)
    changed = shifted != images
    np.testing.assert_array_equal(shifted[changed], images[changed] + 1000)
    assert 60 < changed.sum() < 140
    apart = layers.RandomChoice([layers.Rescaling(1, 1000), layers.Rescaling(1, 2000)], seed=0)(images) - images
    assert set(apart.ravel()) == {1000, 2000} and 150 < (apart == 1000).sum() < 250
    whole = layers.RandomApply(layers.Rescaling(1, 1000), rate=0.5, batchwise=True, seed=0)
    assert {len(set((whole(images) - images).ravel())) for _ in range(8)} == {1}
    twice = layers.RandomAugmentationPipeline([layers.Rescaling(1, 1000)], 3, rate=0.5, seed=0)(images) - images
    assert set(twice.ravel()) == {0, 1000, 2000, 3000}
    repeated = layers.RepeatedAugmentation([layers.Rescaling(1, 1000), layers.Rescaling(1, 2000)], seed=0)
    done = repeated({"images": images, "labels": np.arange(400)})
    assert sorted(done["labels"]) == sorted([*range(400)] * 2)
    np.testing.assert_array_equal(done["images"].ravel() % 1000, done["labels"])
    ordered = layers.RepeatedAugmentation([layers.Rescaling(1, 1000), layers.Rescaling(1, 2000)], shuffle=False)(images)
    np.testing.assert_array_equal(ordered[400:], images + 2000)


def test_a_layer_of_ones_own():
    class Darken(layers.RandomImageLayer):
        def draw(self, random, count, height, width):
            return {"share": random.uniform(0, 1, count).astype("float32")}

        def images(self, images, p):
            return (images * p["share"][:, None, None, None]).astype(images.dtype)

    class HalfTurn(layers.RandomWarp):
        def matrices(self, random, count, height, width):
            return np.repeat(resampling.affine(-1, 0, width, 0, -1, height)[None], count, 0)

    data = painted([[[8, 8, 30, 24]]])
    dark, turned = Darken(seed=0)(data), HalfTurn(**XYXY)(data)
    assert dark["bounding_boxes"] is data["bounding_boxes"] and dark["images"].max() < 250
    np.testing.assert_array_equal(turned["images"][0], data["images"][0, ::-1, ::-1])
    np.testing.assert_allclose(turned["bounding_boxes"]["boxes"], [[[66, 56, 88, 72]]])


def test_aspect_ratios():
    """Batches become lists, since sizes differ; in tf.data single images are mapped, then resized and batched."""
    tf = pytest.importorskip("tensorflow")
    images = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3)).astype("uint8")
    for factor in (1.5, (0.7, 1.5), core.UniformFactorSampler(0.7, 1.5)):
        for image in layers.RandomAspectRatio(factor, seed=0)(images):
            height, width, _ = image.shape
            assert 20 / 1.5 - 0.5 <= height <= 30.5 and abs(height * width - 600) < 40 and image.dtype == "uint8"
    assert layers.RandomAspectRatio((2, 2))(images[0]).shape == (10, 60, 3)
    assert layers.RandomAspectRatio((2, 2))(images).shape == (4, 10, 60, 3)
    assert layers.Augmenter([layers.RandomAspectRatio(1.5), layers.Resizing(8, 9)])(images).shape == (4, 8, 9, 3)
    eager = layers.RandomAspectRatio(1.5, seed=1)
    expected = [layers.Resizing(16, 16)(eager(image)) for image in images]
    mapped = tf.data.Dataset.from_tensor_slices(images).map(layers.RandomAspectRatio(1.5, seed=1))
    found = next(iter(mapped.map(layers.Resizing(16, 16)).batch(4)))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"which a tf.data batch cannot hold: map it over single images"):
        tf.data.Dataset.from_tensors(images).map(layers.RandomAspectRatio(1.5))
    with pytest.raises(ValueError, match=r"factor must be a range within .*; got 0"):
        layers.RandomAspectRatio(0)
    with pytest.raises(ValueError, match=r"factors must be above 0; .* drew 0.0"):
        layers.RandomAspectRatio(core.ConstantFactorSampler(0))(images)
