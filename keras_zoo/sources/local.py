"""Folders and files on this machine, by path or by a `file://` address."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keras_zoo.errors import PresetError
from keras_zoo.sources import archives
from keras_zoo.sources.choice import STATE_DICTS


def path_of(address):
    """The path that a `file://` address names, with its percent signs resolved."""
    parts = urlsplit(address.replace("?", "%3F"))  # a question mark is a character of the path here
    if parts.netloc not in ("", "localhost"):
        raise PresetError(
            f"{address!r} names the machine {parts.netloc!r}; a path begins with a third slash: file:///path."
        )
    path = unquote(parts.path + (f"#{parts.fragment}" if parts.fragment else ""))
    if os.name == "nt":
        path = path.lstrip("/")
    return Path(path)


def opened(path, name):
    """The folder, or the file of weights, at a path that the user called `name`; an archive is unpacked."""
    if path.is_dir():
        refuse_links(path)
        return path
    if path.is_file() and archives.is_archive(path.name):
        return archives.opened(path)
    if path.is_file() and path.name.lower().endswith(STATE_DICTS):
        return path
    if path.exists():
        raise PresetError(
            f"{name!r} is a file; a preset is a folder, an archive ({', '.join(archives.SUFFIXES)}), or a state dict "
            f"({', '.join(STATE_DICTS)})."
        )
    raise PresetError(f"{name!r} is not a folder, nor a file.")


def refuse_links(folder):
    """`PresetError` where a file that a reader may open is a symbolic link, or below one, that leads out of the folder.

    A folder may be anybody's, and what a link in it leads to, the user's. See `keras_zoo.formats.files.contained`, by
    which readers go as well.
    """
    from keras_zoo.formats.files import contained  # which are read by names that this package gives

    for path in openable(Path(folder).resolve()):
        contained(folder, path)


def openable(folder):
    """What a reader of any layout may open: files of the folder, all in `assets`, `config.json` of other folders."""
    for path in folder.iterdir():
        if not path.is_dir():
            yield path
        elif path.name == "assets":
            yield from (path, *path.rglob("*"))
        elif (path / "config.json").exists():
            yield from (path, path / "config.json")
