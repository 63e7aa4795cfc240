"""The layout of KerasHub, and of KerasNLP before it; `keras_hub_writer` writes it.

config.json              the backbone
model.weights.h5         its weights; or model.weights.json and model_00000.weights.h5, …
task.json                the task, if it is one
task.weights.h5          what its head adds to the backbone, and an optimizer's state, which is left out
preprocessor.json        the preprocessor; older folders may have none
tokenizer.json           the tokenizer
assets/tokenizer/        its vocabulary
image_converter.json     what a preprocessor of images does; older folders may have it in preprocessor.json alone
metadata.json            under `task`, where this library wrote it, what KerasHub has no place for

Configurations inside one another, such as the backbone's in task.json, are not read but for that one: each has a file
of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from keras_zoo import origin, registry
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import contained, file_in, read_json, read_optional
from keras_zoo.formats.hdf5_file import open_tensors, read_header
from keras_zoo.formats.keras_objects import bound, described, dtype_of, recognised
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.supported import advice

PACKAGES = ("keras_hub", "keras_nlp")
MODEL, TASK = "model.weights/", "task.weights/"  # before the names of the tensors of either file


@dataclass(frozen=True)
class HubCheckpoint:
    """How KerasHub stores one family; a family's `keras_hub.py` makes one.

    classes   {class name here: Settings}, of everything that is read
    table     backbone -> weight table (see `keras_zoo.weights`), names as in model.weights.h5
    heads     {task class name: task -> weight table of the head's own layers}, names as in task.weights.h5
    image_converters  {class name there: Settings}, which give arguments of the preprocessor here
    """

    classes: dict
    table: Callable
    heads: dict
    image_converters: dict = field(default_factory=dict)

    def named(self, name):
        """The class name here of one in a file, None where it is not in the table."""
        return next((ours for ours, settings in self.classes.items() if name in (ours, *settings.also)), None)


class KerasHubLayout(Layout):
    format = "keras_hub"

    def __init__(self, folder, config):
        self.folder = folder
        names = ("config", "task", "preprocessor", "tokenizer", "image_converter")
        files = filter(None, (file_in(folder, f"{name}.json") for name in names))
        parts = {path.stem: described(read_json(path), path, PACKAGES) for path in files}
        self.family = family_of(*next(iter(parts.values())))
        self.hub = self.family.keras_hub
        self.origin = origin.of_folder(folder)
        preprocessors = {task.preprocessor_class for task in self.family.tasks}
        _, self.backbone_config = self.read(parts.get("config"), {self.family.backbone})
        self.task_class, self.task_config = self.read(parts.get("task"), set(self.family.tasks))
        if self.task_class is not None:
            self.task_config |= unsaid(folder, self.hub.classes[self.task_class.__name__])
        self.preprocessor_class, self.preprocessor_config = self.read(parts.get("preprocessor"), preprocessors)
        _, self.tokenizer_settings = self.read(parts.get("tokenizer"), {self.family.tokenizer})
        if self.backbone_config is not None:
            self.backbone_config |= dtype_of(parts["config"][2], folder / "config.json")
        if self.preprocessor_config is None and self.tokenizer_settings is not None:
            context = (self.backbone_config or {}).get("max_sequence_length")
            self.preprocessor_config = {} if context is None else {"sequence_length": context}
        if (converter := converter_of(parts)) is not None:
            self.preprocessor_config = (self.preprocessor_config or {}) | self.read_converter(*converter)

    @staticmethod
    def recognises(config):
        return recognised(config, PACKAGES)

    @classmethod
    def without_model(cls, folder):
        """Whether a folder that has no config.json holds a preprocessor or a tokenizer that KerasHub saved alone."""
        paths = [file_in(folder, f"{part}.json") for part in ("preprocessor", "tokenizer", "image_converter")]
        return any(path is not None and cls.recognises(read_json(path)) for path in paths)

    def read(self, part, accepted):
        """`(class, arguments)` of one of the JSON files, `(None, None)` where it is not there."""
        if part is None:
            return None, None
        path, name, config = part
        ours = self.hub.named(name)
        cls = self.family.classes.get(ours)
        if cls is None or cls not in accepted:
            raise unexpected(path, name, [n for n in self.hub.classes if self.family.classes[n] in accepted])
        return cls, self.hub.classes[ours].read(config, path)

    def read_converter(self, path, name, config):
        """Arguments of the preprocessor, of which KerasHub's image converter is a part."""
        if name not in self.hub.image_converters:
            raise unexpected(path, name, self.hub.image_converters)
        return self.hub.image_converters[name].read(config, path)

    def tokenizer_config(self, cls):
        if self.tokenizer_settings is None:
            raise PresetError(f"{self.folder} holds no tokenizer.json. Pass preprocessor=None to load the model alone.")
        return cls.load_assets(contained(self.folder, self.folder / "assets" / "tokenizer")) | self.tokenizer_settings

    def tensors(self):
        found = {MODEL + name: tensor for name, tensor in open_tensors(self.folder).items()}
        task = file_in(self.folder, "task.weights.h5")
        return found | ({} if task is None else {TASK + name: tensor for name, tensor in read_header(task).items()})

    def bindings(self, model, tensors):
        """Of a model that is not the folder's task the head starts anew, and the folder's is left out."""
        backbone = getattr(model, "backbone", model)
        found = bound(MODEL, backbone.weights, self.hub.table(backbone))
        if self.task_class is None or not isinstance(model, self.task_class):
            return found, (f"{TASK}*",)
        own = [weight for weight in model.weights if weight.path not in found]
        head = self.hub.heads.get(self.task_class.__name__, lambda task: {})
        return found | bound(TASK, own, head(model)), (f"{TASK}optimizer/*",)


def unsaid(folder, settings):
    """Of the arguments that KerasHub has no place for those that metadata.json has."""
    kept = read_optional(folder, "metadata.json").get("task")
    return {name: kept[name] for name in settings.unsaid if name in kept} if isinstance(kept, dict) else {}


def unexpected(path, name, known):
    known = ", ".join(sorted(known)) or "none, the family has no such part"
    return PresetError(f"{path} names the class {name!r}, which is none of those expected: {known}.")


def converter_of(parts):
    """The image converter's `(path, class name, configuration)`, None where the folder has none."""
    if "image_converter" in parts or "preprocessor" not in parts:
        return parts.get("image_converter")
    path, _, config = parts["preprocessor"]
    inner = config.get("image_converter")
    return None if inner is None else described(inner, f"image_converter in {path}", PACKAGES)


def family_of(path, name, config):
    known = []
    for family in registry.families().values():
        hub = family.keras_hub
        if hub is not None and (hub.named(name) or name in hub.image_converters):
            return family
        known += hub.classes if hub is not None else ()
    message = f"{path} names the class {name!r}; of KerasHub's classes are known: {', '.join(sorted(known))}."
    raise PresetError(advice(message))
