"""Averaged weights: their numbers, when the model has them, and that training does not notice."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_zoo import WeightsEMA

X = np.random.default_rng(0).normal(size=(16, 4, 4, 3)).astype("float32")
Y = X[:, 0, 0, :2]


def network(optimizer=None, **options):
    """A convolution, normalisation with its statistics, and a dense layer."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(momentum=0.8)])
    model.add(layers.Flatten())
    model.add(layers.Dense(2))
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", **options)
    return model


def values(model):
    return [ops.convert_to_numpy(weight).copy() for weight in model.weights]


class Recorder(keras.callbacks.Callback):
    """The weights that training has made, after each batch, and those that are there at the end of an epoch."""

    def __init__(self):
        super().__init__()
        self.trained, self.seen = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.trained.append(values(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(values(self.model))


def fitted(model, *callbacks, epochs=2, **options):
    recorder = Recorder()
    options = {"batch_size": 4, "epochs": epochs, "shuffle": False, "verbose": 0} | options
    model.fit(X, Y, callbacks=[*callbacks, recorder], **options)
    return recorder


def averages(start, trained, decay, warmup_steps):
    average = start
    for step, weights in enumerate(trained, 1):
        d = decay * (1 - math.exp(-step / warmup_steps)) if warmup_steps else decay
        average = [d * a + (1 - d) * w for a, w in zip(average, weights, strict=True)]
    return average


def assert_near(found, expected, tolerance=1e-6):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize(("decay", "warmup_steps"), [(0.9, 5), (0.7, 0)])
@pytest.mark.parametrize("validated", [True, False])
def test_the_model_has_the_averages_from_an_epochs_end_on(decay, warmup_steps, validated):
    model = network()
    start = values(model)
    data = {"validation_data": (X, Y)} if validated else {}
    recorder = fitted(model, WeightsEMA(decay, warmup_steps), **data)
    for epoch, count in enumerate((4, 8)):
        expected = averages(start, recorder.trained[:count], decay, warmup_steps)
        assert_near(recorder.seen[epoch], expected)
        assert max(np.abs(a - b).max() for a, b in zip(expected, recorder.trained[count - 1], strict=True)) > 1e-3
    assert_near(values(model), recorder.seen[-1], 0)


def test_training_does_not_notice():
    with_averages, without = (fitted(network(), *callbacks).trained for callbacks in ([WeightsEMA(0.9)], []))
    for found, expected in zip(with_averages, without, strict=True):
        assert_near(found, expected, 1e-7)


def test_validation_is_of_the_averages():
    model = network()
    history = model.fit(
        X, Y, batch_size=4, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[WeightsEMA(0.9, 3)]
    ).history
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


def test_later_callbacks_keep_the_averages(tmp_path):
    model = network()
    path = tmp_path / "model.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    fitted(model, WeightsEMA(0.9, 3), checkpoint)
    loaded = network()
    loaded.load_weights(path)
    assert_near(values(loaded), values(model), 0)


def test_several_batches_to_a_step():
    """An accumulated gradient is one step, and so many are averaged over."""
    model = network(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))
    start = values(model)
    recorder = fitted(model, WeightsEMA(0.9, 3), epochs=1)
    assert_near(values(model), averages(start, recorder.trained[1::2], 0.9, 3))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has no such thing under torch")
def test_several_steps_to_a_call():
    """With `steps_per_execution` weights are seen once in a while, and the average moves as far as in all steps."""
    model = network(steps_per_execution=2)
    start = values(model)
    recorder = fitted(model, WeightsEMA(0.9, 0), epochs=1)
    expected = start
    for weights in recorder.trained:
        expected = [0.81 * a + 0.19 * w for a, w in zip(expected, weights, strict=True)]
    assert len(recorder.trained) == 2
    assert_near(values(model), expected)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=8.0))
        start = values(model)
        recorder = fitted(model, WeightsEMA(0.9, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert_near(values(model), averages(start, recorder.trained, 0.9, 3))


def test_each_fit_starts_anew():
    model, callback = network(), WeightsEMA(0.9, 3)
    fitted(model, callback)
    start = values(model)
    recorder = fitted(model, callback, epochs=1)
    assert_near(values(model), averages(start, recorder.trained, 0.9, 3))


class Stops(keras.callbacks.Callback):
    """Ends a training as a lack of electricity does, in the second step of its third epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 10:
            raise KeyboardInterrupt


@pytest.mark.parametrize("policy", ["float32", "bfloat16"])
@pytest.mark.parametrize("validated", [True, False])
def test_an_interrupted_training_goes_on(tmp_path, validated, policy):
    """With the averages, and not from them."""
    data = {"validation_data": (X, Y)} if validated else {}
    keras.config.set_dtype_policy(policy)
    try:
        whole, parts = network(), [network(), network()]
    finally:
        keras.config.set_dtype_policy("float32")
    expected = fitted(whole, WeightsEMA(0.9, 3), epochs=4, **data)

    def callbacks():
        return [keras.callbacks.BackupAndRestore(tmp_path / "a"), WeightsEMA(0.9, 3, backup_dir=tmp_path / "b")]

    with pytest.raises(KeyboardInterrupt):
        fitted(parts[0], *callbacks(), Stops(), epochs=4, **data)
    found = fitted(parts[1], *callbacks(), epochs=4, **data)
    assert len(found.trained) == 8
    assert_near(found.trained[-1], expected.trained[-1])
    assert_near(values(parts[1]), values(whole))
    assert not list((tmp_path / "b").iterdir())


def test_a_backup_of_another_training_is_left_alone(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fitted(network(), WeightsEMA(0.9, 3, tmp_path), Stops(), epochs=4)
    model = network()
    start = values(model)
    with pytest.warns(UserWarning, match="averages.npz is of step 8 of the optimizer, which is at 0"):
        recorder = fitted(model, WeightsEMA(0.9, 3, tmp_path), epochs=1)
    assert_near(values(model), averages(start, recorder.trained, 0.9, 3))


def test_outside_of_training_nothing_happens():
    model = network()
    start, callback = values(model), WeightsEMA()
    model.evaluate(X, Y, verbose=0, callbacks=[callback])
    assert_near(values(model), start, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 1.0}, "decay must be at least 0 and less than 1; got 1.0"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0; got -1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightsEMA(**arguments)
