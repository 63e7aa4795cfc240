"""From what a user calls a preset to a local folder."""

import os
from pathlib import Path

from keras_zoo import registry
from keras_zoo.errors import PresetError

# What a preset is read from. Of the HDF5 files only Keras' own: beside them may lie a large tf_model.h5.
WANTED = ["*.json", "*.safetensors", "*.weights.h5", "*.txt", "assets/**", "README.md"]
WEIGHTS = ["*.safetensors", "*.weights.h5"]
OLD_WEIGHTS = ["pytorch_model*.bin"]  # fetched where there are no others
FILES = (".pth", ".pt", ".bin", ".safetensors")  # of a state dict that is a preset by itself


def locate(preset):
    """`(folder, record)`: a folder for an address, a path or an embedded preset; a record for a published name.

    In place of a folder it may be one file that holds a state dict.
    """
    if isinstance(preset, os.PathLike):
        preset = os.fspath(preset)
    if not isinstance(preset, str) or not preset:
        raise PresetError(f"A preset is a name, a folder or an address; got {preset!r}.")
    if "://" in preset:
        return fetch(preset), None
    if preset in registry.records():
        record = registry.records()[preset]
        return (Path(record["folder"]), None) if record["embedded"] else (None, record)
    if Path(preset).is_dir():
        return Path(preset), None
    if Path(preset).is_file() and Path(preset).suffix in FILES:
        return Path(preset), None
    if Path(preset).exists():
        raise PresetError(f"{preset!r} is a file; a preset is a folder, or a state dict ({', '.join(FILES)}).")
    raise registry.unknown_preset(preset)


def fetch(address):
    """The local folder of an address, downloaded where it is not in the cache yet."""
    scheme, _, rest = address.partition("://")
    if scheme == "file":
        if not Path(rest).is_dir():
            raise PresetError(f"{address!r} is not a folder.")
        return Path(rest)
    if scheme == "hf":
        return fetch_from_hub(address, rest)
    if scheme == "kaggle":
        return fetch_from_kaggle(address, rest)
    raise PresetError(
        f"{address!r}: the scheme {scheme!r} is not known; use 'hf://owner/name', "
        "'kaggle://owner/model/framework/variation/version', 'file://' or a folder."
    )


def fetch_from_hub(address, rest):
    """`owner/name[@revision]` through `huggingface_hub`, which brings cache, tokens, mirrors and offline mode."""
    import huggingface_hub

    repository, _, revision = rest.partition("@")
    if repository.count("/") != 1:
        raise PresetError(f"{address!r} is not of the form 'hf://owner/name' or 'hf://owner/name@revision'.")
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=WANTED))
        if not any(path for pattern in WEIGHTS for path in folder.rglob(pattern)):
            huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=OLD_WEIGHTS)
    except Exception as error:  # the client raises its own, the HTTP library's and the file system's errors
        reason = str(error).strip().split("\n")[0]
        raise PresetError(f"{address!r} could not be fetched: {type(error).__name__}: {reason}") from error
    return folder


def fetch_from_kaggle(address, handle):
    """`owner/model/framework/variation/version` through `kagglehub`, which brings cache and tokens."""
    try:
        import kagglehub
    except ImportError:
        raise PresetError(f"{address!r} is fetched by kagglehub: pip install 'keras-zoo[kaggle]'.") from None
    try:
        return Path(kagglehub.model_download(handle))
    except Exception as error:  # the client raises its own, the HTTP library's and the file system's errors
        reason = str(error).strip().split("\n")[0]
        raise PresetError(f"{address!r} could not be fetched: {type(error).__name__}: {reason}") from error


def fetch_record(name, record):
    """The folder of a published preset, from the first of its sources that answers."""
    reasons = []
    for address in record["sources"]:
        try:
            return fetch(address)
        except PresetError as error:
            reasons.append(str(error))
    raise PresetError(
        f"The preset {name!r} could not be had from any of its sources:\n  "
        + "\n  ".join(reasons)
        + "\nWith load_weights=False it loads with random weights and needs no network"
        + (", nor with preprocessor=None." if record.get("vocabulary", "embedded") is None else ".")
    )
