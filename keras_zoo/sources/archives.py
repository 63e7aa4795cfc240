"""zip and tar archives, local or fetched, unpacked once into a folder of the cache that is named by their hash.

An archive may be anybody's. One that has a member with an absolute name, with `..`, twice, or that is a link or a device is
refused whole; of the others only files that a preset may have are unpacked, and no more than limits that follow from the
archive's size, whatever the sizes that it states.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from keras_zoo.errors import PresetError
from keras_zoo.sources import cache, choice, transfer

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
LARGEST = 500_000_000_000  # bytes unpacked, in all
RATIO = 200  # bytes unpacked for each byte of the archive ...
FREE = 100_000_000  # ... beyond these, since a small archive may hold a model that is all zeros
MOST_FILES = 10_000
LONGEST_READ = 16 << 20  # bytes that a reader of tar asks for at once; a header that wants more is none
MEMORY = 256 << 20  # bytes that unpacking xz may take
BROKEN = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    name: str
    size: int
    kind: str  # "file", "folder", or what else it is
    handle: object


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
    stage = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache.made(target.parent)))
    try:
        with contextlib.closing(reader(path, limit)) as archive:
            members = checked(archive.members(), path, limit)
        root = root_of([member.name for member in members if member.kind == "file"], path)
        wanted = {m.name for m in members if m.kind == "file" and choice.may_belong(inside(m.name, root))}
        cache.check_space(target.parent, sum(m.size for m in members if m.name in wanted), repr(address))
        with contextlib.closing(reader(path, limit)) as archive:
            write(archive, wanted, root, stage, limit, path)
        shutil.rmtree(target, ignore_errors=True)  # left by a process that was killed
        stage.rename(target)
    except BROKEN as error:
        full = getattr(error, "errno", None)
        if full is not None:
            raise PresetError(f"{path} could not be unpacked into {target.parent}: {error}.") from error
        raise PresetError(f"{path} is not a whole archive (truncated, damaged, or too large): {error}.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    cache.write_record("archives", sha256, {"address": address, "folder": str(target)})
    return target


def checked(members, path, limit):
    """All members, of which none may be more than a file or a folder with a plain name."""
    found, names, total = [], set(), 0
    for member in members:
        where = f"{path}: the member {member.name!r:.200}"
        parts = member.name.rstrip("/").split("/")
        plain = not re.search(r"[\\\x00-\x1f:]", member.name) and not {"", ".", ".."} & set(parts)
        if not plain:
            raise PresetError(f"{where} has a name that leads out of the folder, or that no file can have everywhere.")
        if member.kind not in ("file", "folder"):
            raise PresetError(f"{where} is a {member.kind}; only files and folders are taken.")
        folded = "/".join(parts).casefold()
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
    """ "" where the preset is at the archive's root, else the one folder it is in, with its slash."""
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


def reader(path, limit):
    try:
        return Zip(path) if path.name.lower().endswith(".zip") else Tar(path, limit)
    except BROKEN as error:
        raise PresetError(f"{path} is not an archive that can be read: {error}.") from error


class Zip:
    """Members of a zip archive."""

    def __init__(self, path):
        self.file = zipfile.ZipFile(path)

    def members(self):
        for info in self.file.infolist():
            mode = info.external_attr >> 16 & 0o170000
            kind = "folder" if info.is_dir() else "file" if mode in (0, 0o100000) else "link or a device"
            if info.flag_bits & 1:
                kind = "file under a password"
            yield Member(info.filename, info.file_size, kind, info)

    def open(self, member):
        return self.file.open(member.handle)

    def close(self):
        self.file.close()


class Tar:
    """Members of a tar archive, plain or compressed, read once from its beginning to its end."""

    def __init__(self, path, limit):
        with contextlib.ExitStack() as opened:
            raw = opened.enter_context(open(path, "rb"))
            self.stream = Bounded(unpacked(raw, path.name.lower()), limit)
            self.file = opened.enter_context(tarfile.open(fileobj=self.stream, mode="r:"))
            self.close = opened.pop_all().close

    def members(self):
        for info in self.file:
            plain = info.isreg() and not info.issparse()
            kind = "file" if plain else "folder" if info.isdir() else "link, a device or a file with holes"
            if info.name != ".":
                yield Member(info.name.removeprefix("./"), info.size, kind, info)
        self.stream.end()

    def open(self, member):
        return self.file.extractfile(member.handle)


def unpacked(raw, name):
    if name.endswith(("gz", ".tgz")):
        return gzip.GzipFile(fileobj=raw)
    if name.endswith(("bz2", ".tbz2")):
        return bz2.BZ2File(raw)
    return Xz(raw) if name.endswith("xz") else raw


class Xz(io.RawIOBase):
    """The content of a file in the xz format. Python's own reader lets the file say how much memory that takes."""

    def __init__(self, raw):
        self.raw, self.decoder = raw, lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)

    def readable(self):
        return True

    def readinto(self, buffer):
        data = b""
        while not data and not self.decoder.eof:
            packed = self.raw.read(1 << 16) if self.decoder.needs_input else b""
            if self.decoder.needs_input and not packed:
                raise EOFError("it ends before its end mark")
            data = self.decoder.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Bounded(io.RawIOBase):
    """A stream that goes forward only, and of which no more is read, at once and in all, than an archive may hold."""

    def __init__(self, stream, limit):
        self.stream, self.position, self.limit = stream, 0, limit + (MOST_FILES * 2 << 10)
        self.last = b""

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.position

    def read(self, size=-1):
        if not 0 <= size <= LONGEST_READ:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        data = b""
        while len(data) < size and (piece := self.stream.read(size - len(data))):
            data += piece
        self.position += len(data)
        self.last = data or self.last
        if self.position > self.limit:
            raise tarfile.ReadError(f"it unpacks to more than {self.limit} bytes")
        return data

    def seek(self, position, whence=io.SEEK_SET):
        if whence != io.SEEK_SET or position < self.position:
            raise tarfile.ReadError("it is not in order")
        while self.position < position and self.read(min(LONGEST_READ, position - self.position)):
            pass
        return self.position

    def end(self):
        """Reads to the end, where the checksums of a compressed file are, and the zeros that a tar archive ends with."""
        while self.read(transfer.CHUNK):
            pass
        if not self.last or any(self.last[-512:]):
            raise tarfile.ReadError("it ends before its end mark")
