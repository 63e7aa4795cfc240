"""Whole torch modules that were pickled, as Ultralytics' checkpoints are: their tensors, and what they were set to.

    the module itself, or {"ema": a module or None, "model": a module or None, …}

A module is kept by its attributes: `_parameters`, `_buffers` and `_modules` of its own, whose names make those of a
state dict, and settings beside them. The pickle is read as data (see `keras_zoo.formats.pickled`), so neither torch nor
the modules' classes are needed, and nothing of the file is run.
"""

import zipfile
from dataclasses import dataclass

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import opened
from keras_zoo.formats.pickled import Name, Record
from keras_zoo.formats.torch_archive import SIGNATURE, TorchFile, check_views, is_tensor, open_archive

WRAPPERS = ("ema", "model")  # of a checkpoint, the first that is there: weights averaged over training come first
DEEPEST, MOST_MODULES, LONGEST_KEY = 32, 20_000, 100
ORDERED = Name("collections", "OrderedDict")
SETS = (Name("builtins", "set"), Name("__builtin__", "set"))
# What checkpoints name beside their own classes. Naming anything else runs nothing here either, but it is what a file
# made to harm those who unpickle it does, so whoever is given one should hear of it.
PACKAGES = ("torch", "torchvision", "ultralytics", "numpy", "pathlib")
BUILTINS = "bool bytearray complex dict float frozenset int list object range set slice str tuple"
NAMES = {
    "argparse": "Namespace",
    "builtins": BUILTINS,
    "__builtin__": f"{BUILTINS} long unicode",
    "_codecs": "encode",
    "collections": "OrderedDict defaultdict deque",
    "copyreg": "_reconstructor",
    "copy_reg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "functools": "partial",
    "types": "SimpleNamespace",
}


@dataclass
class Node:
    """One module of the tree: its class, `"torch.nn.modules.conv.Conv2d"`, and its attributes.

    They are what anyone may have written: values have any type until looked at, see `plain`.
    """

    kind: str
    attributes: dict


@dataclass
class ModuleFile:
    """A module read from a file.

    archive  the `TorchFile` it is in
    tensors  {name in the state dict: Tensor}
    nodes    {name in the tree: Node}; the module itself is ""
    """

    archive: TorchFile
    tensors: dict
    nodes: dict

    def plain(self, node, key, default=None):
        """An attribute of the module of this name: a tensor as an array, a dictionary as one, all else as it is."""
        value = self.nodes[node].attributes.get(key, default)
        if is_tensor(value):
            return self.archive.tensor(value, key).read()
        found = as_dict(value)
        return value if found is None else found


def open_module(path):
    """The `ModuleFile` at `path`, None where the file holds something else than a module.

    `PresetError` where it is an archive that cannot be read as a whole, or a module with anything unusual about it.
    """
    with opened(path) as (file, _):
        begin = file.read(len(SIGNATURE))
    if begin != SIGNATURE and not zipfile.is_zipfile(path):
        return None
    archive = open_archive(path)
    root = module_in(archive.content)
    if root is None:
        return None
    refuse_foreign_names(archive)
    return Tree(archive).read(root)


def refuse_foreign_names(file):
    """`PresetError` where a `TorchFile` names functions or classes that no checkpoint has."""
    if foreign := sorted(str(name) for name in file.names if not is_expected(name)):
        raise PresetError(
            f"{file.path} is refused: beside modules and tensors its pickle names {', '.join(foreign[:5])}, which no "
            "checkpoint needs and which unpickling would have run. Nothing of the file was run here."
        )


def is_expected(name):
    """Whether checkpoints have the name; one with a point in it may lead out of the package it begins in."""
    own = name.module.split(".")[0] in PACKAGES and "." not in name.name
    return own or name.name in NAMES.get(name.module, "").split()


def module_in(content):
    """The record of the module of a file's content, None where there is none."""
    if type(content) is dict:
        content = next((content[key] for key in WRAPPERS if content.get(key) is not None), None)
    return content if attributes_of(content).keys() >= {"_modules", "_parameters", "_buffers"} else None


def attributes_of(value):
    """What an object was set up with, empty for whatever is no object of a class."""
    named = type(value) is Record and type(value.made_by) is Name
    states = value.states if named else ()
    return states[0] if len(states) == 1 and type(states[0]) is dict else {}


def as_dict(value):
    """A dictionary, ordinary or ordered, None for anything else."""
    ordered = type(value) is Record and value.made_by == ORDERED and value.arguments == ()
    value = value.entries if ordered else value
    return value if type(value) is dict else None


def as_set(value):
    """The texts in a set; empty for anything else."""
    if type(value) is Record and value.made_by in SETS and type(value.arguments) is tuple and value.arguments:
        value = value.arguments[0]
    return {name for name in value if type(name) is str} if type(value) in (set, list) else set()


class Tree:
    """The walk over the modules of one file."""

    def __init__(self, archive):
        self.archive, self.tensors, self.nodes = archive, {}, {}

    def read(self, root):
        waiting = [("", root, 0)]
        while waiting:
            prefix, module, depth = waiting.pop()
            name = prefix.removesuffix(".")
            attributes = attributes_of(module)
            if not attributes:
                raise self.refused(name, "is no module")
            if depth > DEEPEST or len(self.nodes) == MOST_MODULES:
                raise self.refused(name, f"lies below {DEEPEST} modules, or there are more than {MOST_MODULES}")
            self.nodes[name] = Node(str(module.made_by), attributes)
            self.add_tensors(prefix, attributes)
            children = self.children(name, attributes, "_modules")
            waiting += [(f"{prefix}{key}.", child, depth + 1) for key, child in reversed(children)]
        check_views(self.tensors, self.archive.path, self.archive.path.stat().st_size)
        return ModuleFile(self.archive, self.tensors, self.nodes)

    def add_tensors(self, prefix, attributes):
        """Those of one module, as its state dict has them: without buffers that are not to be kept."""
        left_out = as_set(attributes.get("_non_persistent_buffers_set"))
        module = prefix.removesuffix(".")
        buffers = [pair for pair in self.children(module, attributes, "_buffers") if pair[0] not in left_out]
        for key, value in self.children(module, attributes, "_parameters") + buffers:
            if not is_tensor(value):
                raise self.refused(prefix + key, "is no tensor")
            self.tensors[prefix + key] = self.archive.tensor(value, prefix + key)

    def children(self, name, attributes, group):
        """The pairs of one of the three dictionaries, without those that are None."""
        pairs = as_dict(attributes.get(group))
        if pairs is None:
            raise self.refused(name, f"has {group} that are no dictionary")
        for key in pairs:
            if type(key) is not str or "." in key or not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
                raise self.refused(name, f"has a name in {group} that no module can have")
        return [(key, value) for key, value in pairs.items() if value is not None]

    def refused(self, name, reason):
        return PresetError(f"{self.archive.path} is refused: {name or 'its module'} {reason}.")
