"""`https://host/path#sha256=…` and `http://…`: archives and single files of weights, known by their content.

The hash is required. It says that what came is what was meant, whoever served it, and it is the name in the cache: what
is there was checked when it came, and is not asked for again.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keras_zoo.errors import PresetError
from keras_zoo.sources import archives, cache, reasons, transfer
from keras_zoo.sources.choice import STATE_DICTS

SHA256 = re.compile(r"sha256[=:]([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Link:
    """An address on the web: without its hash, the hash, and the name that the file gets."""

    url: str
    sha256: str
    name: str

    @classmethod
    def at(cls, address):
        url, _, fragment = address.partition("#")
        parts = urlsplit(url)
        name = re.sub(r"[^\w.-]", "_", unquote(parts.path).rpartition("/")[2])
        if not parts.hostname:
            raise PresetError(f"{address!r} names no host.")
        if parts.username or parts.password:
            raise PresetError(f"The address at {parts.hostname} holds a user's name or password; those are not sent.")
        if not archives.is_archive(name) and not name.lower().endswith(STATE_DICTS):
            raise PresetError(
                f"{address!r} ends neither like an archive ({', '.join(archives.SUFFIXES)}) nor like a file of weights "
                f"({', '.join(STATE_DICTS)}). Of a folder's files an archive can be made, or use 'hf://owner/name'."
            )
        given = SHA256.fullmatch(fragment)
        if given is None:
            raise PresetError(
                f"{address!r} needs the SHA-256 of the file, so that nobody can put another in its place: "
                f"'{url}#sha256=<64 hexadecimal digits>'. Whoever publishes it states it; of a file that you have and "
                "trust `sha256sum FILE` prints it."
            )
        return cls(url, given[1].lower(), name)


def fetch(address, offline=False):
    """The local folder of an archive, or the local file of weights."""
    link = Link.at(address)
    archive = archives.is_archive(link.name)
    place = cache.folder() / "web" / link.sha256
    if (found := there(link, place, archive)) is not None:
        return found
    if offline:
        raise PresetError(
            f"{address!r} is not in the cache {cache.folder()}, and the network may not be used (offline=True)."
        )
    with cache.lock(link.url):
        if (found := there(link, place, archive)) is not None:
            return found
        try:
            return get(link, place, archive, address)
        except PresetError:
            raise
        except Exception as error:  # of the HTTP library, of TLS and of the file system
            raise reasons.explained(error, address, "https")[0] from error


def there(link, place, archive):
    if archive:
        return archives.folder_of(link.sha256)
    record = cache.read_record("web", link.sha256)
    path = place / link.name
    return path if record is not None and path.is_file() and path.stat().st_size == record.get("size") else None


def get(link, place, archive, address):
    part = cache.made(place.parent) / f"{link.sha256}.part"
    transfer.download(link.url, part, link.sha256, link.name)
    if not archive:
        path = transfer.finished(part, place / link.name)
        record = {"address": address, "folder": str(path), "size": path.stat().st_size}
        cache.write_record("web", link.sha256, record)
        return path
    named = part.with_name(link.sha256 + suffix_of(link.name))  # what it is unpacked by
    part.rename(named)
    try:
        return archives.opened(named, address, link.sha256)
    finally:
        Path(named).unlink(missing_ok=True)


def suffix_of(name):
    return next(suffix for suffix in sorted(archives.SUFFIXES, key=len, reverse=True) if name.lower().endswith(suffix))
