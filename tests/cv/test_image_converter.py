"""Resizing, cropping and scaling: equal to torchvision's, timm's and transformers' on photographs."""

import warnings

import keras
import numpy as np
import pytest
import skimage.data
import timm
import timm.data
import torch
from PIL import Image
from torchvision import transforms
from transformers import ConvNextImageProcessor

from keras_cv.layers import ImageConverter
from keras_cv.layers.image_converter import from_mean_and_std
from keras_cv.models.resnet.torch_names import read_pretrained
from keras_cv.ops import resizing
from keras_cv.tasks.image_processor import read_pixels, read_sizes

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTOGRAPHS = ("chelsea", "coffee", "rocket", "astronaut")
ONE_LEVEL = 1 / 255 / min(STD) + 1e-5  # a grey level after normalisation

pytestmark = pytest.mark.once


@pytest.fixture(params=PHOTOGRAPHS)
def photograph(request):
    return np.ascontiguousarray(getattr(skimage.data, request.param)())


def test_torchvision(photograph):
    for interpolation, length, first in (("bilinear", 224, 256), ("bicubic", 224, 232), ("bicubic", 160, 177)):
        steps = [
            transforms.Resize(first, interpolation=transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(length),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
        expected = transforms.Compose(steps)(Image.fromarray(photograph)).permute(1, 2, 0).numpy()
        options = {"resize_to": first, "interpolation": interpolation, "antialias": True}
        found = ImageConverter((length, length), **options, **from_mean_and_std(MEAN, STD))(photograph)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet50.a1_in1k", "resnet18.tv_in1k", "resnet50d.ra2_in1k", "resnetv2_50.a1h_in1k"])
@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_timm(photograph, name, crop_mode):
    settings = timm.get_pretrained_cfg(name).to_dict() | {"crop_mode": crop_mode}
    transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=settings))
    expected = transform(Image.fromarray(photograph)).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ImageConverter(**read_pretrained(settings))(photograph), expected, atol=1e-5)


def test_dictionaries():
    import tensorflow as tf

    data = {"images": np.full((4, 9, 7, 3), 51, "uint8"), "labels": np.arange(4)}
    converter = ImageConverter((6, 6), scale=1 / 255)
    for found in (converter(data), next(iter(tf.data.Dataset.from_tensor_slices(data).batch(4).map(converter)))):
        np.testing.assert_allclose(found["images"], np.full((4, 6, 6, 3), 0.2), atol=1e-6)
        np.testing.assert_array_equal(found["labels"], data["labels"])
    with pytest.raises(ValueError, match=r"got images, bounding_boxes\. Boxes and masks follow"):
        converter({"images": data["images"], "bounding_boxes": {}})
    with pytest.raises(ValueError, match="a dictionary with images and labels; got image"):
        converter({"image": data["images"]})


@pytest.mark.parametrize("size", [224, 384])
def test_transformers(photograph, size):
    """Within a grey level, where no half pixel is cut, which it rounds down and torchvision to the even one."""
    photograph = photograph[:, :638]  # the rocket's width would be odd otherwise
    processor = ConvNextImageProcessor(size={"shortest_edge": size})
    expected = processor(photograph, return_tensors="np").pixel_values[0].transpose(1, 2, 0)
    settings = processor.to_dict() | {"size": {"shortest_edge": size}}
    found = ImageConverter(**read_sizes(settings), **read_pixels(settings))(photograph)
    np.testing.assert_allclose(found, expected, atol=ONE_LEVEL)


def test_floats_are_resized_as_bytes_are(photograph):
    converter = ImageConverter((64, 50), antialias=True)
    difference = abs(converter(photograph.astype("float32")) - converter(photograph))
    assert difference.max() < 1.01 and difference.mean() < 0.3


@pytest.mark.parametrize("interpolation", resizing.KERNELS)
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(23, 31), (80, 90), (37, 50)])
def test_resizing_is_that_of_keras(interpolation, antialias, size):
    image = np.random.default_rng(0).uniform(0, 255, (37, 50, 3)).astype("float32")
    found = resizing.resize(image, size, interpolation, antialias)
    expected = keras.ops.image.resize(image, size, interpolation, antialias=antialias, data_format="channels_last")
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_nearest_takes_pixels_as_they_are():
    image = np.arange(12, dtype="uint8").reshape(4, 3, 1)
    np.testing.assert_array_equal(resizing.resize(image, (2, 3), "nearest")[..., 0], [[3, 4, 5], [9, 10, 11]])
    np.testing.assert_array_equal(resizing.resize(image, (4, 6), "nearest")[0, :, 0], [0, 0, 1, 1, 2, 2])


