"""From what a user calls a preset to a local folder.

choice    which files a preset is made of
hub       hf://…, through huggingface_hub; `repository` names one, `blobs` fetches its large files
kaggle    kaggle://…, through kagglehub
web       http(s)://…#sha256=…; `transfer` does the downloading
archives  zip and tar, unpacked into the cache; `members` reads them
local     folders and files
cache     what was fetched: listed, locked, removed
reasons   why something could not be had, and what to do
upload    to the hubs
"""

import os
from pathlib import Path

from keras_zoo import registry
from keras_zoo.errors import PresetError
from keras_zoo.sources import hub, kaggle, local, web
from keras_zoo.sources.choice import STATE_DICTS as FILES  # noqa: F401  of a state dict that is a preset by itself

SCHEMES = (
    "'hf://owner/name', 'kaggle://owner/model/framework/variation/version', 'https://host/file#sha256=…', 'file://' or "
    "a folder"
)


def locate(preset, offline=False, weights=True):
    """`(folder, record)`: a folder for an address, a path or an embedded preset; a record for a published name.

    In place of a folder it may be one file that holds a state dict. With `offline` only the cache is asked. `weights`
    is True, "backbone" where no head is wanted, or False where no weights are, which are then not fetched.
    """
    if isinstance(preset, os.PathLike):
        preset = os.fspath(preset)
    if not isinstance(preset, str) or not preset:
        raise PresetError(f"A preset is a name, a folder or an address; got {preset!r}.")
    if "://" in preset:
        return fetch(preset, offline, weights), None
    if preset in registry.records():
        record = registry.records()[preset]
        return (Path(record["folder"]), None) if record["embedded"] else (None, record)
    if not Path(preset).exists():
        raise registry.unknown_preset(preset)
    return local.opened(Path(preset), preset), None


def fetch(address, offline=False, weights=True, refresh=False):
    """The local folder (or file of weights) of an address, downloaded where it is not in the cache yet.

    `refresh` asks a hub for what is new, where otherwise what is in the cache is taken.
    """
    scheme = address.partition("://")[0]
    if scheme == "file":
        return local.opened(local.path_of(address), address)
    if scheme == "hf":
        return hub.fetch(address, offline, weights, refresh)
    if scheme == "kaggle":
        return kaggle.fetch(address, offline, refresh)
    if scheme in ("http", "https"):
        return web.fetch(address, offline)
    raise PresetError(f"{address!r}: the scheme {scheme!r} is not known; use {SCHEMES}.")


def fetch_record(name, record, offline=False, weights=True, refresh=False):
    """The local folder of a published preset, from the first of its sources that has it.

    One that is in the cache comes before an earlier one that is not, so that a second load asks no network.
    """
    reasons = []
    for only_cached in (True,) if offline else (False,) if refresh else (True, False):
        reasons.clear()
        for address in record["sources"]:
            try:
                return fetch(address, only_cached, weights, refresh)
            except PresetError as error:
                reasons.append(str(error))
    raise PresetError(f"The preset {name!r} could not be had from any of its sources:\n  " + "\n  ".join(reasons))


def download(preset, offline=False, refresh=False):
    """Fetches all of a preset (a name, an address or a folder) into the cache, and returns its local folder.

    It then loads without a network. With `refresh` a hub is asked for what is new; with `offline` nothing is fetched,
    and it is an error where something is missing. An embedded preset and a local folder are there already.
    """
    if isinstance(preset, str) and "://" in preset:
        return fetch(preset, offline, refresh=refresh)
    folder, record = locate(preset, offline)
    if record is None:
        return folder
    if not record["sources"]:
        raise PresetError(f"{preset!r} is an architecture without weights: there is nothing to fetch.")
    every = record | {"sources": record["sources"] + record.get("backbone_sources", [])}  # those with a head first
    return fetch_record(preset, every, offline, refresh=refresh)
