"""What is in a zip or tar archive: members in their order, and their contents as streams that end where they should."""

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

from keras_zoo.errors import PresetError

LONGEST_READ = 16 << 20  # bytes that a reader of tar asks for at once; a header that wants more is none
PIECE = 1 << 20  # bytes that are unpacked at once
HEADERS = 20 << 20  # bytes of a tar archive that are not in its files
MEMORY = 256 << 20  # bytes that unpacking xz may take
# What the libraries raise where an archive is not what it should be; a chain of long names is a RecursionError.
BROKEN = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, struct.error)
BROKEN += (EOFError, OSError, ValueError, OverflowError, RuntimeError, LookupError)


@dataclass(frozen=True)
class Member:
    name: str
    size: int
    kind: str  # "file", "folder", or what else it is
    handle: object


def reader(path, limit):
    """The members of the archive at `path`, which may unpack to `limit` bytes."""
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
        self.stream, self.position, self.limit = stream, 0, limit + HEADERS
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
        data = bytearray()
        while len(data) < size and (piece := self.stream.read(min(PIECE, size - len(data)))):
            data += piece
        data = bytes(data)
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
        """Reads to the end, where a compressed file's checksums are, and the zeros that a tar archive ends with."""
        while self.read(LONGEST_READ):
            pass
        if not self.last or any(self.last[-512:]):
            raise tarfile.ReadError("it ends before its end mark")
