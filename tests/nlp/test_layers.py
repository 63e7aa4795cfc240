"""Layers that generation reads by another layout of their matrices: the same numbers as without it."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from keras_nlp.generation.weights import Weights
from keras_nlp.layers import Dense, Dropout, ReversibleEmbedding, turned
from keras_zoo.compiled import compile_function


def compiled(layer, x, monkeypatch, **options):
    """What the layer gives in a compiled program, and how often it multiplied by a turned matrix there."""
    products, product = [], turned.product
    monkeypatch.setattr(turned, "product", lambda *args: products.append(args) or product(*args))
    weights = Weights([layer], {})
    program = compile_function(lambda x: layer(x, **options), weights)
    return keras.ops.convert_to_numpy(program(weights.values(), x)), len(products)


def used_by_dense():
    return 0 if keras.backend.backend() == "torch" else 1  # torch turns kernels in place


@pytest.mark.parametrize("shape", [(1, 6), (3, 6), (2, 40, 6)])
@pytest.mark.parametrize(("bias", "activation"), [(True, "relu"), (False, None)])
def test_dense(random, monkeypatch, shape, bias, activation):
    layer = Dense(5, use_bias=bias, activation=activation, bias_initializer="normal")
    x = keras.ops.convert_to_tensor(random.normal(size=shape).astype("float32"))
    expected = keras.ops.convert_to_numpy(layer(x))
    found, products = compiled(layer, x, monkeypatch)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert products == used_by_dense() and found.shape == (*shape[:-1], 5)


@pytest.mark.parametrize("shape", [(1, 6), (2, 3, 6)])
def test_reversible_embedding(random, monkeypatch, shape):
    layer = ReversibleEmbedding(9, 6)
    layer.build(())
    x = keras.ops.convert_to_tensor(random.normal(size=shape).astype("float32"))
    found, products = compiled(layer, x, monkeypatch, reverse=True)
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(layer(x, reverse=True)), atol=1e-5)
    assert products == 1 and found.shape == (*shape[:-1], 9)


@pytest.mark.parametrize(
    "options", [{"tie_weights": False}, {"logit_soft_cap": 0.5}, {"reverse_dtype": "float64"}], ids=str
)
def test_what_only_keras_knows_is_left_to_it(random, monkeypatch, options):
    layer = ReversibleEmbedding(9, 6, **options)
    layer.build(())
    x = keras.ops.convert_to_tensor(random.normal(size=(2, 6)).astype("float32"))
    found, products = compiled(layer, x, monkeypatch, reverse=True)
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(layer(x, reverse=True)), atol=1e-5)
    assert products == 0


def test_adapted_and_half_precision_kernels(random, monkeypatch):
    x = keras.ops.convert_to_tensor(random.normal(size=(2, 6)).astype("float32"))
    adapted = Dense(5)
    adapted(x)
    adapted.enable_lora(2)
    adapted.lora_kernel_b.assign(random.normal(size=(2, 5)))
    for layer in (adapted, Dense(5, dtype="mixed_bfloat16")):
        expected = keras.ops.convert_to_numpy(keras.ops.cast(layer(x), "float32"))
        found, products = compiled(layer, x, monkeypatch)
        np.testing.assert_allclose(found.astype("float32"), expected, atol=1e-2 if layer is not adapted else 1e-5)
        assert products == 0


def test_another_thread_reads_kernels_as_they_are(random):
    layer = Dense(5)
    x = keras.ops.convert_to_tensor(random.normal(size=(2, 6)).astype("float32"))
    expected = keras.ops.convert_to_numpy(layer(x))
    with turned.turned_kernels([layer.kernel], [keras.ops.zeros((5, 6))]), ThreadPoolExecutor() as pool:
        found = pool.submit(lambda: keras.ops.convert_to_numpy(layer(x))).result()
    np.testing.assert_array_equal(found, expected)


def test_dropout():
    """The rate, the scale, what is kept changing from call to call, and the seed; at 0 and outside training nothing."""
    keras.utils.set_random_seed(1)
    layer, x = Dropout(0.25), keras.ops.ones((40, 50, 3))
    first, second = (keras.ops.convert_to_numpy(layer(x, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)} and (first != second).mean() > 0.3
    assert abs((first == 0).mean() - 0.25) < 0.03 and abs((first == 0).mean((0, 1)) - 0.25).max() < 0.05
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(Dropout(0.25)(x, training=True)), first)
    for same in (layer(x), Dropout(0.0)(x, training=True)):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(same), np.ones(x.shape))


@pytest.mark.parametrize("options", [{}, {"seed": 3}, {"noise_shape": (None, 1, None)}])
def test_dropout_goes_through_training(options):
    """Gradients pass where values do, and half precision stays so."""
    layer = Dropout(0.5, dtype="bfloat16", **options)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    model = keras.Sequential([Dense(8), layer, Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    start = model.fit(np.ones((16, 5, 4)), np.ones((16, 5, 1)), epochs=8, verbose=0).history["loss"]
    assert start[-1] < start[0]
    assert keras.backend.standardize_dtype(layer(np.ones((2, 5, 4)), training=True).dtype) == "bfloat16"
