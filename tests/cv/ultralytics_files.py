"""Checkpoints as Ultralytics saves them, made without Ultralytics.

The file of a checkpoint names the classes of its modules and holds their attributes. Here empty modules stand in for
those classes, under the same names while the file is written, so that it is such a file and nothing of Ultralytics is
needed.
"""

import contextlib
import json
import sys
import types
from pathlib import Path

import torch
from ultralytics_weights import value

GOLDEN = Path(__file__).parent.parent / "golden" / "ultralytics"
CLASSES = {
    "ultralytics.nn.tasks": ("DetectionModel",),
    "ultralytics.nn.modules.conv": ("Conv", "Concat"),
    "ultralytics.nn.modules.block": ("C2f", "Bottleneck", "SPPF", "DFL"),
    "ultralytics.nn.modules.head": ("Detect",),
}
LAYERS = "Conv Conv C2f Conv C2f Conv C2f Conv C2f SPPF Upsample Concat C2f Upsample Concat C2f Conv Concat C2f Conv "
LAYERS = (LAYERS + "Concat C2f Detect").split()


def shapes(size):
    """`{name: shape}` of the state dict of YOLOv8 `size`."""
    found = json.loads((GOLDEN / "shapes.json").read_text())[size]
    return {name: tuple(shape) for name, shape in found.items()}


def state_dict(size, shapes):
    """Weights by the rule of `ultralytics_weights`, as torch's tensors."""
    return {name: torch.from_numpy(value(name, shape, size)) for name, shape in shapes.items()}


def narrow():
    """`{name: shape}` of a network a quarter as wide as n, for five classes."""
    return {name: tuple(narrowed(name, shape)) for name, shape in shapes("n").items()}


def narrowed(name, shape):
    """In the head the boxes' width is fixed; that of the classes, and their number, is 80 there."""
    if not name.startswith("model.22."):
        return [length // 4 if length > 3 else length for length in shape]
    inputs = 1 if name.endswith(".0.conv.weight") else None
    within = 5 if name.endswith((".2.weight", ".2.bias")) else 20
    return [n // 4 if axis == inputs else (within, 20)[axis] if n == 80 else n for axis, n in enumerate(shape)]


@contextlib.contextmanager
def classes():
    """`{name: class}` of Ultralytics and torch; the former can be imported by their names while the block runs."""
    modules, found = {}, {}
    for path, names in CLASSES.items():
        parts = path.split(".")
        for count in range(1, len(parts) + 1):
            modules.setdefault(".".join(parts[:count]), types.ModuleType(".".join(parts[:count])))
        for name in names:
            found[name] = type(name, (torch.nn.Module,), {"__module__": path})
            setattr(modules[path], name, found[name])
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield found
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def detection_model(known, tensors):
    """A stand-in for Ultralytics' module with these tensors, `{name in the state dict: tensor}`."""
    root = known["DetectionModel"]()
    root.model = torch.nn.Sequential(*(layer(known, i, kind, tensors) for i, kind in enumerate(LAYERS)))
    root.names = {i: f"class {i}" for i in range(len(tensors["model.22.cv3.0.2.bias"]))}
    root.yaml = {"nc": len(root.names), "scale": "n"}
    root.stride = torch.tensor([8.0, 16.0, 32.0])
    missing, unexpected = root.load_state_dict(tensors, strict=False)
    assert not missing and not unexpected
    return root.eval()


def layer(known, i, kind, tensors):
    own = {name.removeprefix(f"model.{i}."): t for name, t in tensors.items() if name.startswith(f"model.{i}.")}
    if kind == "Upsample":
        return torch.nn.Upsample(scale_factor=2)
    found = unit(known, own) if kind == "Conv" else group(known, own, known[kind]())
    if kind == "SPPF":
        found.m = torch.nn.MaxPool2d(5, 1, 2)
    for part in found.modules():
        if type(part) is known["Bottleneck"]:
            part.add = i < 10
    return found


def group(known, tensors, module):
    """`module` with what the names of `tensors` say is in it."""
    for key in dict.fromkeys(name.partition(".")[0] for name in tensors):
        own = {name.partition(".")[2]: t for name, t in tensors.items() if name.partition(".")[0] == key}
        if "weight" in own:
            part = convolution(own)
        elif "conv.weight" in own and "bn.weight" in own:
            part = unit(known, own)
        elif type(module) is torch.nn.ModuleList and "cv1.conv.weight" in own:
            part = group(known, own, known["Bottleneck"]())
        elif key == "dfl":
            part = group(known, own, known["DFL"]())
        else:
            within = type(module) is torch.nn.ModuleList
            part = group(known, own, torch.nn.Sequential() if within else torch.nn.ModuleList())
        module.add_module(key, part)
    return module


def unit(known, tensors):
    """A convolution, its normalisation and activation."""
    found = known["Conv"]()
    found.conv = convolution({"weight": tensors["conv.weight"]})
    found.bn = torch.nn.BatchNorm2d(len(tensors["bn.weight"]), eps=1e-3, momentum=0.03)
    found.act = torch.nn.SiLU(inplace=True)
    return found


def convolution(tensors):
    outputs, inputs, size, _ = tensors["weight"].shape
    return torch.nn.Conv2d(inputs, outputs, size, padding=size // 2, bias="bias" in tensors)


def save(path, tensors, change=lambda model: None, **checkpoint):
    """A checkpoint in half precision; `change` alters the module, other arguments replace entries of the file."""
    with classes() as known:
        model = detection_model(known, tensors)
        change(model)
        content = {"epoch": -1, "model": model.half(), "ema": None, "train_args": {"imgsz": 640}, "version": "8"}
        torch.save(content | checkpoint, path)
    return path
