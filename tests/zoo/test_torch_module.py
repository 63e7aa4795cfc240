"""Torch modules inside Keras models: both parts train, and files name the module's maker instead of holding code."""

import json
import zipfile

import keras
import numpy as np
import pytest

import keras_zoo
from keras_zoo import TorchModule

BACKEND = keras.backend.backend()
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="torch modules run on the torch backend")
SHALLOW = [1, 1, 1, 1]


@keras.saving.register_keras_serializable("tests")
def trunk(layers=(2, 2, 2, 2), frozen=False):
    """torchvision's ResNet-18, or one with fewer layers, without its head: `(B, 3, H, W)` -> `(B, 512)`."""
    import torch
    from torchvision.models.resnet import BasicBlock, ResNet

    module = ResNet(BasicBlock, list(layers))
    module.fc = torch.nn.Identity()
    return module.requires_grad_(not frozen)


def model_with(**arguments):
    images = keras.Input((3, 32, 32))
    x = TorchModule(trunk, arguments, name="trunk")(images)
    model = keras.Model(images, keras.layers.Dense(3, name="head")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def trained():
    """A model after one step, with the state of both parts before it."""
    keras.utils.set_random_seed(0)
    model = model_with()
    before = state(model)
    model.fit(*data(), batch_size=8, verbose=0)
    return model, before


def data():
    random = np.random.default_rng(0)
    return random.normal(size=(8, 3, 32, 32)).astype("float32"), np.arange(8) % 3


def state(model):
    """Every number of the module and of the head, buffers included, by name."""
    module = model.get_layer("trunk").module.state_dict()
    found = {name: x.detach().cpu().numpy().copy() for name, x in module.items()}
    return found | {f"head/{w.name}": keras.ops.convert_to_numpy(w).copy() for w in model.get_layer("head").weights}


@on_torch
def test_both_parts_train(trained):
    """Every weight of the trunk and of the head moves in one step, by its gradient; so do all statistics."""
    model, before = trained
    after = state(model)
    assert [name for name in after if np.array_equal(after[name], before[name])] == []
    assert any("running_mean" in name for name in after) and "head/kernel" in after
    for weight in model.trainable_weights:
        assert weight.value.grad is not None and weight.value.grad.abs().max() > 0, weight.path
    assert len(model.trainable_weights) == len(list(model.get_layer("trunk").module.parameters())) + 2


@on_torch
def test_it_computes_what_the_module_computes(trained):
    import torch

    model, _ = trained
    images = data()[0]
    layer = model.get_layer("trunk")
    with torch.no_grad():
        expected = layer.module.eval()(torch.from_numpy(images)).numpy()
    features = keras.Model(model.input, layer.output)
    np.testing.assert_allclose(features.predict(images, verbose=0), expected, atol=1e-5)


@on_torch
def test_inference_changes_nothing(trained):
    """Neither building a model nor predicting nor a plain call; Keras' own wrapper takes the last for training."""
    model, _ = trained
    before = state(model)
    TorchModule.compute_output_spec(model.get_layer("trunk"), keras.KerasTensor((None, 3, None, None)))
    model.predict(data()[0], verbose=0)
    model(data()[0])
    assert all(np.array_equal(x, before[name]) for name, x in state(model).items())


@on_torch
def test_frozen():
    model = model_with(layers=SHALLOW)
    model.get_layer("trunk").trainable = False
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = state(model)
    model.fit(*data(), verbose=0)
    moved = [name for name, x in state(model).items() if not np.array_equal(x, before[name])]
    assert moved == ["head/kernel", "head/bias"]
    assert len(model_with(layers=SHALLOW, frozen=True).trainable_weights) == 2


@on_torch
def test_keras_file(trained, tmp_path):
    """It loads in safe mode, predicts the same, trains on, and has no code inside."""
    model, _ = trained
    images, labels = data()
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), expected)
    assert again.get_layer("trunk").get_config() == model.get_layer("trunk").get_config()
    before = state(again)
    again.fit(images, labels, verbose=0)
    after = state(again)
    assert [name for name in after if np.array_equal(after[name], before[name])] == []
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = json.loads(file.read("config.json"))
        assert len(file.read("config.json")) < 10_000 and "tests>trunk" in json.dumps(config)


@on_torch
def test_weights_file(trained, tmp_path):
    model, _ = trained
    model.save_weights(tmp_path / "model.weights.h5")
    again = model_with()
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again.predict(data()[0], verbose=0), model.predict(data()[0], verbose=0))


@on_torch
def test_shapes():
    images = keras.Input((3, None, None))
    assert TorchModule(trunk, {"layers": SHALLOW})(images).shape == (None, 512)
    maps = TorchModule(convolution)(images)
    assert maps.shape == (None, 4, None, None) and maps.dtype == "float32"
    assert TorchModule(convolution)(keras.Input((3, 17, 9))).shape == (None, 4, 8, 4)


@keras.saving.register_keras_serializable("tests")
def convolution():
    import torch

    return torch.nn.Conv2d(3, 4, 3, stride=2)


@on_torch
def test_mixed_precision():
    layer = TorchModule(convolution, dtype="mixed_bfloat16")
    images = data()[0]
    found = layer(images)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    exact = layer.module(keras.ops.convert_to_tensor(images))
    assert 0 < abs(keras.ops.convert_to_numpy(keras.ops.cast(found, "float32") - exact)).max() < 0.05


@on_torch
def test_what_is_refused():
    import torch

    with pytest.raises(ValueError, match=r"registered with Keras.*register_keras_serializable.*lambda"):
        TorchModule(lambda: torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"must be a function registered.*Linear"):
        TorchModule(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"must return a torch\.nn\.Module; it returned int"):
        TorchModule(number)
    with pytest.raises(ValueError, match=r"'elsewhere>trunk'.* is not registered with Keras: import the file"):
        TorchModule.from_config({"make": "elsewhere>trunk", "arguments": {}})


@keras.saving.register_keras_serializable("tests")
def number():
    return 1


@pytest.mark.skipif(BACKEND == "torch", reason="there it works")
def test_other_backends():
    assert "TorchModule" in keras_zoo.__all__
    with pytest.raises(ValueError, match=f"needs the torch backend.*{BACKEND}"):
        TorchModule(number)


@on_torch
def test_guide():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(__file__).parents[2] / "docs" / "guides" / "torch_module_in_keras.py"
    spec = spec_from_file_location("torch_module_in_keras", path)
    guide = module_from_spec(spec)
    spec.loader.exec_module(guide)
    accuracy, difference = guide.main()
    assert accuracy > 0.75 and difference == 0
