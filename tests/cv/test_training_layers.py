"""Layers that train faster than Keras' own, and compute the same."""

import keras
import numpy as np
import pytest

from keras_cv.layers import BatchNormalization, Conv2D
from keras_cv.models import ResNetBackbone, ResNetImageClassifier
from keras_cv.models.resnet import FAMILY

IMAGES = np.random.default_rng(0).normal(3, 2, (4, 7, 6, 5)).astype("float32")
TARGETS = np.random.default_rng(1).normal(0, 1, (4, 2)).astype("float32")


def network(conv, norm, dtype="float32", strides=1, **options):
    """A kernel before and behind the normalisation, so that its gradient reaches one and comes from the other."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input(IMAGES.shape[1:]),
        conv(8, 1, strides=strides, use_bias=False, dtype=dtype),
        norm(dtype=dtype, epsilon=1e-5, momentum=0.8, **options),
        keras.layers.Activation("relu", dtype=dtype),
        conv(2, (1, 1), activation="tanh", dtype=dtype),
        keras.layers.GlobalAveragePooling2D(dtype=dtype),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    return model


def trained(model, steps=3):
    losses = [float(model.train_on_batch(IMAGES, TARGETS)) for _ in range(steps)]
    return losses, [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("strides", [1, 2, (2, 3)])
def test_training_as_keras(strides):
    """Three steps: losses, kernels, gamma, beta and the moving statistics."""
    losses, weights = trained(network(Conv2D, BatchNormalization, strides=strides))
    expected, theirs = trained(network(keras.layers.Conv2D, keras.layers.BatchNormalization, strides=strides))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for ours, wanted in zip(weights, theirs, strict=True):
        np.testing.assert_allclose(ours, wanted, atol=2e-5)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD", "Lion"])
def test_inference_follows_training(optimizer):
    """What predict computes after each step is what the weights of then give, whatever it has kept from before."""
    model = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), num_classes=2)
    model.backbone.freeze("*_bn")
    model.compile(getattr(keras.optimizers, optimizer)(0.01))
    images = np.random.default_rng(2).normal(size=(4, 33, 32, 3)).astype("float32")
    for _ in range(3):
        before = model.predict(images, verbose=0)
        model.fit(images, np.arange(4) % 2, verbose=0)
        again = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), num_classes=2)
        again.set_weights(model.get_weights())
        found = model.predict(images, verbose=0)
        assert abs(found - before).max() > 1e-3
        np.testing.assert_allclose(found, again.predict(images, verbose=0), atol=1e-4)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"renorm": True}, {"trainable": False}])
def test_other_options_are_keras_own(options):
    losses, _ = trained(network(Conv2D, BatchNormalization, **options))
    expected, _ = trained(network(keras.layers.Conv2D, keras.layers.BatchNormalization, **options))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(dtype):
    """In half precision rounding shows; statistics are kept in float32."""
    model = network(Conv2D, BatchNormalization, dtype)
    losses, weights = trained(model)
    expected, theirs = trained(network(keras.layers.Conv2D, keras.layers.BatchNormalization, dtype))
    np.testing.assert_allclose(losses, expected, rtol=0.03)
    assert all(weight.dtype == "float32" for weight in weights)
    np.testing.assert_allclose(weights[3], theirs[3], rtol=0.03, atol=0.02)


def test_inference_and_configuration():
    model = network(Conv2D, BatchNormalization)
    trained(model)
    plain = network(keras.layers.Conv2D, keras.layers.BatchNormalization)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), plain.predict(IMAGES, verbose=0), rtol=1e-5, atol=1e-6)
    again = keras.Sequential.from_config(model.get_config())
    assert [type(layer) for layer in again.layers[:2]] == [Conv2D, BatchNormalization]


def test_one_pixel():
    """A batch that is a single value for each channel has no variance."""
    layer = BatchNormalization(epsilon=1e-3)
    outputs = keras.ops.convert_to_numpy(layer(np.ones((1, 1, 1, 3), "float32"), training=True))
    np.testing.assert_allclose(outputs, 0.0, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_variance), 0.99, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": (3, 2), "padding": "same", "strides": 2, "use_bias": False},
        {"kernel_size": 4, "padding": "same", "strides": (2, 3)},
        {"kernel_size": 3, "padding": "same", "dilation_rate": 2, "activation": "tanh"},
        {"kernel_size": 3, "strides": 2},
        {"kernel_size": 2, "groups": 2},
    ],
)
def test_convolution_as_keras(options, data_format):
    """Outputs, with and without gradients, and what a step makes of the kernel, for every padding and stride."""
    if data_format == "channels_first" and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow computes channels first on a GPU only")
    images = np.random.default_rng(0).normal(size=(2, 7, 10, 4)).astype("float32")
    images = images if data_format == "channels_last" else images.transpose(0, 3, 1, 2)
    targets = np.random.default_rng(1).normal(size=2).astype("float32")
    found = []
    for conv in (Conv2D, keras.layers.Conv2D):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input(images.shape[1:]),
                conv(6, data_format=data_format, bias_initializer="uniform", **options),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1), "mse")
        loss = model.train_on_batch(images, targets)
        outputs = model.layers[0](images)
        found.append([loss, model.predict(images, verbose=0), outputs, *model.weights])
    for ours, theirs in zip(*found, strict=True):
        ours, theirs = keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
