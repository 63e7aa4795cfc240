"""The layout of the transformers library: `config.json` with a `model_type`, safetensors, tokenizer files."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from keras_zoo import lora, registry, weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, read_optional, understood, write_json
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.safetensors_file import write_tensors
from keras_zoo.formats.supported import advice
from keras_zoo.formats.torch_file import open_safetensors_or_torch


@dataclass(frozen=True)
class Head:
    """How transformers stores what a task adds to its backbone.

    architecture   the value under `architectures` in config.json
    table          task -> weight table of the head's own layers, with whole names
    read_config    config -> the task's own arguments
    write_config   task -> what its config.json says beyond the backbone's
    without        layers of the backbone that a folder of this task does not hold
    needs          layers of the backbone, of those that are `optional`, that this task computes by
    tied           {tensor that is not read: path of the weight whose values it must have}
    prefixed       whether the backbone's tensors have the checkpoint's prefix
    marker         a file that a folder of this task has, where the architecture alone does not tell
    read_folder, write_folder   (folder) -> more arguments, (task, folder): files besides config.json and the weights
    """

    architecture: str
    table: Callable = lambda task: {}
    read_config: Callable = lambda config: {}
    write_config: Callable = lambda task: {}
    without: tuple = ()
    needs: tuple = ()
    tied: dict = field(default_factory=dict)
    prefixed: bool = True
    marker: str | None = None
    read_folder: Callable = lambda folder: {}
    write_folder: Callable = lambda task, folder: None

    def fits(self, config, folder):
        named = self.architecture in (config.get("architectures") or ())
        return named and (self.marker is None or file_in(folder, self.marker) is not None)


@dataclass(frozen=True)
class Checkpoint:
    """How transformers stores one family; a family's `checkpoint.py` makes one.

    model_type     the value in config.json
    architecture   of the bare network, under `architectures` in config.json
    read_config    transformers' config -> the backbone's arguments
    write_config   (backbone, tokenizer or None) -> transformers' config
    table          backbone -> weight table (see `keras_zoo.weights`), names without the prefix
    heads          {task class name: Head}
    prefix         before the backbone's tensors in a task's checkpoint; a bare one may lack it
    transposed     dense kernels are stored as (out, in)
    optional       layers of the backbone that some folders do not hold, whole; they start as new ones do
    ignored        patterns of tensors that hold no weight of ours
    read_preprocessor   (config, tokenizer_config, folder) -> the preprocessor's arguments
    read_tokenizer      (tokenizer_config, folder, assets) -> the tokenizer's arguments; `assets` those of its files
    write_preprocessor  (preprocessor, folder): its files, vocabulary and tokenizer configuration included
    write_extra         backbone -> {name: array} of tensors that hold no weight of ours and that transformers expects
    """

    model_type: str
    architecture: str
    read_config: Callable
    write_config: Callable
    table: Callable
    heads: dict
    prefix: str = ""
    transposed: bool = True
    optional: tuple = ()
    ignored: tuple = ()
    read_preprocessor: Callable | None = None
    read_tokenizer: Callable | None = None
    write_preprocessor: Callable | None = None
    write_extra: Callable = lambda backbone: {}

    def bindings(self, model, head, prefix):
        """`{path: Binding}` of the backbone, and of the task's own layers where its `head` is given."""
        backbone = getattr(model, "backbone", model)
        found = weights.table_bindings(lora.plain_weights(backbone), self.table(backbone), self.transposed)
        found = {path: binding._replace(name=prefix + binding.name) for path, binding in found.items()}
        if head is not None:
            own = [weight for weight in lora.plain_weights(model) if weight.path not in found]
            found |= weights.table_bindings(own, head.table(model), self.transposed)
        return found


class TransformersLayout(Layout):
    format = "transformers"

    def __init__(self, folder, config):
        self.folder = folder
        self.family = family_of(config, folder)
        self.checkpoint = self.family.transformers
        self.settings = read_optional(folder, "tokenizer_config.json")
        with understood(f"{folder}: config.json or tokenizer_config.json"):
            self.backbone_config = self.checkpoint.read_config(config)
            self.preprocessor_config = self.checkpoint.read_preprocessor(config, self.settings, folder)
            for task_class in self.family.tasks:
                head = self.checkpoint.heads[task_class.__name__]
                if head.fits(config, folder):
                    self.task_class = task_class
                    self.task_config = head.read_config(config) | head.read_folder(folder)

    @staticmethod
    def recognises(config):
        return isinstance(config.get("model_type"), str)

    def tokenizer_config(self, cls):
        assets = cls.load_assets(self.folder)
        with understood(self.folder / "tokenizer_config.json"):
            return assets | self.checkpoint.read_tokenizer(self.settings, self.folder, assets)

    def tensors(self):
        return modern(open_safetensors_or_torch(self.folder))

    def bindings(self, model, tensors):
        """Of a model that is not the folder's task the head starts anew, and the folder's is left out."""
        prefix = self.checkpoint.prefix if any(name.startswith(self.checkpoint.prefix) for name in tensors) else ""
        head = self.head_of(model, tensors)
        bindings = self.checkpoint.bindings(model, head, prefix)
        check_tied({} if head is None else head.tied, bindings, tensors)
        for layer in set(self.checkpoint.optional) - set(() if head is None else head.needs):
            own = [path for path in bindings if path.split("/")[0] == layer]
            if not any(bindings[path].name in tensors for path in own):
                bindings = {path: binding for path, binding in bindings.items() if path not in own}
        others = () if head is not None or not prefix else [name for name in tensors if not name.startswith(prefix)]
        return bindings, (*self.checkpoint.ignored, *others)

    def head_of(self, model, tensors):
        """The head to read for `model`: the folder's own; where config.json names none, one whose tensors are there."""
        if self.task_class is not None or not hasattr(model, "backbone"):
            own = self.task_class is not None and isinstance(model, self.task_class)
            return self.checkpoint.heads[self.task_class.__name__] if own else None
        head = self.checkpoint.heads[registry.known_class(model).__name__]
        layers = [target if isinstance(target, str) else target.name for target in head.table(model).values()]
        there = all(any(name.startswith(f"{layer}.") for name in tensors) for layer in layers)
        return head if there else None


