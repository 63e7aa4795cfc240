"""Files over HTTP: in pieces, resumed where they stopped, checked by their hash, tried again where that may help."""

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from keras_zoo.errors import PresetError
from keras_zoo.sources import cache, reasons

TRIES = 4
LONGEST_WAIT = 30  # seconds between two tries; a server that wants more is given up
TIMEOUT = 20  # seconds without a byte
REDIRECTS = 5
CHUNK = 1 << 20
log = logging.getLogger("keras_zoo")


def patiently(call, pause=0.5):
    """`call()`, again where it fails for a reason that may pass. What it raises last is raised."""
    for left in reversed(range(TRIES)):
        try:
            return call()
        except Exception as error:
            _, found = reasons.reason_for(error, "")
            status = reasons.status_of(found)
            wait = reasons.retry_after(found)
            wait = pause if wait is None else wait
            dropped = isinstance(found, http.client.IncompleteRead | ConnectionResetError)
            hope = dropped or status in (429, 500, 502, 503, 504)
            if not (hope and left and wait <= LONGEST_WAIT):
                raise
            log.warning("%s; trying again in %g s.", error, wait)
            time.sleep(wait)
            pause *= 2


class Redirects(urllib.request.HTTPRedirectHandler):
    """A few redirects, to http and https alone, and never from a secured connection to one that is not."""

    max_redirections = REDIRECTS

    def redirect_request(self, request, file, code, message, headers, target):
        scheme = urlsplit(target).scheme
        if scheme not in ("http", "https") or (scheme == "http" and request.type == "https"):
            raise PresetError(f"{request.full_url!r} redirects to {target!r}, which is not followed: it is not https.")
        return super().redirect_request(request, file, code, message, headers, target)


def opened(url, offset=0):
    """The response to a GET of `url`, from byte `offset` on if the server knows how."""
    from keras_zoo import __version__

    headers = {"User-Agent": f"keras-zoo/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.build_opener(Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if offset and error.code == 416:  # there is no more than we have, or something else is there now
            return opened(url)
        raise


def download(url, part, sha256, name):
    """Fetches `url` into the file `part`, going on where that stops, until its content has the hash `sha256`."""
    resumed = part.exists() and part.stat().st_size > 0
    if resumed and hash_of(part) == sha256:
        return
    patiently(lambda: append(url, part, name))
    if (found := hash_of(part)) != sha256 and resumed:  # the part may have been of another file
        part.unlink()
        patiently(lambda: append(url, part, name))
        found = hash_of(part)
    if found != sha256:
        part.unlink()
        raise PresetError(
            f"{url!r} has the SHA-256 {found}, not {sha256}: it is not the file that was asked for, or it was changed "
            "on the way. Nothing of it was opened or kept."
        )


def append(url, part, name):
    from tqdm.auto import tqdm

    offset = part.stat().st_size if part.exists() else 0
    with opened(url, offset) as response:
        offset = offset if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        rest = int(length) if length is not None and length.isdigit() else None
        if rest is not None:
            cache.check_space(part.parent, rest, repr(name))
        total = None if rest is None else offset + rest
        bar = tqdm(total=total, initial=offset, unit="B", unit_scale=True, desc=name, disable=None, leave=False)
        with open(part, "ab") as file, bar:
            file.truncate(offset)
            count = 0
            while chunk := response.read(CHUNK):
                file.write(chunk)
                count += len(chunk)
                bar.update(len(chunk))
        if rest is not None and count < rest:  # read(n) of a response says nothing of an early end
            raise http.client.IncompleteRead(b"", rest - count)


def hash_of(path, algorithm="sha256", start=b""):
    """The hexadecimal hash of a file, `start` before it."""
    digest = hashlib.new(algorithm, start, usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def finished(part, path):
    """Moves a whole file into its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, path)
    return path
