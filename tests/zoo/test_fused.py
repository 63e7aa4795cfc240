"""Adam by torch's fused kernel: the numbers are those of Keras' own step."""

import keras
import numpy as np
import pytest

from keras_nlp.models import GPT2Backbone
from keras_zoo import fused

SHAPES = [(7, 5), (3,), (1, 2, 2)]

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="the kernel is torch's")


def trained(optimizer, steps=6):
    random = np.random.default_rng(0)
    variables = [keras.Variable(random.normal(size=shape).astype("float32")) for shape in SHAPES]
    for _ in range(steps):
        optimizer.apply(
            [keras.ops.convert_to_tensor(random.normal(size=s).astype("float32")) for s in SHAPES], variables
        )
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize(
    ("name", "arguments", "kernel"),
    [
        ("Adam", {}, True),
        ("Adam", {"epsilon": 1e-2, "beta_1": 0.5, "gradient_accumulation_steps": 2, "global_clipnorm": 0.1}, True),
        ("AdamW", {"weight_decay": 0.1, "use_ema": True}, True),
        ("Adam", {"amsgrad": True}, False),
        ("Adamax", {}, False),
    ],
)
def test_numbers_of_keras(name, arguments, kernel, monkeypatch):
    import torch

    own, optimizer = (getattr(keras.optimizers, name)(0.05, **arguments) for _ in range(2))
    fused.fuse(optimizer)
    calls = []
    monkeypatch.setattr(torch, "_fused_adam_", lambda *a, f=torch._fused_adam_, **k: calls.append(f(*a, **k)))
    for found, expected in zip(trained(optimizer), trained(own), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)  # Keras takes 1 - 0.999**step in float32
    assert bool(calls) == kernel
    assert optimizer.get_config() == own.get_config() | {"name": optimizer.name}


def test_gradients_in_another_order_of_memory():
    """They do not fit the kernel, which reads flat memory."""
    results = []
    for fuse in (False, True):
        optimizer = keras.optimizers.Adam(0.05)
        if fuse:
            fused.fuse(optimizer)
        variable = keras.Variable(np.zeros((3, 4), "float32"))
        gradient = keras.ops.convert_to_tensor(np.arange(12, dtype="float32").reshape(4, 3) - 5).T
        assert not gradient.is_contiguous()
        optimizer.apply([gradient], [variable])
        results.append(keras.ops.convert_to_numpy(variable))
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)


def test_compiled_models_have_it():
    model = GPT2Backbone(10, 1, 2, 4, 8)
    for optimizer in (keras.optimizers.AdamW(), keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "adam"):
        model.compile(optimizer)
        inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        assert inner._parallel_update_step.__func__ is fused._step
