"""Layers that change colours: types, ranges, seeds, configuration, tf.data, and that nothing but images changes."""

import pickle

import keras
import numpy as np
import pytest
from photographs import photographs

import keras_cv
from keras_cv import layers

core = keras_cv.core  # as KerasCV's users reach it

RANDOM = {
    "brightness": lambda **k: layers.RandomBrightness(0.4, **k),
    "contrast": lambda **k: layers.RandomContrast(factor=(0.5, 0.8), **k),
    "saturation": lambda **k: layers.RandomSaturation((0.2, 0.8), **k),
    "hue": lambda **k: layers.RandomHue(0.5, **k),
    "jitter": lambda **k: layers.RandomColorJitter(
        brightness_factor=0.2, contrast_factor=0.2, saturation_factor=(0.3, 0.7), hue_factor=0.1, **k
    ),
    "degeneration": lambda **k: layers.RandomColorDegeneration(0.9, **k),
    "grayscale": lambda **k: layers.RandomGrayscale(0.5, **k),
    "invert": lambda **k: layers.RandomInvert((0.5, 0.5), **k),
    "shift": lambda **k: layers.RandomChannelShift(factor=0.6, **k),
    "shuffle": lambda **k: layers.ChannelShuffle(**k),
    "gamma": lambda **k: layers.RandomGamma((0.4, 2.0), **k),
    "posterization": lambda **k: layers.RandomPosterization((1, 6), **k),
    "solarization": lambda **k: layers.Solarization(addition_factor=50.0, threshold_factor=(50, 200), **k),
    "sharpness": lambda **k: layers.RandomSharpness((0.2, 1.0), **k),
    "blur": lambda **k: layers.RandomGaussianBlur((5, 3), (0.5, 3.0), **k),
    "jpeg": lambda **k: layers.RandomJpegQuality((5, 60), **k),
    "noise": lambda **k: layers.RandomGaussianNoise(0.2, **k),
    "rand_augment": lambda **k: layers.RandAugment(geometric=False, **k),
    "aug_mix": lambda **k: layers.AugMix(**k),
}
FIXED = {
    "posterization": lambda **k: layers.Posterization(bits=3, **k),
    "equalization": lambda **k: layers.Equalization(**k),
    "auto_contrast": lambda **k: layers.AutoContrast(**k),
    "grayscale": lambda **k: layers.Grayscale(output_channels=3, **k),
}
ALL = {**RANDOM, **{f"{name}-fixed": make for name, make in FIXED.items()}}
both = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
random_ones = pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)


def images(dtype="uint8"):
    return photographs((20, 24)).astype(dtype)


def seeded(make):
    return make(seed=3) if make in RANDOM.values() else make()


def close(make, a, b, limit):
    """Where operations follow each other, a rounding may become a step of the next one."""
    several = make in (RANDOM["jitter"], RANDOM["rand_augment"], RANDOM["aug_mix"])
    difference = np.abs(a - b)
    return np.quantile(difference, 0.9) <= 2 * limit if several else difference.max() <= limit


def plain(x):
    return keras.ops.convert_to_numpy(x)


@both
def test_types_and_shapes_stay(make):
    for dtype in ("uint8", "float32"):
        result = plain(seeded(make)(images(dtype)))
        assert result.dtype == dtype and result.shape == images().shape
        assert (result != images(dtype)).any()
        assert result.min() >= 0 and result.max() <= 255
    one = plain(seeded(make)(images()[0]))
    assert one.shape == images()[0].shape


@both
def test_eight_bits_give_what_floats_give(make):
    byte, single = (plain(seeded(make)(images(dtype))).astype("float32") for dtype in ("uint8", "float32"))
    assert close(make, byte, single, 1)


@both
def test_any_range_of_values(make):
    if make is FIXED["grayscale"]:
        return
    options = {} if make in FIXED.values() else {"seed": 3}
    wide = plain(make(**options)(images("float32")))
    narrow = plain(make(value_range=(-1, 1), **options)(images("float32") / 127.5 - 1))
    assert close(make, 127.5 * (narrow + 1), wide, 0.1)


@random_ones
def test_nothing_happens_at_inference(make):
    np.testing.assert_array_equal(plain(make(seed=3)(images(), training=False)), images())


@pytest.mark.parametrize("make", FIXED.values(), ids=FIXED)
def test_fixed_layers_act_at_inference(make):
    np.testing.assert_array_equal(plain(make()(images(), training=False)), plain(make()(images())))


@random_ones
def test_seeds_decide(make):
    first, again, other = (make(seed=seed) for seed in (3, 3, 4))
    one, two = plain(first(images())), plain(first(images()))
    np.testing.assert_array_equal(plain(again(images())), one)
    assert (one != two).any()
    assert any((plain(other(images())) != x).any() for x in (one, two))


@random_ones
def test_each_image_draws_for_itself(make):
    same = np.repeat(images()[:1], 8, axis=0)
    results = plain(make(seed=3)(same))
    assert len(np.unique(results.reshape(8, -1), axis=0)) > 1


