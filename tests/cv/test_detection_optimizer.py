"""The optimizer that detectors are trained with: which one, its rates, and what it leaves undecayed."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_cv.training import detection_optimizer


def rate(optimizer, step):
    return float(ops.convert_to_numpy(optimizer._learning_rate(step)))


def test_short_trainings_use_adam():
    optimizer = detection_optimizer(num_classes=20, total_steps=2000)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 5e-4 and optimizer.global_clipnorm == 10 / 64
    assert rate(optimizer, 0) == 0
    assert rate(optimizer, 50) == pytest.approx(0.5 * rate(optimizer, 100))
    assert rate(optimizer, 100) == pytest.approx(0.002 * 5 / (4 + 20), rel=1e-3)
    assert rate(optimizer, 2000) == pytest.approx(0.01 * rate(optimizer, 100))


def test_long_trainings_use_sgd():
    optimizer = detection_optimizer(20, total_steps=20_000)
    assert isinstance(optimizer, keras.optimizers.SGD) and optimizer.nesterov
    assert rate(optimizer, 600) == pytest.approx(0.64)
    assert isinstance(detection_optimizer(20, total_steps=20_000, name="adamw"), keras.optimizers.AdamW)


def test_without_an_end_the_rate_stays():
    optimizer = detection_optimizer(6)
    assert rate(optimizer, 100) == rate(optimizer, 10**6) == pytest.approx(0.001)


def test_a_training_of_few_steps():
    optimizer = detection_optimizer(6, total_steps=8)
    assert rate(optimizer, 0) == pytest.approx(0.001)
    assert isinstance(detection_optimizer(6, total_steps=1), keras.optimizers.AdamW)


def test_own_numbers():
    options = {"learning_rate": 0.5, "warmup_steps": 7, "decay": "cosine", "momentum": 0.5, "weight_decay": None}
    optimizer = detection_optimizer(6, 100, "sgd", end_rate=0.1, **options)
    assert rate(optimizer, 7) == 0.5 and rate(optimizer, 100) == pytest.approx(0.05)
    assert optimizer.momentum == 0.5 and optimizer.weight_decay is None


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_biases_and_norms_do_not_decay(name):
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(4, 3, bias_initializer="ones"), keras.layers.BatchNormalization()]
    )
    optimizer = detection_optimizer(6, name=name, warmup_steps=0)
    before = {weight.path: ops.convert_to_numpy(weight).copy() for weight in model.trainable_variables}
    optimizer.apply([ops.zeros(weight.shape) for weight in model.trainable_variables], model.trainable_variables)
    changed = {w.name for w in model.trainable_variables if np.any(ops.convert_to_numpy(w) != before[w.path])}
    assert len(before) == 4 and changed == {"kernel"}


def test_the_decay_of_sgd_is_that_through_the_gradient():
    """Without any gradient the weights shrink as by L2 in the gradient with momentum, at Ultralytics' rate."""
    optimizer = detection_optimizer(6, name="sgd", warmup_steps=0)
    variable = keras.Variable([1.0], name="kernel")
    weight, momentum = 1.0, 0.0
    for _ in range(400):
        optimizer.apply([ops.zeros((1,))], [variable])
        gradient = 5e-4 * weight
        momentum = 0.937 * momentum + gradient
        weight -= 0.01 * (gradient + 0.937 * momentum)
    assert 1 - float(ops.convert_to_numpy(variable)[0]) == pytest.approx(1 - weight, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "num_classes must be at least 1; got 0"),
        ({"num_classes": 3, "total_steps": 0}, "total_steps must be at least 1; got 0"),
        ({"num_classes": 3, "name": "adam"}, r"name must be one of \('auto', 'adamw', 'sgd'\); got 'adam'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        detection_optimizer(**arguments)
