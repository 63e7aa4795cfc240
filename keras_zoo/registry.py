"""What exists: families of models, and presets by name. Explicit dictionaries, filled by explicit calls."""

import copy
import difflib
import functools
import importlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from keras_zoo.config import serializable
from keras_zoo.errors import PresetError

ROOMS = ("keras_nlp", "keras_cv")  # imported when a preset is asked for before its package was
FAMILIES = {}


@dataclass(frozen=True)
class Family:
    """One architecture: its classes, a tiny configuration for tests, and the foreign layouts it can read.

    name         "gpt2"
    backbone     the backbone class
    tasks        task classes; the first one is what a folder that names none is loaded as
    tokenizer    the tokenizer class, or None
    tiny         constructor arguments of a backbone small enough for tests
    tiny_tasks   {task class name: arguments it needs beside the backbone}, for tests
    example      `example(backbone, random, size)` -> an input batch of that many rows, for tests
    tiny_preprocessors  {task class name: () -> a small preprocessor}, for tests
    no_gradient  patterns of weights whose gradient is zero by their mathematics
    checks       contract checks beyond those of `keras_zoo.testing`, such as `keras_nlp.testing.CAUSAL_LM_CHECKS`
    transformers how the transformers library stores it (`keras_zoo.formats.transformers.Checkpoint`), or None
    keras_hub    how KerasHub stores it (`keras_zoo.formats.keras_hub.HubCheckpoint`), or None
    keras_cv     how KerasCV stores it (`keras_zoo.formats.keras_cv.CVCheckpoint`), or None
    state_dict   how torchvision, timm or Ultralytics store it (`keras_zoo.formats.state_dict.StateDict`), or None
    """

    name: str
    backbone: type
    tasks: tuple
    tokenizer: type | None = None
    tiny: dict = field(default_factory=dict)
    tiny_tasks: dict = field(default_factory=dict)
    example: object = None
    tiny_preprocessors: dict = field(default_factory=dict)
    no_gradient: tuple = ()
    checks: tuple = ()
    transformers: object = None
    keras_hub: object = None
    keras_cv: object = None
    state_dict: object = None

    @property
    def classes(self):
        preprocessors = [task.preprocessor_class for task in self.tasks if task.preprocessor_class]
        return {c.__name__: c for c in (self.backbone, *self.tasks, *preprocessors, self.tokenizer) if c is not None}


def register(family):
    """Makes a family known, to presets and to Keras' own `.keras` files."""
    for cls in family.classes.values():
        serializable(cls)
    FAMILIES[family.name] = family
    return family


def families():
    """All families by name, those of the rooms that have not been imported yet included."""
    for room in ROOMS:
        importlib.import_module(room)
    return FAMILIES


def family_with(class_name):
    """The family that has a class of this name; the only way from a name in a file to a class."""
    for family in families().values():
        if class_name in family.classes:
            return family
    known = sorted(name for family in FAMILIES.values() for name in family.classes)
    raise PresetError(
        f"The preset names the class {class_name!r}, which no family here has. Known: {', '.join(known)}."
    )


def known_class(model):
    """The class of `model`, or the nearest of its bases that a family has.

    Of a task made from a class that families share, as `ImageClassifier(backbone)` is, it is what the backbone's family
    has for it.
    """
    cls = type(model)
    known = {known for family in families().values() for known in family.classes.values()}
    found = next((base for base in cls.__mro__ if base in known), None)
    if found is None and hasattr(model, "backbone"):
        family = family_with(known_class(model.backbone).__name__)
        found = next((task for task in family.tasks if issubclass(task, cls)), None)
    if found is None:
        raise PresetError(f"{cls.__name__} belongs to no family; register one with keras_zoo.registry.register.")
    return found


def preprocessor_class(preprocessor, task=None):
    """The class to save `preprocessor` as: of one that families share that which `task`'s family has for it."""
    own = None if task is None else known_class(task).preprocessor_class
    return own if own is not None and issubclass(own, type(preprocessor)) else known_class(preprocessor)


def presets_folder():
    """Where preset records and embedded presets lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "presets"


@functools.cache
def records():
    """Every preset record by name. A record is data: see `docs/presets.md`."""
    found = {}
    for path in sorted(presets_folder().glob("*/*.json")):
        for name, record in json.loads(path.read_text(encoding="utf-8")).items():
            record |= {"family": path.stem, "assets": str(path.parent / path.stem), "embedded": False}
            aliases = record.pop("aliases", ())
            found |= {name: record} | {alias: record | {"alias_of": name} for alias in aliases}
    for path in sorted(presets_folder().glob("embedded/*/metadata.json")):
        metadata = json.loads(path.read_text(encoding="utf-8"))
        found[path.parent.name] = metadata.get("preset", {}) | {"folder": str(path.parent), "embedded": True}
    return found


def list_presets(family=None, embedded=None):
    """`{name: record}` of all presets, or of one family, or only of those that come with the package.

    A record has `description`, `family`, `class_name`, `parameters`, `license` and `embedded`.
    """
    return {
        name: copy.deepcopy(record)
        for name, record in records().items()
        if family in (None, record.get("family")) and embedded in (None, record["embedded"])
    }


def class_names(record):
    """The names of the classes of the data set that a record's weights were trained on, in their order."""
    path = Path(record["assets"]).parent / "classes" / f"{record['classes']}.txt"
    return path.read_text(encoding="utf-8").splitlines()


def presets_for(cls):
    """Of `list_presets()` those whose family has a backbone or a task that is a `cls`, or of which `cls` is one."""
    found = {}
    for name, record in list_presets().items():
        family = families()[record["family"]]
        if any(issubclass(known, cls) or issubclass(cls, known) for known in (family.backbone, *family.tasks)):
            found[name] = record
    return found


def unknown_preset(name):
    near = difflib.get_close_matches(name, records(), n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(map(repr, near))}? " if near else ""
    hint += f"Is it 'hf://{name}'? " if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else ""
    return PresetError(
        f"There is no preset and no folder called {name!r}. {hint}Give a name of keras_zoo.list_presets(), a local "
        "folder, or a 'hf://owner/name' address."
    )
