"""Colours against Pillow and torchvision on photographs, and uint8 against float32."""

import sys
import types

import numpy as np
import pytest
from photographs import photographs
from PIL import Image, ImageEnhance, ImageOps

from keras_cv.ops import colour, filters

pytestmark = pytest.mark.once
FACTORS = (0.0, 0.1, 0.73, 1.0, 1.4, 1.9)


def images(dtype="uint8"):
    return photographs((61, 83)).astype(dtype)


def with_pillow(function):
    return np.stack([np.asarray(function(Image.fromarray(image))) for image in images()])


def difference(a, b):
    return np.abs(a.astype("float64") - b).max()


def enhance(name, factor):
    return with_pillow(lambda image: getattr(ImageEnhance, name)(image).enhance(factor))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("Brightness", colour.brightness),
        ("Contrast", colour.contrast),
        ("Color", colour.saturation),
        ("Sharpness", filters.sharpness),
    ],
)
def test_enhancement_is_pillows(name, function, factor):
    assert difference(function(images(), factor), enhance(name, factor)) <= 1


@pytest.mark.parametrize(
    ("function", "parameters", "pillow"),
    [
        (colour.auto_contrast, (), ImageOps.autocontrast),
        (colour.equalize, (256,), ImageOps.equalize),
        (colour.invert, (), ImageOps.invert),
        *((colour.posterize, (bits,), lambda x, bits=bits: ImageOps.posterize(x, bits)) for bits in range(1, 9)),
        *((colour.solarize, (t,), lambda x, t=t: ImageOps.solarize(x, t)) for t in (0, 1, 77, 128, 255, 256)),
    ],
)
def test_tables_are_pillows(function, parameters, pillow):
    limit = 1 if function is colour.auto_contrast else 0
    assert difference(function(images(), *parameters), with_pillow(pillow)) <= limit


def test_grey_is_pillows():
    grey = with_pillow(lambda image: image.convert("L"))
    assert difference(colour.grayscale(images())[..., 0], grey) <= 1
    assert difference(colour.grayscale(images(), 3), grey[..., None]) <= 1


def test_jpeg_is_pillows():
    import io

    def compress(image, quality):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    for quality in (20, 75, 95):
        ours = filters.jpeg(images(), quality)
        assert difference(ours, with_pillow(lambda image, quality=quality: compress(image, quality))) <= 1


