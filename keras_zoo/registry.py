"""What exists: families of models, and presets by name. Explicit dictionaries, filled by explicit calls."""

import copy
import importlib
from dataclasses import dataclass, field

from keras_zoo.errors import PresetError
from keras_zoo.records import class_names, index, presets_folder, records, unknown_preset  # noqa: F401

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
    from keras_zoo.config import serializable  # records are read without Keras

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


def list_presets(family=None, task=None, max_parameters=None, embedded=None):
    """`{name: record}` of all presets, or of those that fit everything that is asked for.

    Args:
        family: a family's name, such as `"bert"`.
        task: what the preset itself is for, trained head included: a class, its name (`"BertTextClassifier"`), or that
            of what families share (`"TextClassifier"`). Any task of the family can be made from a preset, with a new
            head: `TextClassifier.presets` has all of those.
        max_parameters: the most parameters it may have, without the head where a published one is counted so.
        embedded: True for the presets that come with the package, False for those that are fetched.

    A record has `description`, `family`, `class_name`, `parameters`, `size` in bytes, `license`, `embedded` and more;
    see `docs/presets.md`. A family or a task that nothing has is a `PresetError` that names those there are.
    """
    families_known = sorted({record["family"] for record in records().values()})
    if family is not None and family not in families_known:
        raise PresetError(f"There is no family {family!r}; presets are of {', '.join(families_known)}.")
    if not isinstance(max_parameters, int | float | None):
        raise ValueError(f"max_parameters is a number, such as 30e6; got {max_parameters!r}.")
    wanted = None if task is None else classes_of(task)
    return {
        name: copy.deepcopy(record)
        for name, record in records().items()
        if family in (None, record["family"])
        and (wanted is None or record["class_name"] in wanted)
        and (max_parameters is None or record["parameters"] <= max_parameters)
        and embedded in (None, record["embedded"])
    }


def classes_of(task):
    """The names of the classes that a record may name where `task` is asked for, a class or a name."""
    shared = index()["tasks"]
    if isinstance(task, type):
        known = {c.__name__: c for family in families().values() for c in (family.backbone, *family.tasks)}
        found = [name for name, cls in known.items() if issubclass(cls, task) or issubclass(task, cls)]
        if not found:
            raise PresetError(f"{task.__name__} is no task; tasks are {', '.join(shared)}, and their subclasses.")
        return found
    if task in shared:
        return shared[task]
    if any(task in names for names in shared.values()):
        return [task]
    own = sorted(name for names in shared.values() for name in names)
    raise PresetError(f"There is no task {task!r}; known are {', '.join(shared)}, and of one family {', '.join(own)}.")


def presets_for(cls):
    """Of `list_presets()` those whose family has a backbone or a task that is a `cls`, or of which `cls` is one."""
    found = {}
    for name, record in list_presets().items():
        family = families()[record["family"]]
        if any(issubclass(known, cls) or issubclass(cls, known) for known in (family.backbone, *family.tasks)):
            found[name] = record
    return found
