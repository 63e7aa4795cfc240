"""Preset records: what is known of each preset by name. Data below `presets/`, read without Keras."""

import difflib
import functools
import json
import re
from pathlib import Path

from keras_zoo.errors import PresetError


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
        record = json.loads(path.read_text(encoding="utf-8")).get("preset", {})
        size = sum(file.stat().st_size for file in path.parent.glob("*.safetensors"))
        found[path.parent.name] = record | {"size": size, "folder": str(path.parent), "embedded": True}
    return found


@functools.cache
def index():
    """What records have in common: `{"tasks": {task: class names}, "layouts": {beginning of an address: layout}}`."""
    return json.loads((presets_folder() / "index.json").read_text(encoding="utf-8"))


def class_names(record):
    """The names of the classes of the data set that a record's weights were trained on, in their order."""
    path = Path(record["assets"]).parent / "classes" / f"{record['classes']}.txt"
    return path.read_text(encoding="utf-8").splitlines()


def task_of(record):
    """What a record's weights are for, by the class that families share: `"CausalLM"`; `"Backbone"` for a bare one."""
    return next(task for task, names in index()["tasks"].items() if record["class_name"] in names)


def layout_of(address):
    """The layout in which a record's source holds its weights, such as `"keras_hub"`; by the address alone."""
    layouts = index()["layouts"]
    return layouts[max((start for start in layouts if address.startswith(start)), key=len)]


PATH = re.compile(r"([./~\\]|[A-Za-z]:[\\/]).*|.*\.(pth|pt|bin|safetensors|h5|keras|zip|tar|tgz|gz|xz|bz2|json)")


def unknown_preset(name):
    if PATH.fullmatch(name):
        return PresetError(f"There is no file and no folder {name!r} (looked for from {Path.cwd()}).")
    near = difflib.get_close_matches(name, records(), n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(map(repr, near))}? " if near else ""
    hint += f"Is it 'hf://{name}'? " if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else ""
    return PresetError(
        f"There is no preset and no folder called {name!r}. {hint}Give a name of keras_zoo.list_presets(), a local "
        "folder, or a 'hf://owner/name' address."
    )
