"""The residual network itself: variants, shapes, pyramids, fusing."""

import keras
import numpy as np
import pytest

from keras_cv.models import Backbone, ResNetBackbone, ResNetImageClassifier
from keras_cv.models.resnet import FAMILY
from keras_cv.ops.fuse import foldable
from keras_zoo import Task

STEM = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7]}
DEEP = {"input_conv_filters": [4, 4, 8], "input_conv_kernel_sizes": [3, 3, 3]}
VARIANTS = {
    "v1.5": {},
    "v1": {"strided_conv": 1},
    "v2": {"use_pre_activation": True},
    "C": DEEP,
    "D": DEEP | {"block_type": "bottleneck_block_vd"},
    "v2 D": DEEP | {"block_type": "basic_block_vd", "use_pre_activation": True},
    "basic": {"block_type": "basic_block"},
    "KerasCV v1": {"padding": "same", "strided_conv": 1, "epsilon": 1.001e-5, "include_rescaling": True},
    "KerasCV v2": {
        "padding": "same",
        "use_pre_activation": True,
        "use_bias": True,
        "strided_block": "last",
        "stackwise_num_blocks": [2, 2],
        "stackwise_num_strides": [2, 2],
    },
}


def random_network(seed=0, **settings):
    """A small network whose normalisations have random statistics."""
    model = ResNetBackbone(**FAMILY.tiny | settings)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "moving_variance":
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.name != "kernel":
            weight.assign(random.normal(weight.name == "gamma", 0.2, weight.shape))
    return model


def images(size=(2, 37, 64), channels_first=False):
    batch = np.random.default_rng(1).uniform(0, 2, (*size, 3)).astype("float32")
    return batch.transpose(0, 3, 1, 2) if channels_first else batch


