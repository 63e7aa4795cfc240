"""The layout of the transformers library: `config.json` with a `model_type`, safetensors, tokenizer files."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_zoo import registry, weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import read_json, write_json
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.safetensors_file import Tensor, open_tensors, write_tensors


@dataclass(frozen=True)
class Checkpoint:
    """How transformers stores one family; a family's `checkpoint.py` makes one.

    model_type     the value in config.json
    read_config    transformers' config -> the backbone's arguments
    write_config   backbone -> transformers' config
    table          backbone -> weight table (see `keras_zoo.weights`), names without the prefix
    prefix         before the backbone's tensors in a task's checkpoint; a bare one may lack it
    transposed     dense kernels are stored as (out, in)
    ignored        patterns of tensors that hold no weight of ours
    read_preprocessor   (config, tokenizer_config) -> the preprocessor's arguments
    read_tokenizer      tokenizer_config -> the tokenizer's arguments beside its vocabulary
    write_tokenizer     (preprocessor, folder): vocabulary and configuration files
    """

    model_type: str
    read_config: Callable
    write_config: Callable
    table: Callable
    prefix: str = ""
    transposed: bool = True
    ignored: tuple = ()
    read_preprocessor: Callable | None = None
    read_tokenizer: Callable | None = None
    write_tokenizer: Callable | None = None


class TransformersLayout(Layout):
    title = "transformers (config.json with model_type)"

    def __init__(self, folder, config):
        self.folder = folder
        self.family = family_of(config, folder)
        self.checkpoint = self.family.transformers
        try:
            self.backbone_config = self.checkpoint.read_config(config)
        except KeyError as error:
            raise PresetError(f"{folder / 'config.json'} lacks {error}.") from None
        path = folder / "tokenizer_config.json"
        self.settings = read_json(path) if path.is_file() else {}
        self.task_class, self.task_config = self.family.tasks[0], {}
        self.preprocessor_config = self.checkpoint.read_preprocessor(config, self.settings)

    @staticmethod
    def recognises(config):
        return isinstance(config.get("model_type"), str)

    def tokenizer_config(self, cls):
        return cls.load_assets(self.folder) | self.checkpoint.read_tokenizer(self.settings)

    def tensors(self):
        if (self.folder / "pytorch_model.bin").is_file() and not list(self.folder.glob("model*.safetensors*")):
            return open_torch(self.folder / "pytorch_model.bin")
        return open_tensors(self.folder)

    def bindings(self, model, tensors):
        backbone = getattr(model, "backbone", model)
        bindings = weights.table_bindings(model, self.checkpoint.table(backbone), self.checkpoint.transposed)
        prefix = self.checkpoint.prefix
        if any(name.startswith(prefix) for name in tensors):
            bindings = {path: b._replace(name=prefix + b.name) for path, b in bindings.items()}
        return bindings, self.checkpoint.ignored


def family_of(config, folder):
    for family in registry.families().values():
        if family.transformers and family.transformers.model_type == config["model_type"]:
            return family
    known = sorted(f.transformers.model_type for f in registry.FAMILIES.values() if f.transformers)
    raise PresetError(f"{folder} is a transformers {config['model_type']!r}; known model types are {known}.")


class TorchTensor(Tensor):
    """A tensor of a torch state dict, with the interface of one in a safetensors file."""

    def __init__(self, tensor):
        self.tensor, self.shape = tensor, tuple(tensor.shape)

    def read(self):
        import torch

        return self.tensor.to(torch.float32).numpy() if self.tensor.dtype == torch.bfloat16 else self.tensor.numpy()


def open_torch(path):
    """An older checkpoint, a pickled state dict; read by torch with nothing but tensors allowed in it."""
    try:
        import torch
    except ImportError:
        raise PresetError(f"{path} is a torch file: install torch to read it, or convert it to safetensors.") from None
    try:
        return {
            k: TorchTensor(t) for k, t in torch.load(path, map_location="cpu", weights_only=True, mmap=True).items()
        }
    except Exception as error:  # torch raises what its unpickler, its archive reader or the file system raise
        raise PresetError(f"{path} cannot be read as a torch state dict: {error}") from None


def write(folder, backbone=None, task=None, preprocessor=None, tokenizer=None, max_shard_size=5.0):
    """Writes a task (or a bare backbone) so that transformers loads it."""
    if backbone is None and task is None:
        raise PresetError("format='transformers' saves a task or a backbone, not a preprocessor or tokenizer alone.")
    backbone = backbone or task.backbone
    checkpoint = registry.family_with(type(backbone).__name__).transformers
    if checkpoint is None:
        raise PresetError(f"{type(backbone).__name__} has no transformers layout.")
    model = task or backbone
    bindings = weights.table_bindings(model, checkpoint.table(backbone), checkpoint.transposed)
    prefix = checkpoint.prefix if task is not None else ""
    arrays = {prefix + name: array for name, array in weights.collect(model, bindings).items()}
    write_json(folder / "config.json", checkpoint.write_config(backbone, task))
    write_tensors(folder, arrays, max_shard_bytes=int(max_shard_size * 1e9), metadata={"format": "pt"})
    if task is not None and task.preprocessor is not None:
        checkpoint.write_tokenizer(task.preprocessor, folder)
