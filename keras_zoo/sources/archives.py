"""zip and tar archives, local or fetched, unpacked once into a folder of the cache that is named by their hash.

An archive may be anybody's. One that has a member with an absolute name, with `..`, twice, or that is a link or a
device is refused whole; of the others only files that a preset may have are unpacked, and no more than limits that
follow from the archive's size, whatever the sizes that it states.
"""

import contextlib
import shutil
from pathlib import Path

from keras_zoo.errors import PresetError
from keras_zoo.sources import cache, choice, members, transfer

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
LARGEST = 500_000_000_000  # bytes unpacked, in all
RATIO = 200  # bytes unpacked for each byte of the archive ...
FREE = 100_000_000  # ... beyond these, since a small archive may hold a model that is all zeros
MOST_FILES = 10_000


def is_archive(name):
    return name.lower().endswith(SUFFIXES)


def folder_of(sha256):
    """Where an archive with this hash has been unpacked; None where it has not."""
    record = cache.read_record("archives", sha256)
    return Path(record["folder"]) if record and Path(record["folder"]).is_dir() else None


def opened(path, address=None, sha256=None):
    """The folder with the preset of an archive, unpacked where that has not been done."""
    path = Path(path)
    sha256 = sha256 or known_hash(path)
    if (folder := folder_of(sha256)) is not None:
        return folder
    with cache.lock(sha256):
        return folder_of(sha256) or unpack(path, sha256, str(address or path.resolve()))


def known_hash(path):
    """The hash of a local file, computed again only where the file has changed by its size and time."""
    state = path.stat()
    now = {"size": state.st_size, "time": state.st_mtime_ns}
    record = cache.read_record("hashes", str(path.resolve()))
    if record is not None and {name: record.get(name) for name in now} == now:
        return record["sha256"]
    sha256 = transfer.hash_of(path)
    cache.write_record("hashes", str(path.resolve()), now | {"sha256": sha256}, required=False)
    return sha256


def unpack(path, sha256, address):
    """Unpacks into a folder of the cache that appears when it is whole."""
    target = cache.folder() / "archives" / sha256
    limit = min(LARGEST, FREE + RATIO * path.stat().st_size)
    stage = target.with_name(f".unpacking-{sha256}")
    shutil.rmtree(stage, ignore_errors=True)  # left by a process that was killed
    shutil.rmtree(target, ignore_errors=True)
    cache.made(stage)
    try:
        with contextlib.closing(members.reader(path, limit)) as archive:
            found = checked(archive.members(), path, limit)
        root = root_of([member.name for member in found if member.kind == "file"], path)
        wanted = {m.name for m in found if m.kind == "file" and choice.may_belong(inside(m.name, root))}
        cache.check_space(target.parent, sum(m.size for m in found if m.name in wanted), repr(address))
        with contextlib.closing(members.reader(path, limit)) as archive:
            write(archive, wanted, root, stage, limit, path)
        stage.rename(target)
    except PresetError:
        raise
    except members.BROKEN as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the archive
            raise PresetError(f"{path} could not be unpacked into {target.parent}: {error}.") from error
        raise PresetError(f"{path} is not a whole archive (truncated, damaged, or too large): {error}.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    cache.write_record("archives", sha256, {"address": address, "folder": str(target)})
    return target


def checked(given, path, limit):
    """All members, of which none may be more than a file or a folder with a plain name."""
    found, names, total = [], set(), 0
    for member in given:
        where = f"{path}: the member {member.name!r:.200}"
        name = member.name.rstrip("/")
        if not choice.is_plain(name):
            raise PresetError(f"{where} has a name that leads out of the folder, or that no file can have everywhere.")
        if member.kind not in ("file", "folder"):
            raise PresetError(f"{where} is a {member.kind}; only files and folders are taken.")
        folded = name.casefold()
        if folded in names and member.kind == "file":
            raise PresetError(f"{where} is there twice.")
        names.add(folded)
        total += member.size
        found.append(member)
        if len(found) > MOST_FILES:
            raise PresetError(f"{path} has more than {MOST_FILES} members.")
        if total > limit:
            raise PresetError(
                f"{path} would take more than {cache.size_text(limit)} unpacked, which no preset of its size does."
            )
    return found


def root_of(names, path):
    """What comes before the names of the preset's files: nothing, or the one folder they are in, with its slash."""
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if any(choice.may_belong(name) and not choice.STEP.match(name) for name in names):
        return ""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    if len(tops) == 1:
        root = f"{tops.pop()}/"
        if any(choice.may_belong(inside(name, root)) for name in names):
            return root
    found = ", ".join(sorted(names)[:5]) or "nothing"
    raise PresetError(f"{path} holds no preset at its root or in the one folder there; it holds {found}.")


def inside(name, root):
    return name.removeprefix(root) if name.startswith(root) else ""


def write(archive, wanted, root, stage, limit, path):
    left = limit
    for member in archive.members():
        if member.name not in wanted:
            continue
        target = stage / inside(member.name, root)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, open(target, "xb") as file:
            while chunk := source.read(transfer.CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise PresetError(f"{path} unpacks to more than {cache.size_text(limit)}.")
                file.write(chunk)
