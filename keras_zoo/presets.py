"""`from_preset` and `save_to_preset`: from a name to a model, and from a model to a folder."""

import fnmatch
import inspect
from pathlib import Path

from keras_zoo import model_card, origin, reading, saving, sources, weights
from keras_zoo.config import argument_names
from keras_zoo.errors import PresetError
from keras_zoo.formats import lora_file, opening, settings
from keras_zoo.published import RecordLayout

PARTS = ("task", "backbone", "preprocessor", "tokenizer")  # what is saved, and no option of saving
ANY_MODEL = ("name", "trainable")  # arguments that Keras gives every model


def open_preset(preset, offline=False, weights=True):
    """The `Layout` of anything a user calls a preset; `offline` and `weights` as for `keras_zoo.sources.locate`."""
    folder, record = sources.locate(preset, offline, weights)
    return opening.open_folder(folder) if record is None else RecordLayout(preset, record, offline, weights)


def suitable(cls, found, preset):
    """The class to build where the user asked for `cls` and the preset has `found`.

    A base class stands for any of its subclasses; a user's own subclass of the preset's class is taken as it is.
    """
    if issubclass(found, cls):
        return found
    if issubclass(cls, found):
        return cls
    raise PresetError(f"{preset!r} is a {found.__name__}, not a {cls.__name__}.")


def load_backbone(cls, preset, load_weights, dtype, overrides, offline=False):
    layout = open_preset(preset, offline, "backbone" if load_weights else False)
    cls = suitable(cls, layout.family.backbone, preset)
    refuse_unknown(overrides, argument_names(cls), cls)
    backbone = build(layout, lambda: make_backbone(cls, layout, dtype, overrides), load_weights)
    return remembered(backbone, preset, layout, load_weights)


def load_task(cls, preset, load_weights, dtype, overrides, offline=False):
    overrides, layout = dict(overrides), open_preset(preset, offline, load_weights)
    new_classes = overrides.pop("new_classes", False)
    candidates = [*filter(None, [layout.task_class]), *layout.family.tasks]
    task_class = suitable(cls, next((c for c in candidates if fits(c, cls)), candidates[0]), preset)
    own, below = argument_names(task_class), argument_names(layout.family.backbone)
    refuse_unknown(overrides, own + below, task_class)
    if load_weights:
        layout.choose(task_class)
    saved = layout.task_config if layout.task_class and issubclass(task_class, layout.task_class) else {}
    kept = {name: value for name, value in saved.items() if name not in overrides}
    settings.check_settings(kept, "The preset's task", largest=task_class.largest)
    config = saved | {k: v for k, v in overrides.items() if k in (*own, *ANY_MODEL)}
    if isinstance(overrides.get("class_names"), list | tuple) and "num_classes" in own:
        config["num_classes"] = overrides.get("num_classes", len(overrides["class_names"]))
    elif config.get("num_classes") != saved.get("num_classes", config.get("num_classes")):
        config["class_names"] = None  # those of the preset name other classes
    if new_classes and not task_class.class_weights:
        raise ValueError(f"{task_class.__name__} takes no new_classes: it would keep nothing of the head.")
    wrong = [k for k in task_class.head_arguments if config.get(k) != saved.get(k, config.get(k))]
    if load_weights and wrong and not new_classes:
        raise PresetError(
            f"The head of {preset!r} was made for {', '.join(f'{k}={saved[k]!r}' for k in wrong)}; got "
            f"{', '.join(f'{k}={config[k]!r}' for k in wrong)}. For a new head start from the bare backbone: "
            f"{task_class.__name__}(Backbone.from_preset({preset!r}), …)"
            + (", or keep all but what tells classes: new_classes=True." if task_class.class_weights else ".")
        )
    below = {k: v for k, v in overrides.items() if k in below and k not in own}

    def make():
        if "preprocessor" not in config:  # while the weights are read
            config["preprocessor"] = default_preprocessor(task_class, layout)
        backbone = make_backbone(layout.family.backbone, layout, dtype, below)
        return construct(task_class, {"backbone": backbone} | config)

    task = build(layout, make, load_weights, task_class.class_weights if new_classes else ())
    remembered(task, preset, layout, load_weights)
    if not task.compiled:
        task.compile()
    return task


def make_backbone(cls, layout, dtype, overrides):
    config = layout.backbone_config | overrides
    if dtype is not None:
        config["dtype"] = dtype
    else:
        settings.check_settings({"dtype": config.get("dtype")}, "The preset's backbone")
    return construct(cls, config)


def construct(cls, config):
    """An object from a preset's configuration; whatever is wrong with that is a `PresetError`."""
    try:
        return cls(**config)
    except PresetError:
        raise
    except Exception as error:  # wrong values make Keras and its backends raise whatever they come upon
        raise PresetError(
            f"The preset's configuration, with the arguments given beside it, does not fit {cls.__name__}: {error}"
        ) from error


