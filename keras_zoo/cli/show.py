"""`keras-zoo show`: what is known of a preset, by name or in a folder."""

import contextlib
import json
import math
from pathlib import Path

from keras_zoo.cli.loading import PRESET, add_command, add_json
from keras_zoo.cli.tables import count_text, print_fields, print_json, size_text

MOST = 8  # classes that are named
REMOTE = ("hf://", "kaggle://", "http://", "https://")


def add(commands):
    command = add_command(
        commands,
        "show",
        "show what is known of a preset",
        "Shows a preset's task, classes, preprocessing, layout, files, dtype and licence, and where it is cached. By "
        "name nothing is fetched; an address is shown where it is in the cache.",
        (
            "keras-zoo show bert_tiny_en_uncased_sst2",
            "keras-zoo show ./my_model",
            "keras-zoo show hf://openai-community/gpt2 --json",
        ),
    )
    command.add_argument("preset", help=PRESET)
    add_json(command)
    command.set_defaults(run=run)


def run(arguments):
    from keras_zoo.records import records

    found = of_record(arguments.preset) if arguments.preset in records() else of_folder(arguments.preset)
    if arguments.json:
        print_json(found)
        return
    print(f"{found['preset']}\n{found['description']}\n" if found.get("description") else f"{found['preset']}\n")
    print_fields(readable(found))


def of_record(name):
    """What the record of a published or an embedded preset says; read without Keras."""
    from keras_zoo.records import class_names, layout_of, records, task_of

    record = records()[name]
    main = record.get("alias_of", name)
    found = {"preset": name, "description": record["description"], "task": task_of(record)}
    found |= {key: record[key] for key in ("class_name", "family", "parameters", "size", "license")}
    found |= {key: record[key] for key in ("metrics", "prompts", "alias_of") if key in record}
    found["other_names"] = [n for n, r in records().items() if r.get("alias_of", n) == main and n != name]
    if record["embedded"]:
        folder = Path(record["folder"])
        parts = {part: config_in(folder / f"{part}.json") for part in ("config", "preprocessor", "task")}
        found |= {"layout": "keras_zoo", "folder": str(folder), "files": files_of(folder)}
    else:
        parts = {part: record.get(part) for part in ("config", "preprocessor", "task")}
        if record.get("tokenizer", {}) is None:
            parts["preprocessor"] = None
        holds = dict.fromkeys(record["sources"], "everything")
        holds |= dict.fromkeys(record.get("backbone_sources", ()), "the backbone alone")
        found["sources"] = [{"address": a, "layout": layout_of(a), "holds": what} for a, what in holds.items()]
        found["cached"] = cached(holds)
    task = parts["task"] or {}
    names = class_names(record) if "classes" in record else task.get("class_names")
    found |= {"classes": names, "num_classes": task.get("num_classes"), "network": parts["config"]}
    found |= {"preprocessing": parts["preprocessor"], "task_arguments": without(task, "class_names", "num_classes")}
    return found


def of_folder(preset):
    """What the files of a folder say, which its layout's reader finds out."""
    from keras_zoo import sources
    from keras_zoo.errors import PresetError
    from keras_zoo.formats.opening import open_folder

    try:
        folder = sources.download(preset, offline=True)
    except PresetError as error:
        hint = f"\n`keras-zoo download {preset}` fetches it." if preset.startswith(REMOTE) else ""
        raise PresetError(f"{error}{hint}") from error
    layout = open_folder(folder)
    cls = layout.task_class or layout.family.backbone
    found = {
        "preset": preset,
        "task": task_name(cls),
        "class_name": cls.__name__,
        "family": layout.family.name,
        "layout": layout.format,
        "license": licence(folder),
        "folder": str(folder),
        "files": files_of(folder),
    }
    with contextlib.suppress(PresetError):  # an architecture without weights
        tensors = layout.tensors().values()
        found["stored_values"] = sum(math.prod(tensor.shape) for tensor in tensors)  # masks and counters among them
        found["dtypes"] = sorted({str(tensor.dtype) for tensor in tensors})
    task = layout.task_config or {}
    found |= {"classes": task.get("class_names"), "num_classes": task.get("num_classes")}
    found |= {"network": layout.backbone_config, "preprocessing": layout.preprocessor_config}
    return found | {"task_arguments": without(task, "class_names", "num_classes")}


def task_name(cls):
    from keras_zoo.records import index

    return next(task for task, names in index()["tasks"].items() if cls.__name__ in names)


def readable(found):
    """The same as texts, in the order in which a reader asks."""
    task, cls, family = found["task"], found["class_name"], found["family"]
    parameters, stored = found.get("parameters"), found.get("stored_values")
    size = found.get("size") or sum((found.get("files") or {}).values())
    classes = found["classes"]
    labels = [] if not classes else [", ".join(classes[:MOST]) + (", …" if len(classes) > MOST else "")]
    return {
        "task": f"{task}, {cls}",
        "family": family,
        "parameters": None if parameters is None else f"{count_text(parameters)} ({parameters:,})",
        "weights": None if stored is None else f"{count_text(stored)} numbers, {', '.join(found['dtypes'])}",
        "to fetch" if found.get("sources") else "size": size_text(size) if size else "no weights",
        "licence": found["license"] or "the folder does not say",
        "layout": found.get("layout"),
        "classes": (
            [str(found["num_classes"] or len(classes or ())), *labels] if found["num_classes"] or classes else []
        ),
        "network": pairs(found["network"]),
        "preprocessing": pairs(found["preprocessing"]) or "none: takes tensors",
        "settings": pairs(found["task_arguments"]),
        "prompts": [f"{name}: {text!r}" for name, text in found.get("prompts", {}).items()],
        "metrics": pairs(found.get("metrics")),
        "other names": ", ".join(found.get("other_names", ())),
        "sources": [
            f"{x['address']} ({x['layout']})" + ("" if x["holds"] == "everything" else f", {x['holds']}")
            for x in found.get("sources", ())
        ],
        "cached": found["cached"] or "no" if found.get("sources") else None,
        "folder": found.get("folder"),
        "files": [f"{name}, {size_text(size)}" for name, size in found.get("files", {}).items()],
        "load": f'{room_of(family)}.models.{cls}.from_preset("{found["preset"]}")',
    }


def room_of(family):
    """The package that has a family, by the folder of its records."""
    from keras_zoo.records import records

    found = (r["assets"] for r in records().values() if r["family"] == family and not r["embedded"])
    return f"keras_{Path(next(found)).parent.name}"


def pairs(config):
    return ", ".join(f"{key}={value!r}" for key, value in (config or {}).items() if value is not None)


def without(config, *names):
    return {key: value for key, value in config.items() if key not in names}


def config_in(path):
    return json.loads(path.read_text(encoding="utf-8"))["config"] if path.is_file() else None


def files_of(folder):
    """`{name: bytes}` of what is below a folder, or of a single file."""
    from keras_zoo.sources.choice import files_below

    return {folder.name: folder.stat().st_size} if folder.is_file() else files_below(folder)


def licence(folder):
    """What the head of the model card says under `license`, None where it does not."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    lines = (line.partition(":") for line in head.split("\n")) if head.startswith("---") else ()
    return next((value.strip() for name, _, value in lines if name == "license"), None)


def cached(addresses):
    """The folder of the first of these addresses that is in the cache, None where none is."""
    from keras_zoo.sources.cache import entries

    folders = {entry.address: str(entry.folder) for entry in entries()}
    return next((folders[address] for address in addresses if address in folders), None)
