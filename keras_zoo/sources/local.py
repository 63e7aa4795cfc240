"""Folders and files on this machine, by path or by a `file://` address."""

import os
import re
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
