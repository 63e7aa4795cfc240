"""The layout of KerasHub, and of KerasNLP before it, which is read and not written.

config.json              the backbone
model.weights.h5         its weights; or model.weights.json and model_00000.weights.h5, …
task.json                the task, if it is one
task.weights.h5          what its head adds to the backbone, and an optimizer's state, which is left out
preprocessor.json        the preprocessor; older folders may have none
tokenizer.json           the tokenizer
assets/tokenizer/        its vocabulary

Each JSON file holds `{module, class_name, config, registered_name}`. The class is looked up in the family's table by
the registered name, `keras_hub>BertBackbone`; the module is not looked at. Configurations inside one another, such as
the backbone's in task.json, are not read: each has a file of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from keras_zoo import registry, weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import read_json
from keras_zoo.formats.hdf5_file import open_tensors, read_header
from keras_zoo.formats.layout import Layout

PACKAGES = ("keras_hub", "keras_nlp")
POLICIES = ("DTypePolicy", "FloatDTypePolicy")  # those that their name describes; others are of quantised models
MODEL, TASK = "model.weights/", "task.weights/"  # before the names of the tensors of either file
# Settings that are read from a file of their own, or say nothing about what is computed.
PARTS = ("dtype", "backbone", "preprocessor", "tokenizer", "vocabulary", "merges")
ELSEWHERE = ("name", "trainable", "config_file", *PARTS)


@dataclass(frozen=True)
class Settings:
    """What of the configuration of one class is read.

    names      arguments that are called the same there and here
    defaults   arguments that the configuration does not name, or not always
    only       {setting: the one value that the class here has}
    convert    {argument: theirs -> ours}
    also       older names of the class
    """

    names: tuple = ()
    defaults: dict = field(default_factory=dict)
    only: dict = field(default_factory=dict)
    convert: dict = field(default_factory=dict)
    also: tuple = ()

    def read(self, config, where):
        """The arguments here. A setting that is not known may change what is computed: a `PresetError`."""
        known = (*self.names, *ELSEWHERE)
        wrong = [
            f"{name}={value!r:.100}"
            for name, value in config.items()
            if name not in known and not (name in self.only and value == self.only[name])
        ]
        if wrong:
            expected = "".join(f", {name}={value!r}" for name, value in self.only.items())
            raise PresetError(
                f"{where} has settings that the class here does not express: {', '.join(wrong)}. It expresses "
                f"{', '.join(self.names)}{expected}."
            )
        found = {name: config[name] for name in self.names if name in config}
        return self.defaults | {k: self.convert[k](v) if k in self.convert else v for k, v in found.items()}


@dataclass(frozen=True)
class HubCheckpoint:
    """How KerasHub stores one family; a family's `keras_hub.py` makes one.

    classes   {class name here: Settings}, of everything that is read
    table     backbone -> weight table (see `keras_zoo.weights`), names as in model.weights.h5
    heads     {task class name: task -> weight table of the head's own layers}, names as in task.weights.h5
    """

    classes: dict
    table: Callable
    heads: dict

    def named(self, name):
        """The class name here of one in a file, None where it is not in the table."""
        return next((ours for ours, settings in self.classes.items() if name in (ours, *settings.also)), None)


def variables(group, *leaves, **shapes):
    """An entry of a weight table: the variables of the layer `group`, in the order in which Keras keeps them.

    `shapes` are those in the file, where they are not the variable's.
    """
    return {
        leaf: weights.Binding(f"{group}/vars/{i}", shape=tuple(shapes[leaf]) if leaf in shapes else None)
        for i, leaf in enumerate(leaves)
    }


class KerasHubLayout(Layout):
    title = "KerasHub's (config.json with registered_name keras_hub>… or keras_nlp>…)"

    def __init__(self, folder, config):
        self.folder = folder
        files = (folder / f"{part}.json" for part in ("config", "task", "preprocessor", "tokenizer"))
        parts = {path.stem: described(path) for path in files if path.is_file()}
        self.family = family_of(*next(iter(parts.values())))
        self.hub = self.family.keras_hub
        preprocessors = {task.preprocessor_class for task in self.family.tasks}
        _, self.backbone_config = self.read(parts.get("config"), {self.family.backbone})
        self.task_class, self.task_config = self.read(parts.get("task"), set(self.family.tasks))
        self.preprocessor_class, self.preprocessor_config = self.read(parts.get("preprocessor"), preprocessors)
        _, self.tokenizer_settings = self.read(parts.get("tokenizer"), {self.family.tokenizer})
        if self.backbone_config is not None:
            self.backbone_config |= dtype_of(parts["config"][2], folder / "config.json")
        if self.preprocessor_config is None and self.tokenizer_settings is not None:
            context = (self.backbone_config or {}).get("max_sequence_length")
            self.preprocessor_config = {} if context is None else {"sequence_length": context}

    @staticmethod
    def recognises(config):
        return str(config.get("registered_name", "")).startswith(tuple(f"{package}>" for package in PACKAGES))

    @classmethod
    def without_model(cls, folder):
        """Whether a folder that has no config.json holds a preprocessor or a tokenizer that KerasHub saved alone."""
        paths = [folder / "preprocessor.json", folder / "tokenizer.json"]
        return any(path.is_file() and cls.recognises(read_json(path)) for path in paths)

    def read(self, part, accepted):
        """`(class, arguments)` of one of the JSON files, `(None, None)` where it is not there."""
        if part is None:
            return None, None
        path, name, config = part
        ours = self.hub.named(name)
        cls = self.family.classes.get(ours)
        if cls not in accepted:
            known = sorted(n for n in self.hub.classes if self.family.classes[n] in accepted)
            raise PresetError(f"{path} names the class {name!r}, which is none of those expected: {', '.join(known)}.")
        return cls, self.hub.classes[ours].read(config, path)

    def tokenizer_config(self, cls):
        if self.tokenizer_settings is None:
            raise PresetError(f"{self.folder} holds no tokenizer.json. Pass preprocessor=None to load the model alone.")
        return cls.load_assets(self.folder / "assets" / "tokenizer") | self.tokenizer_settings

    def tensors(self):
        found = {MODEL + name: tensor for name, tensor in open_tensors(self.folder).items()}
        task = self.folder / "task.weights.h5"
        return found | ({TASK + name: tensor for name, tensor in read_header(task).items()} if task.is_file() else {})

    def bindings(self, model, tensors):
        """Of a model that is not the folder's task the head starts anew, and the folder's is left out."""
        backbone = getattr(model, "backbone", model)
        found = bound(MODEL, backbone.weights, self.hub.table(backbone))
        if self.task_class is None or not isinstance(model, self.task_class):
            return found, (f"{TASK}*",)
        own = [weight for weight in model.weights if weight.path not in found]
        head = self.hub.heads.get(self.task_class.__name__, lambda task: {})
        return found | bound(TASK, own, head(model)), (f"{TASK}optimizer/*",)


def bound(prefix, variables, table):
    bindings = weights.table_bindings(variables, table)
    return {path: binding._replace(name=prefix + binding.name) for path, binding in bindings.items()}


def described(path):
    """`(path, class name, configuration)` of one of the JSON files."""
    data = read_json(path)
    package, _, name = str(data.get("registered_name", "")).partition(">")
    if package not in PACKAGES or not isinstance(data.get("config"), dict):
        raise PresetError(
            f"{path} must hold a registered_name of {' or '.join(PACKAGES)} and a config; got the name "
            f"{data.get('registered_name')!r:.100}."
        )
    return path, name, data["config"]


def family_of(path, name, config):
    known = []
    for family in registry.families().values():
        if family.keras_hub is not None and family.keras_hub.named(name):
            return family
        known += family.keras_hub.classes if family.keras_hub is not None else ()
    raise PresetError(f"{path} names the class {name!r}; of KerasHub's classes are known: {', '.join(sorted(known))}.")


def dtype_of(config, path):
    """`{"dtype": name}` of a backbone's configuration, empty where it does not say."""
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") in POLICIES and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    if dtype is None or isinstance(dtype, str):
        return {} if dtype is None else {"dtype": dtype}
    raise PresetError(
        f"{path}: dtype is a name or one of {', '.join(POLICIES)}; got {dtype!r:.100}. Quantised models are not read: "
        "save the model before it is quantised, and call quantize here."
    )
