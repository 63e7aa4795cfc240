"""ResNet against the real KerasHub: what it saved loads here, what is saved here loads there, and they agree."""

import json

import keras
import numpy as np
import pytest

from keras_cv.models import (
    Backbone,
    ImageClassifier,
    Preprocessor,
    ResNetBackbone,
    ResNetImageClassifier,
    ResNetImageClassifierPreprocessor,
)
from keras_zoo import PresetError

keras_hub = pytest.importorskip("keras_hub")
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore")]  # KerasHub's own warn
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}
SIZES = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 8]}
STACKS = {"stackwise_num_blocks": [1, 1], "stackwise_num_strides": [1, 2]}
KINDS = {
    "version 1": {"block_type": "basic_block"},
    "version 2": {"block_type": "bottleneck_block", "use_pre_activation": True},
    "D": {
        "block_type": "basic_block_vd",
        "input_conv_filters": [4, 4, 64],
        "input_conv_kernel_sizes": [3, 3, 3],
    },
}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3)).astype("uint8")


def spread(model):
    """Random values in every variable, near 1 where they scale."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        value = random.normal(0, 0.3, tuple(weight.shape)).astype("float32")
        scale = weight.path.endswith(("gamma", "moving_variance"))
        weight.assign(np.abs(1 + value) if scale else value / 2)
    return model


def there(kind):
    """KerasHub's classifier."""
    backbone = keras_hub.models.ResNetBackbone(**SIZES | STACKS | KINDS[kind], image_shape=(24, 20, 3))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(24, 20), scale=[0.01, 0.02, 0.03], offset=[-1.0, 0.0, 1.0], crop_to_aspect_ratio=True
    )
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(image_converter=converter)
    settings = {"num_classes": 3, "pooling": "max", "activation": "softmax", "dropout": 0.2}
    return keras_hub.models.ResNetImageClassifier(backbone, preprocessor=preprocessor, **settings)


def outputs(model, pixels):
    return keras.ops.convert_to_numpy(model(pixels, training=False))


def converted(preprocessor):
    return np.asarray(preprocessor(PIXELS)).astype("float32")


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind, tmp_path):
    """KerasHub's, ours from its folder, KerasHub's from ours: the same weights, outputs, settings and pixels."""
    theirs = spread(there(kind))
    theirs.save_to_preset(str(tmp_path / "theirs"))
    ours = ImageClassifier.from_preset(tmp_path / "theirs")
    ours.save_to_preset(tmp_path / "ours", format="keras_hub", max_shard_size=2e-4 if kind == "D" else 5)
    again = keras_hub.models.ImageClassifier.from_preset(str(tmp_path / "ours"))
    for a, b in zip(again.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    pixels = converted(theirs.preprocessor)
    np.testing.assert_allclose(converted(ours.preprocessor), pixels, atol=0.0301)  # a grey level
    np.testing.assert_array_equal(converted(again.preprocessor), pixels)
    expected = outputs(theirs, pixels)
    assert expected.std() > 0.01
    np.testing.assert_allclose(outputs(ours, pixels), expected, **TOLERANCE)
    np.testing.assert_allclose(outputs(again, pixels), expected, **TOLERANCE)
    for name in ("num_classes", "pooling", "dropout"):
        assert getattr(again, name) == getattr(theirs, name)
    for part in (lambda model: model.backbone, lambda model: model.preprocessor.image_converter):
        before, after = (json.loads(json.dumps(part(model).get_config(), default=str)) for model in (theirs, again))
        assert {**after, "name": 0, "dtype": 0} == {**before, "name": 0, "dtype": 0}


def backbone(**overrides):
    return ResNetBackbone(**SIZES | STACKS | {"block_type": "basic_block"} | overrides)


def test_made_here(tmp_path):
    """A model that KerasHub never saw; the names of its classes come back here."""
    preprocessor = ResNetImageClassifierPreprocessor((32, 32), scale=1 / 255)
    task = spread(ResNetImageClassifier(backbone(), class_names=["a", "b"], preprocessor=preprocessor))
    task.save_to_preset(tmp_path, format="keras_hub")
    theirs = keras_hub.models.ImageClassifier.from_preset(str(tmp_path))
    pixels = converted(preprocessor)
    np.testing.assert_allclose(converted(theirs.preprocessor), pixels, atol=1.01 / 255)
    np.testing.assert_allclose(outputs(theirs, pixels), outputs(task, pixels), **TOLERANCE)
    again = ImageClassifier.from_preset(tmp_path)
    assert again.class_names == ["a", "b"] and again.preprocessor.get_config() == preprocessor.get_config()


def test_parts_alone(tmp_path):
    ours = ResNetImageClassifierPreprocessor((12, 9), scale=0.5, offset=[1.0, 2.0, 3.0], interpolation="nearest")
    ours.save_to_preset(tmp_path / "ours", format="keras_hub")
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["image_converter.json", "preprocessor.json"]
    assert Preprocessor.from_preset(tmp_path / "ours").get_config() == ours.get_config()
    there("version 1").preprocessor.save_to_preset(str(tmp_path / "theirs"))
    assert Preprocessor.from_preset(tmp_path / "theirs").scale == [0.01, 0.02, 0.03]


def cropped():
    return ResNetImageClassifier(
        backbone(), num_classes=2, preprocessor=ResNetImageClassifierPreprocessor((32, 32), resize_to=40)
    )


REFUSED = {
    "KerasCV's padding": (lambda: backbone(padding="same"), r"padding='same' \(there it is always 'symmetric'\)"),
    "epsilon": (lambda: backbone(epsilon=1e-3), "epsilon=0.001"),
    "a fused network": (lambda: backbone(fused=True), "fused=True"),
    "rescaling inside": (lambda: backbone(include_rescaling=True), "include_rescaling=True"),
    "the stride elsewhere": (lambda: backbone(block_type="bottleneck_block", strided_conv=1), "strided_conv=1"),
    "channels first": (lambda: backbone(data_format="channels_first", image_shape=(3, None, None)), "data_format="),
    "another shortcut": (
        lambda: backbone(project_first=True),
        "project_first=True",
    ),
    "a narrower stack": (lambda: backbone(stackwise_num_filters=[32, 8]), "first stack of 64 filters.* with 32"),
    "resized before it is cut": (cropped, "ResNetImageConverter cannot express resize_to=40"),
    "a head of another precision": (
        lambda: ResNetImageClassifier(backbone(), num_classes=2, head_dtype="float32"),
        "head_dtype='float32'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind, tmp_path):
    make, message = REFUSED[kind]
    with pytest.raises(PresetError, match=message):
        make().save_to_preset(tmp_path / "folder", format="keras_hub")
    assert not (tmp_path / "folder").exists()


def test_what_says_the_same_is_written(tmp_path):
    """Spelt out, or without any effect on this network."""
    made = backbone(strided_conv=1, project_first=False, data_format="channels_last")
    made.save_to_preset(tmp_path, format="keras_hub")
    again = Backbone.from_preset(tmp_path)
    assert [weight.path for weight in again.weights] == [weight.path for weight in made.weights]
    assert keras_hub.models.ResNetBackbone.from_preset(str(tmp_path)).count_params() == made.count_params()