def run(model, batch):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(batch, training=False))


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name, tmp_path):
    """Shapes, both orders of channels, presets, and a fused copy that computes the same and can be saved."""
    model = random_network(**VARIANTS[name])
    expected = run(model, images())
    reduction = 4 * np.prod(model.stackwise_num_strides)
    height, width = (-(-n // reduction) for n in (37, 64))
    assert expected.shape[:3] == (2, height, width) and expected.std() > 0.01
    turned = ResNetBackbone(**FAMILY.tiny | VARIANTS[name], data_format="channels_first")
    turned.set_weights(model.get_weights())
    found = run(turned, images(channels_first=True)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-4 * abs(expected).max())
    fused = model.fuse()
    assert type(fused) is ResNetBackbone and len(fused.layers) == len(model.layers) - len(foldable(model))
    np.testing.assert_allclose(run(fused, images()), expected, atol=1e-5 * max(1, abs(expected).max()))
    fused.save_to_preset(tmp_path / "fused")
    np.testing.assert_array_equal(run(Backbone.from_preset(tmp_path / "fused"), images()), run(fused, images()))
    left = [layer for layer in fused.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert bool(left) == model.use_pre_activation  # those that read a sum stay


def test_pyramids():
    model = random_network()
    assert list(model.pyramid_outputs) == ["P2", "P3"]
    found = run(model.feature_pyramid(), images((1, 64, 32)))
    assert {level: x.shape for level, x in found.items()} == {"P2": (1, 16, 8, 16), "P3": (1, 8, 4, 24)}
    np.testing.assert_array_equal(found["P3"], run(model, images((1, 64, 32))))
    one = model.feature_pyramid(["P2"])
    np.testing.assert_array_equal(run(one, images((1, 64, 32)))["P2"], found["P2"])
    assert len(one.weights) < len(model.weights)
    for levels in (["P6"], []):
        with pytest.raises(ValueError, match=r"levels must be some of \['P2', 'P3'\]; got"):
            model.feature_pyramid(levels)
    again = keras.Model(model.inputs, model.pyramid_outputs)  # as KerasHub's users write it
    np.testing.assert_array_equal(run(again, images((1, 64, 32)))["P2"], found["P2"])


def test_fused_classifiers(tmp_path):
    task = ResNetImageClassifier(random_network(), 3, activation="softmax", pooling="max")
    fused = task.fuse()
    expected = task.predict(images(), verbose=0)
    np.testing.assert_allclose(fused.predict(images(), verbose=0), expected, atol=1e-4)
    labels = np.array([0, 2])
    np.testing.assert_allclose(
        fused.evaluate(images(), labels, verbose=0), task.evaluate(images(), labels, verbose=0), atol=1e-4
    )
    fused.save(tmp_path / "fused.keras")
    fused.save_to_preset(tmp_path / "preset")
    for again in (keras.saving.load_model(tmp_path / "fused.keras"), Task.from_preset(tmp_path / "preset")):
        np.testing.assert_allclose(again.predict(images(), verbose=0), expected, atol=1e-4)
        for train in (again.fit, again.train_on_batch, fused.backbone.fit):
            with pytest.raises((ValueError, RuntimeError), match=r"fused, for inference|compile"):
                train(images(), labels)
    with pytest.raises(ValueError, match=r"This ResNetImageClassifier is fused.*Train the model that fuse"):
        fused.fit(images(), labels)
    with pytest.raises(ValueError, match="is fused already"):
        fused.fuse()
    task.fit(images(), labels, verbose=0)  # the model itself goes on


@pytest.mark.once
def test_adapters_are_merged_before_fusing():
    model = random_network()
    model.enable_lora(2, ["*_conv"])
    with pytest.raises(ValueError, match=r"merge_lora_weights\(\) first"):
        model.fuse()
    model.merge_lora_weights()
    np.testing.assert_allclose(run(model.fuse(), images()), run(model, images()), atol=1e-4)


@pytest.mark.once
def test_only_what_one_normalisation_reads_is_folded():
    image = keras.Input((8, 8, 3))
    conv = keras.layers.Conv2D(4, 3, name="shared")(image)
    norm = keras.layers.BatchNormalization()(conv)
    active = keras.layers.Conv2D(4, 3, activation="relu", name="active")(norm)
    plain = keras.layers.Conv2D(4, 3, name="plain")(keras.layers.BatchNormalization()(active))
    outputs = keras.layers.BatchNormalization(name="last")(plain)
    model = keras.Model(image, [outputs, keras.layers.Add()([conv, norm])])
    assert {name: norm.name for name, norm in foldable(model).items()} == {"plain": "last"}


@pytest.mark.once
@pytest.mark.parametrize(
    ("layers", "kind", "count"),
    [
        ([2, 2, 2, 2], "basic_block", 11_186_112),
        ([3, 4, 6, 3], "basic_block", 21_301_696),
        ([3, 4, 6, 3], "bottleneck_block", 23_561_152),
    ],
)
def test_parameters(layers, kind, count):
    """As many as KerasHub says; half of what a normalisation has does not train."""
    sizes = {"stackwise_num_filters": [64, 128, 256, 512], "stackwise_num_strides": [1, 2, 2, 2]}
    model = ResNetBackbone(**STEM, **sizes, stackwise_num_blocks=layers, block_type=kind)
    assert model.count_params() == count
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert sum(layer.gamma.shape[0] for layer in norms) * 2 == sum(
        np.prod(w.shape) for w in model.non_trainable_weights
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_type": "block"}, "block_type must be one of .*got 'block'"),
        ({"padding": "valid"}, "padding must be one of .*got 'valid'"),
        ({"strided_conv": 4}, r"strided_conv must be one of \(1, 2, 3\); got 4"),
        ({"strided_conv": 3, "block_type": "basic_block"}, r"strided_conv must be one of \(1, 2\); got 3"),
        ({"strided_block": 0}, "strided_block must be one of"),
        ({"data_format": "NCHW"}, "data_format must be one of .*got 'NCHW'"),
        (
            {"input_conv_filters": [8, 8]},
            r"input_conv_filters=\[8, 8\], input_conv_kernel_sizes=\[7\] must be",
        ),
        ({"stackwise_num_blocks": [1]}, r"stackwise_num_blocks=\[1\], .*must be lists of one length"),
        ({"stackwise_num_blocks": [1, 0]}, "of whole numbers above 0"),
        ({"image_shape": (32, 32)}, r"image_shape must be \(height, width, channels\) for 'channels_last'"),
        ({"image_shape": (8, 8, None)}, "with known channels; got"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        ResNetBackbone(**FAMILY.tiny | settings)
