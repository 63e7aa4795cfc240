"""What was fetched: where it lies, how it is locked while it is written, what is there, and how it is removed.

The Hugging Face Hub's files stay in `huggingface_hub`'s own cache, Kaggle's in `kagglehub`'s. In this package's folder
are

    archives/SHA256/    what was unpacked
    web/SHA256/         single files of weights
    records/KIND/       a JSON file for each address: what was complete, so that the next load asks nobody
    locks/
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from keras_zoo.errors import PresetError

PATIENCE = 3  # seconds of waiting for another process before a word is said
log = logging.getLogger("keras_zoo")


def folder():
    """This package's cache: `KERAS_ZOO_CACHE`, or the place that the operating system has for such things."""
    if chosen := os.environ.get("KERAS_ZOO_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "keras_zoo" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "keras_zoo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_zoo"


def digest(*words):
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


@contextlib.contextmanager
def lock(name, required=True):
    """Only one process at a time is inside a lock of this name.

    Not `required` is it where another program's cache is written, which has locks of its own, and ours cannot be.
    """
    import filelock

    try:
        waiting = filelock.FileLock(made(folder() / "locks") / f"{digest(name)[:32]}.lock")
        try:
            waiting.acquire(timeout=PATIENCE)
        except filelock.Timeout:
            log.warning("Another process is fetching %s; waiting for it.", name)
            waiting.acquire()
    except (PresetError, NotImplementedError, OSError) as error:
        if required:
            raise (
                error if isinstance(error, PresetError) else PresetError(f"{folder()} has no locks: {error}.")
            ) from error
        yield
        return
    try:
        yield
    finally:
        waiting.release()


def made(path):
    """A folder of the cache, which is there afterwards."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PresetError(
            f"The cache {path} cannot be written: {error.strerror}. Set KERAS_ZOO_CACHE to a folder that can."
        ) from error
    return path


def write_record(kind, key, data, required=True):
    """Keeps what is known about the address `key`. Atomic; a record is replaced whole."""
    try:
        path = made(folder() / "records" / kind) / f"{digest(key)[:32]}.json"
        part = path.with_name(f"{path.stem}-{uuid.uuid4().hex}.part")
        part.write_text(json.dumps(data | {"key": key}, indent=1), encoding="utf-8")
        os.replace(part, path)
    except (PresetError, OSError) as error:
        if required:
            raise
        log.info("What was fetched is asked for again next time: %s", error)


def read_record(kind, key):
    """What `write_record` kept, None where there is nothing that can be used."""
    path = folder() / "records" / kind / f"{digest(key)[:32]}.json"
    data = read(path)
    if data is None or data.get("key") != key:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return data


def read(path):
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return data if isinstance(data, dict) else None
    except (OSError, ValueError):
        return None


def records(kind):
    """`(path, data)` of all records of a kind."""
    found = ((path, read(path)) for path in sorted((folder() / "records" / kind).glob("*.json")))
    return [(path, data) for path, data in found if data is not None and isinstance(data.get("folder"), str)]


def check_space(path, needed, what):
    """`PresetError` where fewer than `needed` bytes are free where `path` will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    free = shutil.disk_usage(path).free
    if needed > free:
        raise PresetError(
            f"{what} needs {size_text(needed)} on the disk of {path}, where {size_text(free)} are free. Make room "
            "(`keras-zoo cache` shows what is there), or set HF_HOME, KAGGLEHUB_CACHE or KERAS_ZOO_CACHE elsewhere."
        )


def size_text(count):
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000


@dataclass(frozen=True)
class CacheEntry:
    """A preset in the cache: address, where it lies, bytes, number of files, last use (seconds since 1970)."""

    address: str
    folder: Path
    size: int
    files: int
    last_used: float


def entries():
    """All that is cached, a `CacheEntry` each.

    They are the revisions of models in the Hugging Face Hub's cache, whoever fetched them, and what this package got
    from Kaggle, from archives and from the web.
    """
    return [entry for entry, _ in removable()]


def remove(addresses):
    """Removes entries by their addresses, as `entries` gives them; returns how many bytes that freed.

    Raises `PresetError`, before anything is removed, where an address is not in the cache.
    """
    addresses = {addresses} if isinstance(addresses, str) else set(addresses)
    known = {entry.address for entry in entries()}
    if unknown := sorted(addresses - known):
        raise PresetError(f"{unknown} are not in the cache, which holds {', '.join(sorted(known)) or 'nothing'}.")
    # One after the other, since revisions share files: the last of them frees those.
    return sum(next(free() for entry, free in removable() if entry.address == address) for address in sorted(addresses))


def removable():
    """`(entry, free)` of all that is cached; `free()` removes it and returns how many bytes that freed."""
    yield from of_the_hub()
    for kind in ("kaggle", "archives", "web"):
        yield from of_our_own(kind)


def of_the_hub():
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import CacheNotFound

    try:
        scan = huggingface_hub.scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return
    for repository in sorted(scan.repos, key=lambda found: found.repo_id):
        if repository.repo_type != "model":
            continue
        alone = replace(scan, repos=frozenset({repository}))  # a copy of a repository has the same commits
        for revision in sorted(repository.revisions, key=lambda found: found.commit_hash):
            refs = sorted(revision.refs, key=lambda name: (name != "main", name)) or [revision.commit_hash]
            address = f"hf://{repository.repo_id}" + ("" if refs[0] == "main" else f"@{refs[0].replace('/', '%2F')}")
            about = (revision.size_on_disk, len(revision.files), repository.last_accessed)
            entry = CacheEntry(address, Path(revision.snapshot_path), *about)
            yield entry, functools.partial(delete_revision, alone, revision.commit_hash)


def delete_revision(scan, commit):
    plan = scan.delete_revisions(commit)
    plan.execute()
    return plan.expected_freed_size


def of_our_own(kind):
    for path, data in records(kind):
        place = Path(data["folder"])
        files = [file for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
        if files:
            size = sum(file.stat().st_size for file in files)
            about = (size, len(files), path.stat().st_mtime)
            entry = CacheEntry(str(data.get("address", data["key"])), place, *about)
            yield entry, functools.partial(delete_place, place, path, size)


def delete_place(place, record, size):
    record.unlink(missing_ok=True)  # first, so that nothing half removed is taken for whole
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
        place.with_name(f"{place.name}.complete").unlink(missing_ok=True)  # kagglehub's
    else:
        shutil.rmtree(place.parent, ignore_errors=True)
    return size
