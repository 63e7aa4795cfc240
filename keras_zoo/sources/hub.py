"""`hf://owner/name[@revision][/folder]` through `huggingface_hub`, which brings cache, tokens, mirrors and progress.

Its cache has a folder for each commit. Beside it, a record of this package's says which commit an address led to and
what files the repository has there, so that a load that finds all it needs asks no server.
"""

import glob
import logging
import warnings

from keras_zoo.errors import PresetError
from keras_zoo.sources import blobs, cache, choice, reasons, transfer
from keras_zoo.sources.repository import COMMIT, Repository, reference, snapshot, storage

log = logging.getLogger("keras_zoo")


class Missing(Exception):
    """Files that a load needs are not in the cache."""


def fetch(address, offline=False, weights=True, refresh=False):
    """The local folder (or file) of an address. `weights` as for `keras_zoo.sources.choice.needed`."""
    from huggingface_hub import constants

    repository = Repository.at(address)
    if not refresh and (path := recorded(repository, weights)) is not None:
        return path
    if offline or constants.HF_HUB_OFFLINE:
        try:
            return cached(repository, weights)
        except Missing as missing:
            said = "offline=True was given" if offline else "HF_HUB_OFFLINE is set"
            raise PresetError(
                f"{address!r} is not whole in the cache {constants.HF_HUB_CACHE}: {missing}. The network may not be "
                f"used, since {said}; fetch it once without, by keras_zoo.download_preset({address!r})."
            ) from None
    with cache.lock(repository.page, required=False):
        if not refresh and (path := recorded(repository, weights)) is not None:
            return path
        try:
            return download(repository, weights)
        except PresetError:
            raise
        except Exception as error:  # the client raises its own, the HTTP library's and the file system's errors
            return instead(repository, weights, error)


def instead(repository, weights, error):
    """What is in the cache where the hub could not be asked; else the reason is raised."""
    from huggingface_hub import get_token

    facts = {"page": repository.page, "revision": repository.revision, "token": get_token() is not None}
    reason, transient = reasons.explained(error, repository.address, "hf", **facts)
    if not transient:
        raise reason from error
    try:
        path = cached(repository, weights)
    except (Missing, PresetError):
        raise reason from error
    log.warning("%s What the cache has is taken.", reason)
    return path


def recorded(repository, weights):
    """Where all that a load needs lies, going by the record of an earlier one; None where that is not so."""
    record = cache.read_record("hub", repository.key)
    if record is None:
        return None
    name, commit, sizes = record.get("name"), record.get("commit"), record.get("files")
    if not (isinstance(name, str) and isinstance(sizes, dict) and COMMIT.fullmatch(str(commit))):
        return None
    if reference(name, repository.revision) not in (commit, None):
        return None  # another program has fetched a newer one
    try:
        check_complete(repository, snapshot(name, commit), sizes, weights)
    except (Missing, PresetError):
        return None
    return snapshot(name, commit) / repository.inner


def check_complete(repository, folder, sizes, weights):
    """The files that a load needs, of a repository that has files of these `sizes` (None where that is not known).

    `Missing` where one of them is not in the `folder` of the commit.
    """

    def read(name):
        if not (folder / name).is_file():
            raise Missing(f"{name} is missing")
        return choice.read_json(folder / name)

    needed = repository.needed(list(sizes), weights, read)
    lacking = [name for name in needed if not there(folder / name, sizes[name])]
    if lacking:
        raise Missing(f"missing are {', '.join(lacking[:5])}{' …' if len(lacking) > 5 else ''}")
    return needed


def there(path, size):
    return path.is_file() and size in (None, path.stat().st_size)


def cached(repository, weights):
    """The path of a preset in the cache, which any program that uses the client may have filled; else `Missing`."""
    commit = reference(repository.name, repository.revision)
    folder = None if commit is None else snapshot(repository.name, commit)
    if folder is None or not folder.is_dir():
        raise Missing(f"there is nothing of {repository.name} at {repository.revision!r}")
    sizes = listed(repository.name, commit)
    known = sizes is not None
    if not known:
        sizes = dict.fromkeys(choice.files_below(folder))
    needed = check_complete(repository, folder, sizes, weights)
    if weights and not known and not choice.has_weights(needed):
        raise Missing("there are no weights")
    return folder / repository.inner


def listed(name, commit):
    """`{file: size}` of a commit by the client's own note of it, which newer ones make; None without."""
    import huggingface_hub

    try:
        return {file.path: file.size for file in huggingface_hub.get_cached_repo_tree(name, revision=commit)}
    except Exception:  # older clients do not have it, and what it raises is the newer ones' own
        return None


def download(repository, weights):
    """Fetches what is not there yet, checks it, and makes the record."""
    import huggingface_hub
    from huggingface_hub import constants

    api = huggingface_hub.HfApi(endpoint=constants.ENDPOINT, library_name="keras-zoo")

    def ask():
        options = {"revision": repository.revision, "files_metadata": True, "timeout": constants.HF_HUB_ETAG_TIMEOUT}
        return api.model_info(repository.name, **options)

    info = transfer.patiently(ask)
    if info.id and info.id != repository.name:
        warnings.warn(f"{repository.name!r} has been renamed to {info.id!r}; use 'hf://{info.id}'.", stacklevel=2)
    name, commit = info.id or repository.name, info.sha
    if not COMMIT.fullmatch(str(commit)):  # a folder will be called by it
        raise PresetError(
            f"{repository.address!r}: {constants.ENDPOINT} does not answer as a hub: {commit!r:.100} is no commit."
        )
    files = {file.rfilename: file for file in info.siblings or ()}
    folder = snapshot(name, commit)

    def read(file):
        get(name, repository.revision, commit, [file], files, quiet=True)
        return choice.read_json(folder / file)

    needed = repository.needed(list(files), weights, read)
    get(name, repository.revision, commit, needed, files)
    sizes = {file: files[file].size for file in files}
    cache.write_record("hub", repository.key, {"name": name, "commit": commit, "files": sizes}, required=False)
    return folder / repository.inner


def get(name, revision, commit, wanted, files, quiet=False):
    """Downloads those of the `wanted` files of a commit that the cache lacks, in parallel."""
    import huggingface_hub
    from huggingface_hub import constants

    folder = snapshot(name, commit)
    lacking = [file for file in wanted if not there(folder / file, files[file].size)]
    if not lacking:
        return
    for file in lacking:
        blobs.discard(folder / file)  # of a wrong size
    cache.check_space(folder, sum(files[file].size or 0 for file in lacking), f"'hf://{name}'")
    checked = blobs.fetch_large(name, commit, [files[file] for file in lacking], storage(name) / "blobs")
    patterns = [glob.escape(file) for file in lacking]
    options = {"endpoint": constants.ENDPOINT, "library_name": "keras-zoo"}
    if quiet:
        options["tqdm_class"] = no_bar()
    huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns, **options)
    for file in lacking:
        if not (folder / file).is_file():
            raise PresetError(f"'hf://{name}' changed while it was fetched: {file} is not there. Try again.")
        if file not in checked:
            blobs.check(folder / file, files[file], f"hf://{name}")


def no_bar():
    """The client's progress bar, unseen: for the small files that say which others are needed."""
    from huggingface_hub.utils import tqdm

    class Unseen(tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs | {"disable": True})

    return Unseen