def build(layout, make, load_weights, anew=()):
    """The model `make` gives, with the preset's weights read straight into its variables.

    `anew` are patterns of paths of variables that start as they do without a preset.
    """
    if layout.backbone_config is None:
        raise PresetError("The preset holds no model: it has no config.json.")
    filled = load_weights and layout.has_weights
    tensors = layout.tensors() if filled else None
    settings.check_depth(layout.backbone_config, layout.task_config, tensors)  # before so many layers are built
    with reading.ahead(tensors or {}) as reader, weights.deferred():
        model = make()
        bindings, ignored = layout.bindings(model, tensors) if filled else ({}, ())
        left = {path for path in bindings for pattern in anew if fnmatch.fnmatch(path, pattern)}
        ignored = (*ignored, *(bindings.pop(path).name for path in left))
        settings.check_memory(weight for weight in model.weights if weight.path not in bindings)
        if filled:
            weights.fill(model, bindings, reader, ignored)
    return model


def remembered(model, preset, layout, load_weights):
    """`model` with what was saved beside its weights: adapters, and where those came from."""
    if load_weights and layout.has_weights:
        if layout.adapters is not None:
            lora_file.read(layout.adapters, getattr(model, "backbone", model))
        origin.remember(model, origin.of_preset(preset, layout.origin))
    return model


def default_preprocessor(task_class, layout):
    cls = task_class.preprocessor_class
    return None if cls is None or layout.preprocessor_config is None else make_preprocessor(cls, layout, {})


def load_preprocessor(cls, preset, overrides, offline=False):
    layout = open_preset(preset, offline, weights=False)
    task = layout.task_class or layout.family.tasks[0]
    candidates = [layout.preprocessor_class, *(t.preprocessor_class for t in (task, *layout.family.tasks))]
    cls = suitable(cls, next((c for c in candidates if fits(c, cls)), task.preprocessor_class), preset)
    refuse_unknown(overrides, argument_names(cls), cls)
    return make_preprocessor(cls, layout, overrides)


def fits(found, cls):
    return found is not None and (issubclass(found, cls) or issubclass(cls, found))


def make_preprocessor(cls, layout, overrides):
    config, own = layout.preprocessor_config or {}, layout.preprocessor_class
    kept = {name: value for name, value in config.items() if name not in overrides}
    settings.check_settings(kept, "The preset's preprocessor", largest=cls.largest)
    if own is not None and not fits(own, cls):  # another task's: what both have holds for this one too
        config = {name: value for name, value in config.items() if name in argument_names(cls)}
    config = config | overrides
    if "tokenizer" in argument_names(cls) and "tokenizer" not in config:
        config["tokenizer"] = make_tokenizer(layout.family.tokenizer, layout, {})
    return construct(cls, config)


def make_tokenizer(cls, layout, overrides):
    config = layout.tokenizer_config(cls)
    kept = {name: value for name, value in config.items() if name not in (*cls.asset_arguments, *overrides)}
    settings.check_settings(kept, "The preset's tokenizer", largest=cls.largest)
    return construct(cls, config | overrides)


def load_tokenizer(cls, preset, overrides, offline=False):
    layout = open_preset(preset, offline, weights=False)
    if layout.family.tokenizer is None:
        raise PresetError(f"{preset!r} is of the family {layout.family.name!r}, which has no tokenizer.")
    cls = suitable(cls, layout.family.tokenizer, preset)
    refuse_unknown(overrides, argument_names(cls), cls)
    return make_tokenizer(cls, layout, overrides)


def refuse_unknown(overrides, names, cls):
    accepted = (*names, *ANY_MODEL)
    unknown = sorted(set(overrides) - set(accepted))
    if unknown:
        accepted = ", ".join(sorted({*accepted, "dtype", "load_weights", "offline"} - {"backbone"}))
        raise ValueError(f"{cls.__name__}.from_preset does not take {unknown}; it takes {accepted}.")


def save(folder, format="keras_zoo", **what):
    """Writes `task=`, `backbone=`, `preprocessor=` or `tokenizer=` into `folder`, all or nothing."""
    if not isinstance(size := what.get("max_shard_size", 1), int | float):
        raise ValueError(f"max_shard_size is a number, of GB, such as 5 or 0.5; got {size!r}.")
    if format not in opening.WRITERS:
        raise ValueError(f"format must be one of {sorted(opening.WRITERS)}; got {format!r}.")
    own = list(inspect.signature(opening.WRITERS[format]).parameters)[1:]
    accepted = list(dict.fromkeys((*own, "record")))  # which the card has, whatever the layout
    if unknown := sorted(set(what) - set(accepted)):
        accepted = ", ".join(name for name in accepted if name not in PARTS)
        raise ValueError(f"save_to_preset with format={format!r} does not take {unknown}; it takes {accepted}.")
    model = what.get("task") or what.get("backbone")
    with saving.staged(folder, *replaced(Path(folder), format, model)) as stage:
        opening.WRITERS[format](stage, **{name: value for name, value in what.items() if name in own})
        if model is not None and not model_card.is_ones_own(Path(folder) / "README.md"):
            model_card.write(stage / "README.md", Path(folder).resolve().name, model, format, what)


def replaced(folder, format, model):
    """Patterns of the files in `folder` that would contradict what is written."""
    if model is None:
        return ()
    new = getattr(model, "preprocessor", None) is not None or not opening.is_of(folder, format)
    return (saving.OF_A_MODEL, saving.OF_A_PREPROCESSOR) if new else (saving.OF_A_MODEL,)