def test_proportions():
    image = np.zeros((40, 100, 3), "uint8")
    image[:, 30:70] = 255  # a square in the middle
    assert (ImageConverter((20, 20))(image) == 255).all()
    stretched = ImageConverter((20, 20), crop_to_aspect_ratio=False)(image)
    assert (stretched[:, :5] == 0).all() and (stretched[:, 7:13] == 255).all()
    padded = ImageConverter((20, 20), crop_to_aspect_ratio=False, pad_to_aspect_ratio=True)(image)
    assert (padded[:5] == 0).all() and (padded[15:] == 0).all() and (padded[7:13, 7:13] == 255).all()
    small = ImageConverter((60, 60), resize_to=40, antialias=True)(image)  # the crop is larger than what was resized
    assert (small[:10] == 0).all() and (small[50:] == 0).all() and (small[15:45, 15:45] == 255).all()


def test_every_shape_and_type_of_image():
    converter = ImageConverter((8, 8), scale=1 / 255)
    assert converter(np.zeros((9, 9, 3), "uint8")).shape == (8, 8, 3)
    assert converter(np.zeros((9, 9), "uint8")).shape == (8, 8, 3)
    assert converter([np.zeros((9, 9, 4), "uint8"), np.zeros((5, 7, 1), "uint8")]).shape == (2, 8, 8, 3)
    assert converter(torch.zeros(2, 9, 9, 3)).shape == (2, 8, 8, 3)
    assert converter(np.zeros((4, 28, 28), "uint8")).shape == (4, 8, 8, 3)
    x, y, w = converter(np.full((2, 9, 9, 3), 255, "uint8"), [1, 2], [0.5, 1])
    assert x.dtype == np.float32 and (x == 1).all() and y == [1, 2] and w == [0.5, 1]


def test_inside_tf_data(tmp_path):
    import tensorflow as tf

    converter = ImageConverter((20, 24), scale=[1 / 255, 1, 2], offset=-1, interpolation="bicubic")
    images = np.random.default_rng(0).integers(0, 256, (4, 30, 31, 3), dtype="uint8")
    batches = tf.data.Dataset.from_tensor_slices(images).batch(2).map(converter)
    assert batches.element_spec.shape.as_list() == [None, 20, 24, 3]
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in batches]), converter(images))
    single = tf.data.Dataset.from_tensor_slices(images).map(converter)
    assert single.element_spec.shape.as_list() == [20, 24, 3]
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    paths = tf.data.Dataset.from_tensors([str(tmp_path / "a.png")]).map(converter)
    np.testing.assert_array_equal(next(iter(paths)), converter(images[:1]))
    nowhere = tf.data.Dataset.from_tensors([""]).map(converter)
    with pytest.raises(tf.errors.InvalidArgumentError, match="The image in 0 bytes"):
        list(nowhere)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 224}, r"image_size must be \(height, width\), .* got 224"),
        ({"image_size": (0, 5)}, r"image_size .* got \(0, 5\)"),
        ({"image_size": (8, 8), "interpolation": "area"}, "interpolation must be one of .*got 'area'"),
        ({"image_size": (8, 8), "resize_to": "x"}, "resize_to must be the length of the shorter side"),
        ({"resize_to": 9}, "resize_to needs an image_size"),
        ({"image_size": (8, 8), "pad_to_aspect_ratio": True}, "goes with crop_to_aspect_ratio=False"),
        ({"scale": [1, 2]}, r"scale must be a number, one for each of three channels, or None; got \[1, 2\]"),
        ({"offset": "x"}, "offset must be a number"),
        ({"scale": float("nan")}, "scale must be a number"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ImageConverter(**options)


def test_sizes_that_cannot_be_batched():
    images = [np.zeros((5, 6, 3), "uint8"), np.zeros((6, 6, 3), "uint8")]
    with pytest.raises(ValueError, match=r"The images have 2 sizes, .* set image_size to batch them"):
        ImageConverter()(images)
    assert ImageConverter()(images[:1]).shape == (1, 5, 6, 3)


def test_one_image_alone_cannot_be_a_batch_of_five_channels():
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        ImageConverter((8, 8))([np.zeros((9, 9, 5), "uint8")])


def test_images_that_look_scaled_are_warned_of(random):
    converter = ImageConverter((8, 8), scale=1 / 255)
    with pytest.warns(UserWarning, match="as if scaled to 0-1"):
        converter(random.random((20, 20, 3)).astype("float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        converter(random.integers(0, 2, (20, 20, 3)).astype("float32"))
        converter(random.random((20, 20, 3)).astype("float32") * 255)
