"""Our own layout.

config.json              the backbone's class name and arguments
model.safetensors        every weight under its path; indexed shards above 5 GB
model.lora.safetensors   adapters that were not merged into the weights, see `keras_zoo.formats.lora_file`
task.json                the task's class name and its own arguments
preprocessor.json        the preprocessor's class name and arguments
assets/tokenizer/        config.json (class name, arguments) and the vocabulary files
metadata.json            versions, parameter count, date, where the model came from
README.md                the model card
"""

import datetime

import keras

from keras_zoo import lora, origin, registry, weights
from keras_zoo.config import argument_names, refuse_more_arguments
from keras_zoo.errors import PresetError
from keras_zoo.formats import lora_file
from keras_zoo.formats.files import contained, file_in, read_json, write_json
from keras_zoo.formats.layout import Layout
from keras_zoo.formats.safetensors_file import open_tensors, save, write_tensors
from keras_zoo.formats.settings import check_settings

VERSION = 1
STORED_DTYPES = ("float32", "bfloat16", "float16")
TOKENIZER = "assets/tokenizer"
TOKENIZER_CONFIG = f"{TOKENIZER}/config.json"
ADAPTERS = "model.lora.safetensors"


class NativeLayout(Layout):
    format = "keras_zoo"

    def __init__(self, folder, config):
        self.folder = folder
        task, preprocessor = (read_part(folder, name) for name in ("task.json", "preprocessor.json"))
        if config is not None:
            self.backbone_config = section(config, folder / "config.json")
        named = config or preprocessor or read_part(folder, TOKENIZER_CONFIG)  # the last two are saved alone, too
        self.family = registry.family_with(named["class_name"])
        self.adapters = file_in(folder, ADAPTERS)
        self.origin = origin.of_folder(folder)
        if task is not None:
            self.task_class, self.task_config = self.family.classes.get(task["class_name"]), task["config"]
            if self.task_class not in self.family.tasks:
                raise PresetError(f"{folder / 'task.json'} names an unknown class: {task['class_name']!r:.200}.")
        if preprocessor is not None:
            self.preprocessor_config = preprocessor["config"]
            self.preprocessor_class = self.family.classes.get(preprocessor["class_name"])

    @staticmethod
    def without_model(folder):
        return any(file_in(folder, name) for name in ("preprocessor.json", TOKENIZER_CONFIG))

    @staticmethod
    def recognises(config):
        return str(config.get("registered_name", "")).startswith("keras_zoo>")

    def tokenizer_config(self, cls):
        settings = read_part(self.folder, TOKENIZER_CONFIG)
        if settings is None:
            raise PresetError(f"{self.folder} holds no tokenizer. Pass preprocessor=None to load the model alone.")
        check_settings(settings["config"], self.folder / TOKENIZER_CONFIG, apart=cls.asset_arguments)
        return cls.load_assets(contained(self.folder, self.folder / TOKENIZER)) | settings["config"]

    def tensors(self):
        return open_tensors(self.folder)

    def bindings(self, model, tensors):
        backbone = getattr(model, "backbone", model)
        if self.task_class is not None and isinstance(model, self.task_class):
            return weights.native_bindings(model), ()
        # A head that the preset does not have starts anew; one that the model does not have is left out.
        bindings = weights.native_bindings(backbone)
        own = {path.split("/")[0] for path in bindings}
        return bindings, [name for name in tensors if self.task_class and name.split("/")[0] not in own]


def read_part(folder, name):
    """A file with a class name and a configuration, None where the folder has none of that name."""
    path = file_in(folder, name)
    if path is None:
        return None
    data = read_json(path)
    section(data, path)
    return data


def section(data, path):
    """The `config` of `{"class_name", "config"}`, checked."""
    if not isinstance(data.get("class_name"), str) or not isinstance(data.get("config"), dict):
        raise PresetError(f"{path} must hold a class_name and a config.")
    return data["config"]


def described(thing, without=(), cls=None):
    """`{"class_name", "registered_name", "config"}` of an object of ours, written as one of the class `cls`.

    A user's own subclass is written as the family's class it extends, which is what can be loaded anywhere.
    """
    cls = cls or registry.known_class(thing)
    name, names = cls.__name__, [argument for argument in argument_names(cls) if argument not in without]
    refuse_more_arguments(thing, cls)
    config = {k: v for k, v in thing.config_of(names).items() if k in (*names, "name")}
    return {"class_name": name, "registered_name": f"keras_zoo>{name}", "config": config}


def write(
    folder,
    backbone=None,
    task=None,
    preprocessor=None,
    tokenizer=None,
    max_shard_size=5.0,
    weights_dtype=None,
    merge_lora=True,
    record=None,
):
    """Writes what is given into `folder`, a `keras_zoo.saving.staged` copy.

    `max_shard_size` is in GB; `weights_dtype`, such as `"float16"`, rounds what is stored without changing what the
    model loads as; with `merge_lora=False` adapters lie beside the weights instead of in them; `record` is what
    `keras_zoo.list_presets()` will say of an embedded preset.
    """
    if task is not None:
        backbone, preprocessor = task.backbone, task.preprocessor
        write_json(folder / "task.json", described(task, without=("backbone", "preprocessor")))
    if backbone is not None:
        model = task or backbone
        write_json(folder / "config.json", described(backbone))
        if weights_dtype not in (None, *STORED_DTYPES):
            raise ValueError(f"weights_dtype must be one of {STORED_DTYPES}; got {weights_dtype!r}.")
        tensors = weights.stored(model, weights.native_bindings(model), merge_lora, weights_dtype)
        write_tensors(folder, tensors, max_shard_bytes=int(max_shard_size * 1e9), metadata={"format": "keras_zoo"})
        adapters = lora.adapters(backbone)
        if adapters and not merge_lora:
            save(*lora_file.stored(backbone), folder / ADAPTERS)
        came_from = {"origin": origin.to_save(model, adapters, merge_lora)}
        write_json(folder / "metadata.json", metadata(model) | came_from | ({"preset": record} if record else {}))
    if preprocessor is not None:
        cls = registry.preprocessor_class(preprocessor, task)
        write_json(folder / "preprocessor.json", described(preprocessor, without=("tokenizer",), cls=cls))
        tokenizer = getattr(preprocessor, "tokenizer", None)
    if tokenizer is not None:
        write_json(folder / TOKENIZER_CONFIG, described(tokenizer, without=type(tokenizer).asset_arguments))
        tokenizer.save_assets(folder / TOKENIZER)


def metadata(model):
    from keras_zoo import __version__

    return {
        "format_version": VERSION,
        "keras_zoo_version": __version__,
        "keras_version": keras.__version__,
        "parameter_count": lora.count_plain(model),
        "date_saved": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }
