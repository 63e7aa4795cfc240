"""The layout of KerasCV, which is read and not written.

config.json         a backbone, or a task with its backbone inside; `weights` names the next file, or is null
model.weights.h5    the weights, of a task all in this one file
metadata.json       not read

A backbone's class says which family a folder is of: one class of tasks, such as `keras_cv>ImageClassifier`, holds
backbones of many families.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras_zoo import registry
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in
from keras_zoo.formats.hdf5_file import read_header
from keras_zoo.formats.keras_objects import Settings, bound, described, dtype_of, recognised
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.supported import advice

PACKAGES = ("keras_cv", "keras_cv.models")
OPTIMIZER = "optimizer/*"


@dataclass(frozen=True)
class CVClass:
    """How a class of KerasCV is read.

    name      the class here
    settings  what of its configuration is read
    group     of a backbone, where its layers stand in the file of a task: "layers/res_net_backbone"
    """

    name: str
    settings: Settings
    group: str = ""


@dataclass(frozen=True)
class CVCheckpoint:
    """How KerasCV stores one family; a family's `keras_cv.py` makes one.

    classes   {class name there: CVClass}, of everything that is read
    table     backbone -> weight table (see `keras_zoo.weights`), names as in the file of the backbone alone
    heads     {task class name here: task -> weight table of the head's own layers}, names as in the file of the task
    """

    classes: dict
    table: Callable
    heads: dict


class KerasCVLayout(Layout):
    format = "keras_cv"

    def __init__(self, folder, config):
        self.path = folder / "config.json"
        self.weights_name = config.get("weights")
        outer = described(config, self.path, PACKAGES)
        inside = outer[2].get("backbone")
        backbone = outer if inside is None else described(inside, f"The backbone in {self.path}", PACKAGES)
        self.family = family_of(*backbone)
        self.cv = self.family.keras_cv
        self.group = self.cv.classes[backbone[1]].group
        _, self.backbone_config = self.read(backbone, {self.family.backbone})
        self.backbone_config |= dtype_of(backbone[2], self.path)
        if inside is not None:
            self.task_class, self.task_config = self.read(outer, set(self.family.tasks))

    @staticmethod
    def recognises(config):
        return recognised(config, PACKAGES)

    def read(self, part, accepted):
        """`(class, arguments)` of one of the two objects."""
        where, name, config = part
        classes = {theirs: self.family.classes[entry.name] for theirs, entry in self.cv.classes.items()}
        if classes.get(name) not in accepted:
            known = sorted(theirs for theirs, cls in classes.items() if cls in accepted)
            raise PresetError(
                f"{where} names the class {name!r}, which is none of those expected: {', '.join(known) or 'none'}."
            )
        return classes[name], self.cv.classes[name].settings.read(config, where)

    def tensors(self):
        name = self.weights_name
        if name is None:
            raise PresetError(f"{self.path} says that no weights were saved; load_weights=False gives random ones.")
        beside = isinstance(name, str) and Path(name).name == name
        if not beside or (file := file_in(self.path.parent, name)) is None:
            raise PresetError(f"{self.path} names the weights {name!r:.100}, which is not a file beside it.")
        return read_header(file)

    def bindings(self, model, tensors):
        """Of a model that is not the folder's task the head starts anew, and the folder's is left out."""
        backbone = getattr(model, "backbone", model)
        if self.task_class is None:
            return bound("", backbone.weights, self.cv.table(backbone)), (OPTIMIZER,)
        table = self.cv.table(backbone)
        found = bound(f"{self.group}/", backbone.weights, table)
        if not isinstance(model, self.task_class):
            return found, [name for name in tensors if not name.startswith(f"{self.group}/")]
        own = [weight for weight in model.weights if weight.path not in found]
        head = self.cv.heads.get(self.task_class.__name__, lambda task: {})
        return found | bound("", own, head(model)), (OPTIMIZER,)


def family_of(where, name, config):
    """The family whose table has the class of a backbone by its name."""
    known = []
    for family in registry.families().values():
        own = {} if family.keras_cv is None else family.keras_cv.classes
        backbones = [theirs for theirs, entry in own.items() if family.classes[entry.name] is family.backbone]
        if name in backbones:
            return family
        known += backbones
    known = ", ".join(sorted(known)) or "none"
    raise PresetError(advice(f"{where} names the class {name!r}; of KerasCV's backbones are known: {known}."))