@pytest.fixture(scope="module")
def torchvision():
    """`torchvision.transforms.v2.functional`; its compiled operators are not needed."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("stub"))
    return pytest.importorskip("torchvision.transforms.v2.functional")


def with_torchvision(function):
    """The result of a function of torchvision on float images 0-1, as 0-255, channels last."""
    import torch

    batch = torch.from_numpy(images("float32") / 255).permute(0, 3, 1, 2)
    return 255 * np.stack([function(x).permute(1, 2, 0).numpy() for x in batch])


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("adjust_brightness", colour.brightness),
        ("adjust_contrast", colour.contrast),
        ("adjust_saturation", colour.saturation),
        ("adjust_sharpness", filters.sharpness),
        ("adjust_gamma", colour.gamma),
    ],
)
def test_adjustment_is_torchvisions(torchvision, name, function, factor):
    theirs = with_torchvision(lambda x: getattr(torchvision, name)(x, factor))
    assert difference(function(images("float32"), factor), theirs) < 0.1
    assert difference(function(images(), factor), theirs) <= 1


@pytest.mark.parametrize("turn", [-0.5, -0.13, 0, 0.01, 0.3, 0.5])
def test_hue_is_torchvisions(torchvision, turn):
    theirs = with_torchvision(lambda x: torchvision.adjust_hue(x, turn))
    assert difference(colour.hue_saturation(images("float32"), turn, 1.0), theirs) < 0.1
    assert difference(colour.hue_saturation(images(), turn, 1.0), theirs) <= 1


@pytest.mark.parametrize(("kernel", "sigma"), [((3, 3), 0.7), ((9, 5), 2.0), ((7, 7), 0.01)])
def test_blur_is_torchvisions(torchvision, kernel, sigma):
    theirs = with_torchvision(lambda x: torchvision.gaussian_blur(x, list(kernel), [sigma, sigma]))
    ours = [filters.gaussian_blur(images(d), np.full((4, 2), sigma), np.full((4, 2), kernel)) for d in TYPES]
    assert difference(ours[1], theirs) < 0.1 and difference(ours[0], theirs) <= 1


@pytest.mark.parametrize("name", ["autocontrast", "invert"])
def test_float_tables_are_torchvisions(torchvision, name):
    function = {"autocontrast": colour.auto_contrast, "invert": colour.invert}[name]
    assert difference(function(images("float32")), with_torchvision(getattr(torchvision, name))) < 0.1


TYPES = ("uint8", "float32")
PARAMETERS = [
    (colour.brightness, np.linspace(0, 1.9, 4)),
    (colour.contrast, np.linspace(0, 1.9, 4)),
    (colour.channel_contrast, np.linspace(0, 1.9, 4)),
    (colour.saturation, np.linspace(0, 1.9, 4)),
    (colour.shift, np.linspace(-90, 90, 4)),
    (colour.shift, np.linspace(-90, 90, 12).reshape(4, 3)),
    (colour.hue_saturation, np.linspace(-0.5, 0.5, 4), np.linspace(0, 3, 4)),
    (colour.invert,),
    (colour.posterize, np.arange(1, 5)),
    (colour.solarize, np.array([0, 100.4, 100.6, 255])),
    (colour.solarize_add, np.array([-20, 5.4, 60, 110]), 128),
    (colour.gamma, np.array([0.5, 0.9, 1, 2])),
    (colour.auto_contrast,),
    (colour.equalize, 256),
    (colour.equalize, 16),
    (filters.sharpness, np.linspace(0, 2, 4)),
    (filters.gaussian_blur, np.linspace(0.1, 2, 8).reshape(4, 2), np.full((4, 2), (5, 4))),
    (filters.jpeg, np.array([0, 30, 75, 100])),
    (filters.gaussian_noise, np.array([0, 3, 20, 90]), np.arange(4)),
]


@pytest.mark.parametrize(("function", "parameters"), [(f, p) for f, *p in PARAMETERS])
def test_a_batch_is_its_images_in_both_types(function, parameters):
    byte, single = (function(images(dtype), *parameters) for dtype in TYPES)
    assert byte.dtype == "uint8" and single.dtype == "float32"
    assert single.min() >= 0 and single.max() <= 255
    assert difference(byte, single) <= (0.75 if function is colour.saturation else 0.501)
    for i, image in enumerate(images()):
        row = [p[i] if np.ndim(p) else p for p in parameters]
        function.one(image, *row, image)  # in place
        np.testing.assert_array_equal(image, byte[i])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("function", "parameters"), [(f, p) for f, *p in PARAMETERS])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2)])
def test_tiny_and_extreme_images(function, parameters, size, dtype):
    for level in (0, 255, 100):
        batch = np.full((4, *size, 3), level, dtype)
        result = function(batch, *parameters)
        assert result.shape == batch.shape and result.dtype == dtype and np.isfinite(result).all()


@pytest.mark.parametrize(("function", "parameters"), [(f, p) for f, *p in PARAMETERS if np.ndim(p[0] if p else 0) < 2])
def test_one_channel(function, parameters):
    batch = images()[..., :1].copy()
    byte, single = function(batch, *parameters), function(batch.astype("float32"), *parameters)
    assert byte.shape == batch.shape and difference(byte, single) <= 0.501


def test_what_changes_nothing():
    for function, *parameters in (
        (colour.brightness, 1),
        (colour.contrast, 1),
        (colour.saturation, 1),
        (colour.hue_saturation, 0, 1),
        (colour.shift, 0),
        (colour.posterize, 8),
        (colour.solarize, 256),
        (colour.gamma, 1),
        (filters.sharpness, 1),
        (filters.gaussian_noise, 0, 0),
    ):
        np.testing.assert_array_equal(function(images(), *parameters), images(), err_msg=str(function))


def test_grey_needs_one_or_three_channels():
    with pytest.raises(ValueError, match="1 or 3 channels; got 4"):
        colour.saturation(np.zeros((1, 2, 2, 4), "uint8"), 0.5)
