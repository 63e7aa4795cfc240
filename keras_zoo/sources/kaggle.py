"""`kaggle://owner/model/framework/variation[/version]` through `kagglehub`, which brings cache, tokens and progress."""

import re
from pathlib import Path

from keras_zoo.errors import PresetError
from keras_zoo.sources import cache, choice, reasons
from keras_zoo.sources.local import refuse_links

FORM = "kaggle://owner/model/framework/variation, with /version after it to have always the same"
HANDLE = re.compile(r"([\w-]+/[\w-]+)/([\w-]+/\w[\w.-]*)(?:/(\d+))?/?")


def imported(address):
    try:
        import kagglehub
    except ImportError:
        raise PresetError(f"{address!r} is fetched by kagglehub: pip install 'keras-zoo[kaggle]'.") from None
    return kagglehub


def fetch(address, offline=False, refresh=False):
    """The local folder of an address. A whole model is fetched: the client knows no lists of files."""
    folder = found(address, offline, refresh)
    refuse_links(folder)  # of an archive that kagglehub unpacked
    return folder


def found(address, offline, refresh):
    handle = address.removeprefix("kaggle://").rstrip("/")
    parts = HANDLE.fullmatch(handle)
    if parts is None:
        raise PresetError(f"{address!r} is not of the form {FORM}.")
    if not refresh and (folder := recorded(handle)) is not None:
        return folder
    if offline:
        if (folder := cached(handle)) is not None:
            return folder
        raise PresetError(
            f"{address!r} is not in the cache of kagglehub, and the network may not be used (offline=True)."
        )
    kagglehub = imported(address)
    with cache.lock(handle, required=False):
        try:
            damaged = not refresh and cache.read_record("kaggle", handle) is not None  # which kagglehub does not notice
            folder = Path(kagglehub.model_download(handle, force_download=damaged))
        except Exception as error:  # the client raises its own, the HTTP library's and the file system's errors
            page = f"https://www.kaggle.com/models/{parts[1]}/{parts[2]}"
            raise reasons.explained(error, address, "kaggle", page)[0] from error
    record = {"address": f"kaggle://{handle}", "folder": str(folder), "files": choice.files_below(folder)}
    cache.write_record("kaggle", handle, record, required=False)
    return folder


def recorded(handle):
    """The folder of an earlier download, where it is as that left it."""
    record = cache.read_record("kaggle", handle)
    if record is None or not isinstance(record.get("files"), dict):
        return None
    folder = Path(record["folder"])
    whole = all(
        (folder / name).is_file() and (folder / name).stat().st_size == size for name, size in record["files"].items()
    )
    return folder if whole and record["files"] else None


def cached(handle):
    """The folder that kagglehub has and holds for whole, whoever asked for it; without a version the latest of them."""
    kagglehub = imported(f"kaggle://{handle}")
    base = Path(kagglehub.config.get_cache_folder()) / "models" / HANDLE.fullmatch(handle)[0].rstrip("/")
    if HANDLE.fullmatch(handle)[3]:
        versions = [base]
    else:
        versions = sorted((path for path in base.glob("*") if path.name.isdigit()), key=lambda path: -int(path.name))
    return next((path for path in versions if path.with_name(f"{path.name}.complete").exists() and path.is_dir()), None)
