"""Files of a preset: which may be opened, and how much of them is read."""

import contextlib
import json
import os
import re
import stat
from collections import Counter
from pathlib import Path

from keras_zoo.errors import PresetError

LARGEST_JSON = 64_000_000  # bytes; the largest tokenizer.json that is published has half of that
MOST_VALUES = 4_000_000  # in a JSON file; each may take 100 bytes of memory for three in the file
DEEPEST_JSON = 32
LARGEST_TEXT = 64_000_000
MOST_SHARDS = 10_000
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# What the values of a file make code raise that expects others.
WRONG_VALUES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def file_in(folder, name):
    """The path of a file in a folder of a preset, None where there is none; see `contained`."""
    try:
        path = Path(folder) / name
        there = path.is_file()
    except (OSError, TypeError, ValueError) as error:  # a name that is too long, or no name
        raise PresetError(f"{folder} cannot have a file {name!r:.200}: {error}") from None
    return contained(folder, path) if there else None


def contained(folder, path):
    """`path`, if it lies in `folder`: a symbolic link, it or a folder on the way to it, may not lead out.

    In the cache of huggingface_hub they lead into `blobs` (see `blobs_of`); those may.
    """
    try:
        home, real = Path(folder).resolve(), Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, or no path
        raise PresetError(f"{path} cannot be read: {error}") from None
    if not any(real.is_relative_to(allowed) for allowed in (home, *blobs_of(home))):
        raise PresetError(
            f"{path} is a symbolic link to {real}, or lies behind one, outside of the preset's folder; it is not "
            "followed. Copy what it leads to there if you trust it."
        )
    return Path(path)


def blobs_of(folder):
    """Where links of a snapshot in huggingface_hub's cache lead: to blobs of the model, or to those that models share.

    `models--owner--name/snapshots/REVISION/config.json` is a link to `models--owner--name/blobs/HASH`.
    """
    for path in (folder, *folder.parents):
        if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
            return path.parent.parent / "blobs", path.parent.parent.parent / "blobs"
    return ()


@contextlib.contextmanager
def opened(path):
    """`(file, size)` of a regular file, unbuffered. Pipes and devices, and all that fails, are a `PresetError`."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would wait for a writer
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError, TypeError) as error:
        raise PresetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PresetError(f"{path} is not a regular file.")
    with open(descriptor, "rb", buffering=0) as file:
        try:
            yield file, status.st_size
        except OSError as error:
            raise PresetError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_bytes(path, most):
    """All of a file; `PresetError` above `most` bytes."""
    with opened(path) as (file, size):
        if size > most:
            raise PresetError(f"{path} cannot be read: it has {size} bytes; up to {most} are read.")
        found = b""
        while len(found) < size and (more := file.read(size - len(found))):
            found += more
    return found


def read_text(path):
    """A text in UTF-8, with its line breaks as they are."""
    try:
        return read_bytes(path, LARGEST_TEXT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PresetError(f"{path} cannot be read: {error}") from None


def read_json(path):
    """The object in a JSON file; anything else is a `PresetError` that names the file."""
    return read(path, dict, "object")


def read_optional(folder, name):
    """The object in a JSON file of a folder, empty where there is no such file."""
    path = file_in(folder, name)
    return {} if path is None else read_json(path)


def read_json_list(path):
    """The list in a JSON file; anything else is a `PresetError` that names the file."""
    return read(path, list, "list")


def read(path, kind, kind_name):
    data = read_bytes(path, LARGEST_JSON)
    try:
        return parsed(data, kind, kind_name)
    except ValueError as error:
        raise PresetError(f"{path} cannot be read: {error}") from None


def parsed(data, kind=dict, kind_name="object"):
    """The value in JSON `data`; `ValueError` unless it is a `kind` that any program would read alike, of limited size.

    Refused are keys that come twice, numbers that JSON does not have, halves of characters, and what is nested deep.
    """
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values")
    text = data.decode("utf-8")
    try:
        found = json.loads(text, object_pairs_hook=distinct, parse_constant=no_number)
    except RecursionError:
        raise ValueError(f"its values are nested deeper than {DEEPEST_JSON}") from None
    if not isinstance(found, kind):
        raise ValueError(f"it does not hold a JSON {kind_name}")
    level = [found]
    for _ in range(DEEPEST_JSON):
        values = (value for part in level for value in (part.values() if isinstance(part, dict) else part))
        level = [value for value in values if isinstance(value, dict | list)]
    if level:
        raise ValueError(f"its values are nested deeper than {DEEPEST_JSON}")
    if SURROGATE.search(text):  # in pairs they are characters
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def distinct(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"it has the key {Counter(name for name, _ in pairs).most_common(1)[0][0]!r:.100} twice")
    return found


def no_number(name):
    raise ValueError(f"{name} is no number of JSON")


@contextlib.contextmanager
def understood(where):
    """Makes what values of a wrong type or size raise a `PresetError`; `where` is what it calls their place."""
    try:
        yield
    except PresetError:
        raise
    except WRONG_VALUES as error:
        raise PresetError(f"{where} holds values of a wrong type: {error!r:.200}") from None


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def weight_files(folder, single, index):
    """The one file of weights in a folder, or all those that its shard index names."""
    if (file := file_in(folder, single)) is not None:
        return [file]
    if (file := file_in(folder, index)) is None:
        raise PresetError(f"{folder} holds no weights: expected {single} or {index}.")
    return shard_files(file)


def shard_files(index):
    """The files that a shard index names, each once; they must lie beside it."""
    try:
        names = read_json(index)["weight_map"].values()
        names = sorted({name for entry in names for name in (entry if isinstance(entry, list) else [entry])})
    except (KeyError, TypeError, AttributeError) as error:
        raise PresetError(f"{index} is not a shard index: {error!r:.200}") from None
    if len(names) > MOST_SHARDS:
        raise PresetError(f"{index} names {len(names)} shards; up to {MOST_SHARDS} are read.")
    files = []
    for name in names:
        plain = isinstance(name, str) and Path(name).name == name
        files.append(file_in(index.parent, name) if plain else None)
        if files[-1] is None:
            raise PresetError(f"{index} names the shard {name!r:.200}, which is not a file beside it.")
    return files