@both
def test_configuration_comes_back(make):
    layer = seeded(make)
    copy = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(plain(copy(images())), plain(layer(images())))
    assert copy.get_config() == layer.get_config()
    config = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()


@both
def test_tf_data_gives_what_eager_calls_give(make):
    tf = pytest.importorskip("tensorflow")
    layer, mapped = seeded(make), seeded(make)
    boxes = {"boxes": np.ones((4, 2, 4), "float32"), "classes": np.ones((4, 2), "float32")}
    data = {"images": images(), "labels": np.arange(4)}
    if "AugMix" not in type(layer).__name__:
        data |= {"bounding_boxes": boxes, "segmentation_masks": np.ones((4, 20, 24, 1), "uint8")}
    several = {key: np.concatenate([x, x]) for key, x in data.items() if key != "bounding_boxes"}
    if "bounding_boxes" in data:
        several["bounding_boxes"] = {key: np.concatenate([x, x]) for key, x in boxes.items()}
    dataset = tf.data.Dataset.from_tensor_slices(several).batch(4, drop_remainder=True).map(mapped)
    assert dataset.element_spec["images"].shape == (4, 20, 24, 3)
    for batch in dataset.as_numpy_iterator():
        eager = layer(data)
        keras.tree.map_structure(np.testing.assert_array_equal, batch, eager)
        unchanged = {key: x for key, x in eager.items() if key != "images"}
        keras.tree.map_structure(
            np.testing.assert_array_equal, unchanged, {key: x for key, x in data.items() if key != "images"}
        )


@pytest.mark.parametrize("sampler", [core.ConstantFactorSampler(0.7), core.NormalFactorSampler(0.4, 0.2, 0.1, 0.9)])
def test_factors_are_distributions_too(sampler):
    layer = layers.RandomColorDegeneration(sampler, seed=0)
    drawn = 1 - layer.draw(np.random.default_rng(0), 1000, 1, 1)["factors"]
    low, mean, high = (0.7,) * 3 if isinstance(sampler, core.ConstantFactorSampler) else (0.1, 0.4, 0.9)
    assert abs(drawn.mean() - mean) < 0.02 and drawn.min() >= low - 1e-6 and drawn.max() <= high + 1e-6
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(images()), layer(images()))


@pytest.mark.parametrize("factor", [0.3, (0.3, 0.3), core.UniformFactorSampler(0.3, 0.3)])
def test_brightness_is_symmetric_for_a_number_alone(factor):
    drawn = layers.RandomBrightness(factor).draw(np.random.default_rng(0), 500, 1, 1)["amounts"] / 255
    assert drawn.max() <= 0.3 + 1e-6 and (drawn.min() < -0.25 if factor == 0.3 else drawn.min() > 0.29)


def test_grey_of_one_channel():
    assert layers.Grayscale()(images()).shape == (4, 20, 24, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomBrightness(2), r"factor must be a range within \[-1.0, 1.0\]"),
        (
            lambda: layers.RandomBrightness("much"),
            "factor must be a number, a pair of numbers or a FactorSampler; got 'much'",
        ),
        (lambda: layers.RandomSaturation((0.5, 0.2)), "the smaller end first"),
        (lambda: layers.RandomHue(0.5, value_range=(255, 0)), "value_range must be a pair, the lower end first"),
        (lambda: layers.RandomContrast(factor="x"), "factor must be a number or a pair of numbers; got 'x'"),
        (lambda: layers.RandomGrayscale(1.5), "factor, a probability, must lie within 0 and 1; got 1.5"),
        (lambda: layers.Grayscale(2), "output_channels must be 1 or 3; got 2"),
        (lambda: layers.Posterization(bits=9), "bits must be whole numbers of bits from 1 to 8; got 9"),
        (lambda: layers.RandomPosterization((4, 2)), r"from 1 to 8; got \(4, 2\)"),
        (lambda: layers.Equalization(bins=1), "bins must be a whole number from 2 to 256; got 1"),
        (lambda: layers.RandomJpegQuality(50), "factor must be a pair of qualities"),
        (lambda: layers.RandomGaussianBlur(0, 1.0), "kernel_size must be a whole number from 1"),
        (lambda: layers.ChannelShuffle(2)(images()), "3 channels cannot be divided into 2 groups"),
        (lambda: layers.RandomChannelShift()(images()[..., :1]), r"for 3 channels \(channels=\), the images have 1"),
        (lambda: layers.RandomJpegQuality((5, 9))(images()[..., :2]), "JPEG has images of 1 or 3 channels; got 2"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@both
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_one_pixel(make, dtype):
    for level in (0, 90, 255):
        result = seeded(make)(np.full((3, 1, 1, 3), level, dtype))
        assert result.shape == (3, 1, 1, 3) and result.dtype == dtype and np.isfinite(result).all()


@both
def test_loaders_workers_get_the_same_layer(make):
    layer = seeded(make)
    layer(images())
    copy = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(copy(images()), layer(images()))
