"""Small files of a preset."""

import json
import os
import re
from pathlib import Path

from keras_zoo.errors import PresetError

LARGEST_JSON = 100_000_000  # bytes
STATE_DICTS = (".pth", ".pt", ".bin", ".safetensors")  # files that can be a preset by themselves


def refuse_links(folder):
    """`PresetError` where a file that a reader may open is a symbolic link, or below one, that leads out of the folder.

    A folder may be anybody's, and what a link in it leads to, the user's. In the Hugging Face Hub's cache the files of
    a commit are links to the repository's blobs, and those may be links to blobs that repositories share: they may.
    """
    folder = Path(folder).resolve()
    homes = [folder]
    commit = next((path for path in (folder, *folder.parents) if re.fullmatch(r"[0-9a-f]{40}", path.name)), None)
    if commit is not None and commit.parent.name == "snapshots":
        homes += [commit.parent.parent / "blobs", commit.parent.parent.parent / "blobs"]
    for path in openable(folder):
        if path.is_symlink() and not any(path.resolve().is_relative_to(home) for home in homes):
            raise PresetError(
                f"{path} is a symbolic link to {os.readlink(path)}, outside of the preset's folder; it is not "
                "followed. Copy what it leads to there if you trust it."
            )


def openable(folder):
    """What a reader of any layout may open: files of the folder, all in `assets`, `config.json` of other folders."""
    for path in folder.iterdir():
        if not path.is_dir():
            yield path
        elif path.name == "assets":
            yield from (path, *path.rglob("*"))
        elif (path / "config.json").exists():
            yield from (path, path / "config.json")


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
