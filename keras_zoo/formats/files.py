"""Small files of a preset."""

import json
from pathlib import Path

from keras_zoo.errors import PresetError

LARGEST_JSON = 100_000_000  # bytes


def read_json(path):
    """The object in a JSON file; anything else is a `PresetError` that names the file."""
    return read(path, dict, "object")


def read_json_list(path):
    """The list in a JSON file; anything else is a `PresetError` that names the file."""
    return read(path, list, "list")


def read(path, kind, kind_name):
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it is larger than {LARGEST_JSON} bytes")
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, kind):
            raise ValueError(f"it does not hold a JSON {kind_name}")
        return data
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(f"{path} cannot be read: {error}") from None


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def weight_files(folder, single, index):
    """The one file of weights in a folder, or all those that its shard index names."""
    single, index = Path(folder) / single, Path(folder) / index
    if single.is_file():
        return [single]
    if not index.is_file():
        raise PresetError(f"{folder} holds no weights: expected {single.name} or {index.name}.")
    return shard_files(index)


def shard_files(index):
    """The files that a shard index names, each once; they must lie beside it."""
    try:
        names = read_json(index)["weight_map"].values()
        names = sorted({name for entry in names for name in (entry if isinstance(entry, list) else [entry])})
    except (KeyError, TypeError, AttributeError) as error:
        raise PresetError(f"{index} is not a shard index: {error!r}") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not (index.parent / name).is_file():
            raise PresetError(f"{index} names the shard {name!r}, which is not a file beside it.")
    return [index.parent / name for name in names]
