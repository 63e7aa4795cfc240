"""State dicts that torch has pickled, read with nothing but tensors allowed in them."""

import zipfile

from keras_zoo.errors import PresetError
from keras_zoo.formats.safetensors_file import Tensor

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the state dict


class TorchTensor(Tensor):
    """A tensor of a torch state dict, with the interface of one in a safetensors file."""

    def __init__(self, path, tensor):
        self.path, self.tensor, self.shape = path, tensor, tuple(tensor.shape)

    @property
    def nbytes(self):
        return self.tensor.nbytes

    def read(self):
        import torch

        return self.tensor.to(torch.float32).numpy() if self.tensor.dtype == torch.bfloat16 else self.tensor.numpy()


def open_torch(path):
    """`{name: TorchTensor}` of a pickled state dict. A file that would run code, or holds more, is a `PresetError`."""
    try:
        import torch
    except ImportError:
        raise PresetError(f"{path} is a torch file: install torch to read it, or convert it to safetensors.") from None
    try:  # files of before torch 1.6 are no archives and cannot be mapped
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch raises what its unpickler, its archive reader or the file system raise
        reason = str(error).split("\n")[0]
        raise PresetError(
            f"{path} cannot be read as a torch state dict: {reason} Beside tensors only modules are read, and not "
            "those of files of before torch 1.6, since unpickling those runs code: save module.state_dict(), or use "
            "safetensors."
        ) from None
    return {name: TorchTensor(path, tensor) for name, tensor in state_of(found, path, torch).items()}


def state_of(found, path, torch):
    """The state dict itself: bare, or under one of the usual keys; without the prefix of a wrapped module."""
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    named = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    wrong = [name for name, value in found.items() if not isinstance(value, torch.Tensor)] if named else [type(found)]
    if wrong or not found:
        raise PresetError(
            f"{path} is no state dict, which maps names to tensors; it has {wrong[:5] or 'nothing in it'}."
        )
    prefix = "module."
    return {name.removeprefix(prefix): tensor for name, tensor in found.items()}
