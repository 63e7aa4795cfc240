"""Writes KerasHub's layout, by the tables that `keras_zoo.formats.keras_hub` reads it by.

What those do not express is a `PresetError`, and nothing is written. What they have no place for and changes no output,
such as the names of classes, stands in `metadata.json`, where KerasHub does not look.
"""

import datetime

import keras

from keras_zoo import lora, origin, registry, weights
from keras_zoo.config import argument_names, policy_name, refuse_more_arguments
from keras_zoo.errors import PresetError
from keras_zoo.formats import hdf5_writer
from keras_zoo.formats.files import write_json
from keras_zoo.formats.keras_objects import bound

VERSION = "0.32.0"  # of KerasHub, whose layout this is
MODELS, LAYERS = "keras_hub.models", "keras_hub.layers"  # where KerasHub exports its classes


def write(folder, backbone=None, task=None, preprocessor=None, tokenizer=None, max_shard_size=5.0):
    """Writes what is given into `folder` so that KerasHub loads it. `max_shard_size` is in GB."""
    thing = next(part for part in (task, backbone, preprocessor, tokenizer) if part is not None)
    objects = Objects(family_of(thing))
    if task is not None:
        backbone, preprocessor = task.backbone, task.preprocessor
    tokenizer = getattr(preprocessor, "tokenizer", tokenizer)
    files = {
        "config": None if backbone is None else objects.backbone(backbone),
        "task": None if task is None else objects.task(task),
        "preprocessor": None if preprocessor is None else objects.preprocessor(preprocessor, task),
        "image_converter": None if preprocessor is None else objects.image_converter(preprocessor),
        "tokenizer": None if tokenizer is None else objects.plain(tokenizer),
    }
    for name, described in files.items():
        if described is not None:
            write_json(folder / f"{name}.json", described)
    if tokenizer is not None:
        tokenizer.save_assets(folder / "assets" / "tokenizer")
    if backbone is not None:
        write_weights(folder, objects.hub, backbone, task, int(max_shard_size * 1e9))
        write_json(folder / "metadata.json", metadata(objects, backbone, task))


def family_of(thing):
    """The family of a model or of a part; `PresetError` where KerasHub has none of its class."""
    cls = registry.known_class(thing)
    family = registry.family_with(cls.__name__)
    if family.keras_hub is None:
        known = sorted(name for name, family in registry.families().items() if family.keras_hub is not None)
        raise PresetError(f"KerasHub's layout has no place for a {cls.__name__}; it is written for {', '.join(known)}.")
    return family


class Objects:
    """Models and their parts as KerasHub serialises them, `{module, class_name, config, registered_name}`."""

    def __init__(self, family):
        self.family, self.hub = family, family.keras_hub

    def plain(self, thing, cls=None, **config):
        """An object by its own arguments, with `config` beside them."""
        cls = cls or registry.known_class(thing)
        if cls.__name__ not in self.hub.classes:
            raise PresetError(f"KerasHub has no {cls.__name__}; it has {', '.join(sorted(self.hub.classes))}.")
        refuse_more_arguments(thing, cls)
        own = self.hub.classes[cls.__name__].write(arguments_of(thing, cls), f"KerasHub's {cls.__name__}")
        return described(cls.__name__, named(thing) | config | own)

    def backbone(self, backbone):
        return self.plain(backbone, dtype=dtype_of(backbone))

    def task(self, task):
        preprocessor = None if task.preprocessor is None else self.preprocessor(task.preprocessor, task)
        return self.plain(task, backbone=self.backbone(task.backbone), preprocessor=preprocessor)

    def preprocessor(self, preprocessor, task=None):
        cls = registry.preprocessor_class(preprocessor, task)
        converter = self.image_converter(preprocessor)
        if converter is not None:
            refuse_more_arguments(preprocessor, cls)
            return described(cls.__name__, {"image_converter": converter})
        return self.plain(preprocessor, cls, tokenizer=self.plain(preprocessor.tokenizer))

    def image_converter(self, preprocessor):
        """What a preprocessor of images does, which KerasHub keeps apart; None for one of texts."""
        if not self.hub.image_converters:
            return None
        name, settings = next(iter(self.hub.image_converters.items()))
        arguments = {argument: getattr(preprocessor, argument) for argument in argument_names(type(preprocessor))}
        return described(name, settings.write(arguments, f"KerasHub's {name}"), LAYERS)


def arguments_of(thing, cls):
    return {name: getattr(thing, name) for name in argument_names(cls)}


def named(thing):
    return {"name": thing.name} if isinstance(thing, keras.Model) else {}


def described(name, config, module=MODELS):
    return {"module": module, "class_name": name, "config": config, "registered_name": f"keras_hub>{name}"}


def dtype_of(backbone):
    name = policy_name(backbone.dtype_policy)
    if not isinstance(name, str):
        raise PresetError("A quantised model is not written as KerasHub's: save it before quantize, or after loading.")
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}


def write_weights(folder, hub, backbone, task, max_shard_bytes):
    """The backbone's in one file or in shards, and what a head adds in another one."""
    below = bound("", lora.plain_weights(backbone), hub.table(backbone))
    hdf5_writer.write_tensors(folder, weights.stored(backbone, below), max_shard_bytes=max_shard_bytes)
    own = [] if task is None else [weight for weight in lora.plain_weights(task) if weight.path not in below]
    if own:
        head = bound("", own, hub.heads[registry.known_class(task).__name__](task))
        hdf5_writer.write_file(folder / "task.weights.h5", weights.stored(task, head) | optimizer_state(task))


def optimizer_state(task):
    """What KerasHub has in each file of a head and warns of where it is not: an optimizer that has not begun."""
    rate = getattr(task.optimizer, "_learning_rate", None)
    if not isinstance(rate, keras.Variable):  # a schedule, or there is no optimizer
        return {}
    state = {"optimizer/vars/0": task.optimizer.iterations, "optimizer/vars/1": rate}
    return {name: weights.Stored([(weights.Binding(name, shape=()), variable)], {}) for name, variable in state.items()}


def metadata(objects, backbone, task):
    from keras_zoo import __version__

    found = {
        "keras_version": keras.__version__,
        "keras_hub_version": VERSION,
        "keras_zoo_version": __version__,
        "parameter_count": lora.count_plain(backbone),
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "tasks": sorted(cls.__base__.__name__ for cls in objects.family.tasks if cls.__name__ in objects.hub.classes),
    }
    found["origin"] = origin.to_save(task or backbone, lora.adapters(backbone))
    unsaid = () if task is None else objects.hub.classes[registry.known_class(task).__name__].unsaid
    return found | ({"task": {name: getattr(task, name) for name in unsaid}} if unsaid else {})
