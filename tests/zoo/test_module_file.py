"""Pickled torch modules: the tensors of their state dict, with and without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision

from keras_cv.models import ImageClassifier, ResNetImageClassifier
from keras_zoo.formats.module_file import open_module

pytestmark = pytest.mark.once


class Odd(torch.nn.Module):
    """Parameters and buffers that lie in their storages in every way."""

    def __init__(self):
        super().__init__()
        values = torch.arange(120, dtype=torch.float32)
        self.plain = torch.nn.Parameter(values[:6].reshape(2, 3).clone())
        self.turned = torch.nn.Parameter(values.reshape(4, 5, 6).permute(2, 0, 1))
        self.strided = torch.nn.Parameter(values[3:][::7])
        self.last = torch.nn.Parameter(torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last))
        self.short = torch.nn.Parameter(values[5:11].half())
        self.rounded = torch.nn.Parameter(torch.rand(3, 3).bfloat16())
        self.register_parameter("none", None)
        self.register_buffer("number", torch.tensor(7))
        self.register_buffer("left_out", torch.ones(3), persistent=False)
        self.register_buffer("empty", torch.zeros(0, 4))
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("halves_of_one", values[60:])
        self.below = torch.nn.ModuleDict({"conv": torch.nn.Conv2d(2, 3, 1), "bn": torch.nn.BatchNorm2d(3)})
        self.again = self.below["conv"]
        self.names, self.stride = {0: "crane", 1: "tench"}, values[8:10]


Odd.__module__ = "torch.nn.odd"  # a package that checkpoints name, and a class that is nowhere else
sys.modules[Odd.__module__] = sys.modules[__name__]


def as_numpy(tensor):
    return tensor.detach().float().numpy() if tensor.dtype == torch.bfloat16 else tensor.detach().numpy()


def same(path, module):
    found, expected = open_module(path), module.state_dict()
    assert list(found.tensors) == list(expected)
    for name, tensor in found.tensors.items():
        values, wanted = tensor.read(), as_numpy(expected[name])
        assert tensor.shape == values.shape == tuple(wanted.shape)
        assert str(values.dtype) == str(expected[name].dtype).removeprefix("torch.")
        np.testing.assert_array_equal(values.astype(wanted.dtype), wanted)
    return found


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_tensor(protocol, tmp_path):
    module = Odd()
    torch.save(module, tmp_path / "m.pt", pickle_protocol=protocol)
    found = same(tmp_path / "m.pt", module)
    assert found.nodes[""].kind == "torch.nn.odd.Odd"
    assert found.nodes["below.bn"].kind == "torch.nn.modules.batchnorm.BatchNorm2d"
    assert found.plain("below.bn", "eps") == 1e-5
    assert found.plain("", "names") == {0: "crane", 1: "tench"}
    np.testing.assert_array_equal(found.plain("", "stride"), [8, 9])


def test_averaged_weights_come_first(tmp_path):
    model, ema = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    rest = {"epoch": 3, "optimizer": optimizer.state_dict(), "git": {"root": "/work"}, "best": np.float64(0.5)}
    torch.save({"model": model, "ema": ema, **rest}, tmp_path / "both.pt")
    same(tmp_path / "both.pt", ema)
    torch.save({"model": model, "ema": None, **rest}, tmp_path / "model.pt")
    same(tmp_path / "model.pt", model)
    torch.save({"model": None, "ema": ema, **rest}, tmp_path / "ema.pt")
    same(tmp_path / "ema.pt", ema)


def test_what_holds_no_module(tmp_path):
    path = tmp_path / "state.pt"
    for content in (torch.nn.Linear(2, 2).state_dict(), {"model": {"weight": torch.ones(2)}}, [1, 2], {"model": None}):
        torch.save(content, path)
        assert open_module(path) is None
    torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=False)
    assert open_module(path) is None
    path.write_bytes(b"")
    assert open_module(path) is None


def test_a_module_is_read_as_its_state_dict(tmp_path):
    """Whole networks of torchvision, whose names a family knows."""
    module = torchvision.models.resnet18(num_classes=3).eval()
    torch.save(module, tmp_path / "whole.pt")
    model = ImageClassifier.from_preset(tmp_path / "whole.pt")
    assert type(model) is ResNetImageClassifier
    np.testing.assert_array_equal(model.output_dense.bias, module.fc.bias.detach().numpy())


def test_without_torch(tmp_path):
    module = Odd()
    torch.save({"model": module}, tmp_path / "m.pt")
    torch.save(module.state_dict(), tmp_path / "s.pt")
    torch.save({"state_dict": module.state_dict()}, tmp_path / "o.pt", _use_new_zipfile_serialization=False)
    code = """
import sys

class NoTorch:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTorch())
from keras_zoo.formats.module_file import open_module
from keras_zoo.formats.torch_file import open_torch
for tensors in (open_module(sys.argv[1]).tensors, open_torch(sys.argv[2]), open_torch(sys.argv[3])):
    print(*tensors, sum(tensor.read().astype("float64").sum() for tensor in tensors.values()))
"""
    paths = [tmp_path / name for name in ("m.pt", "s.pt", "o.pt")]
    ran = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True, timeout=120)
    expected = sum(as_numpy(tensor).astype("float64").sum() for tensor in module.state_dict().values())
    for line in ran.stdout.splitlines():
        *names, total = line.split()
        assert names == list(module.state_dict())
        np.testing.assert_allclose(float(total), expected)
