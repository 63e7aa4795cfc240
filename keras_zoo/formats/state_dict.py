"""Plain state dicts, as torchvision's files are, timm's folders, which add a config.json, and pickled torch modules.

A state dict says nothing beside its tensors, so a family reads off their names and shapes what the network is, and
whatever it has no place for is an error. A module's file has the tensors of its state dict, and settings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from keras_zoo import lora, registry, weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import contained, understood
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.module_file import open_module
from keras_zoo.formats.safetensors_file import read_header
from keras_zoo.formats.supported import advice
from keras_zoo.formats.torch_file import open_safetensors_or_torch, open_torch
from keras_zoo.sources import FILES


@dataclass(frozen=True)
class StateDict:
    """How torchvision, timm and files of whole modules store one family.

    fits            tensors -> whether they are of this family
    read_config     tensors -> the backbone's arguments
    read_task       tensors -> the arguments of the family's first task, None where it is not there
    table           backbone -> weight table (see `keras_zoo.weights`)
    head_table      task -> weight table of the task's own layers
    head            patterns of the tensors of the task's own layers
    ignored         patterns of tensors that hold no weight
    preprocessor    its arguments where nothing says them
    architectures   pattern of timm's names for what is read
    read_timm       timm's config -> (task's arguments, preprocessor's arguments)
    read_module     the file of a whole module (`keras_zoo.formats.module_file.ModuleFile`) -> (more of the task's
                    arguments, more of the preprocessor's); it must raise `PresetError` where the module is set to what
                    the task does not compute
    """

    fits: Callable
    read_config: Callable
    read_task: Callable
    table: Callable
    head_table: Callable
    head: tuple
    ignored: tuple = ()
    preprocessor: dict = field(default_factory=dict)
    architectures: str = ""
    read_timm: Callable | None = None
    read_module: Callable | None = None


class StateDictLayout(Layout):
    format = "state dict"

    def __init__(self, path):
        if path.suffix == ".safetensors":
            tensors, module = read_header(path), None
        else:
            module = open_module(path)
            tensors = open_torch(path) if module is None else module.tensors
        self.open(tensors, family_of(tensors, path), path)
        if module is not None and self.stored.read_module is not None:
            with understood(path):
                settings, more = self.stored.read_module(module)
            self.task_config = None if self.task_config is None else self.task_config | settings
            self.preprocessor_config |= more

    def open(self, tensors, family, path):
        self.tensors_of_file, self.family, self.stored = tensors, family, family.state_dict
        with understood(path):
            self.backbone_config = self.stored.read_config(tensors)
            self.task_config = self.stored.read_task(tensors)
        self.task_class = None if self.task_config is None else family.tasks[0]
        self.preprocessor_config = dict(self.stored.preprocessor)

    @staticmethod
    def file_in(folder):
        """The one file of a folder that can be a state dict, None where there is none or more than one."""
        found = [path for path in sorted(folder.iterdir()) if path.suffix in FILES and path.is_file()]
        return contained(folder, found[0]) if len(found) == 1 else None

    def tensors(self):
        return self.tensors_of_file

    def bindings(self, model, tensors):
        """Of a model that is not the file's task the head starts anew, and the file's is left out."""
        backbone = getattr(model, "backbone", model)
        found = weights.table_bindings(lora.plain_weights(backbone), self.stored.table(backbone))
        own = [weight for weight in lora.plain_weights(model) if weight.path not in found]
        head = {}
        if self.task_class is not None:
            known = isinstance(model, self.task_class)
            head = weights.table_bindings(own, self.stored.head_table(model)) if known else {}
        return found | head, (*self.stored.ignored, *(() if head else self.stored.head))


class TimmLayout(StateDictLayout):
    format = "timm"

    def __init__(self, folder, config):
        family = family_named(config["architecture"].split(".")[0], folder)
        self.open(open_safetensors_or_torch(folder), family, folder)
        with understood(folder / "config.json"):
            task, self.preprocessor_config = self.stored.read_timm(config)
        if self.task_config is not None:
            self.task_config |= task

    @staticmethod
    def recognises(config):
        return isinstance(config.get("architecture"), str) and "model_type" not in config


def family_of(tensors, path):
    for family in registry.families().values():
        if family.state_dict is not None and family.state_dict.fits(tensors):
            return family
    message = f"{path} is a state dict of no network that is known here; it starts with {list(tensors)[:3]}."
    raise PresetError(advice(message))


def family_named(name, folder):
    """The family of one of timm's architectures."""
    known = [family for family in registry.families().values() if family.state_dict is not None]
    for family in known:
        if re.fullmatch(family.state_dict.architectures, name):
            return family
    patterns = "; ".join(family.state_dict.architectures for family in known)
    message = f"{folder} is timm's {name!r}, which no network here expresses. Names that are read: {patterns}."
    raise PresetError(advice(message))