def read_numbers(config, table):
    """`{ours: number}` by `{ours: (theirs, default)}`, None where there is none; each is checked to be one that fits.

    What is called dropout is a rate, what ends with epsilon is added to a variance, all others are sizes.
    """
    found = {}
    for name, (theirs, default) in table.items():
        if default is None and theirs not in config:
            raise PresetError(f"config.json lacks {theirs!r}.")
        value = found[name] = config.get(theirs, default)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if "dropout" in name:
            wanted, fits = "a number from 0 to 1", number and 0 <= value <= 1
        elif name.endswith("epsilon"):
            wanted, fits = "a number above 0 and below 1", number and 0 < value < 1
        else:
            wanted, fits = "a whole number above 0", isinstance(value, int) and number and value > 0
        if not fits:
            raise PresetError(f"{theirs} in config.json must be {wanted}; got {value!r:.100}.")
    return found


def check_tied(tied, bindings, tensors):
    """`PresetError` where a tensor has values of its own that the model here takes from another."""
    for name, path in tied.items():
        source = bindings[path].name
        if name in tensors and source in tensors and not equal(tensors[name], tensors[source]):
            raise PresetError(
                f"{name} differs from {source}. The head here shares that weight with the backbone (in config.json: "
                "tie_word_embeddings), so the folder computes something else. Its backbone alone can be loaded."
            )


def equal(a, b):
    return a.shape == b.shape and np.array_equal(a.read(), b.read())


def modern(tensors):
    """Tensors under the names of today: normalisation layers of older checkpoints have `gamma` and `beta`."""
    new = {"gamma": "weight", "beta": "bias"}
    parts = {name: name.rpartition(".") for name in tensors}
    return {f"{stem}{dot}{new.get(leaf, leaf)}": tensors[name] for name, (stem, dot, leaf) in parts.items()}


def family_of(config, folder):
    for family in registry.families().values():
        if family.transformers and family.transformers.model_type == config["model_type"]:
            return family
    known = sorted(f.transformers.model_type for f in registry.FAMILIES.values() if f.transformers)
    message = f"{folder} is a transformers {config['model_type']!r}; known model types are {known}."
    raise PresetError(advice(message))


def write(folder, backbone=None, task=None, preprocessor=None, tokenizer=None, max_shard_size=5.0):
    """Writes a task (or a bare backbone) so that transformers loads it."""
    if backbone is None and task is None:
        raise PresetError("format='transformers' saves a task or a backbone, not a preprocessor or tokenizer alone.")
    backbone = backbone or task.backbone
    checkpoint = registry.family_with(type(backbone).__name__).transformers
    if checkpoint is None:
        raise PresetError(f"{type(backbone).__name__} has no transformers layout.")
    model, preprocessor = task or backbone, None if task is None else task.preprocessor
    head = None if task is None else checkpoint.heads[registry.known_class(task).__name__]
    tokenizer = getattr(preprocessor, "tokenizer", None)
    config = checkpoint.write_config(backbone, tokenizer) | ({} if head is None else head.write_config(task))
    prefix = checkpoint.prefix if head is not None and head.prefixed else ""
    bindings = checkpoint.bindings(model, head, prefix)
    without = () if head is None else head.without
    tensors = weights.stored(model, {path: b for path, b in bindings.items() if path.split("/")[0] not in without})
    tensors |= {prefix + name: array for name, array in checkpoint.write_extra(backbone).items()}
    config |= {
        "model_type": checkpoint.model_type,
        "architectures": [checkpoint.architecture if head is None else head.architecture],
        "dtype": backbone.dtype_policy.variable_dtype,
    }
    write_json(folder / "config.json", config)
    write_tensors(folder, tensors, max_shard_bytes=int(max_shard_size * 1e9), metadata={"format": "pt"})
    if head is not None:
        head.write_folder(task, folder)
    if preprocessor is not None:
        checkpoint.write_preprocessor(preprocessor, folder)
