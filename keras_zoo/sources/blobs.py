"""The large files of the Hugging Face Hub's repositories: resumed by a later process, and checked against their hashes.

The client goes on after a lost connection, but what it has is lost with its process, and it does not compare what came
with the hash that the repository states. Its cache keeps each file under that hash and takes what is there; so here
large files are put there, by the client's own transport. Those that the hub serves as Xet chunks are left to it.
"""

import importlib.util
import io
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from keras_zoo.errors import PresetError
from keras_zoo.sources import transfer

LARGE = 20_000_000  # bytes; what is smaller is fetched anew. The client writes, and so resumes, by pieces of 10 MB
WORKERS = 4
SHA256 = re.compile(r"[0-9a-f]{64}")
PART = ".keras_zoo.incomplete"


def fetch_large(name, commit, files, folder):
    """Puts the large ones of `files`, as the hub describes them, into the folder of the client's blobs.

    Returns the names of those that were fetched so, and checked.
    """
    large = [file for file in files if file.lfs is not None and (file.lfs.size or 0) >= LARGE]
    large = [file for file in large if SHA256.fullmatch(str(file.lfs.sha256))]  # by which it will be called
    large = [file for file in large if not (folder / file.lfs.sha256).exists()]
    if not large:
        return set()
    folder.mkdir(parents=True, exist_ok=True)
    pool, stop = ThreadPoolExecutor(WORKERS), threading.Event()
    try:
        fetched = list(pool.map(lambda file: fetch(name, commit, file, folder, stop), large))
    finally:
        stop.set()  # an error of one, or an interrupt, ends the others
        pool.shutdown(cancel_futures=True)
    return {file.rfilename for file, done in zip(large, fetched) if done}


class PartFile(io.BufferedWriter):
    """A file that is written on at its end, until `stop` is set."""

    def __init__(self, path, stop):
        super().__init__(io.FileIO(path, "ab"))
        self.stop = stop

    def write(self, data):
        if self.stop.is_set():
            raise InterruptedError("another download failed")
        return super().write(data)


def fetch(name, commit, file, folder, stop):
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(name, file.rfilename, revision=commit, endpoint=constants.ENDPOINT)
    found = transfer.patiently(lambda: get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT))
    xet = importlib.util.find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET
    if (found.xet_file_data is not None and xet) or found.etag != file.lfs.sha256:
        return False
    headers = build_hf_headers(library_name="keras-zoo")
    if urlsplit(found.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is the hub's, not its storage's
    part = folder / f"{file.lfs.sha256}{PART}"
    with PartFile(part, stop) as stream:
        have = stream.tell()
        if have > file.lfs.size:
            stream.truncate(have := 0)
        http_get(
            found.location,
            stream,
            resume_size=have,
            headers=headers,
            expected_size=file.lfs.size,
            displayed_filename=file.rfilename,
        )
    check(part, file, f"hf://{name}")
    os.replace(part, folder / file.lfs.sha256)
    return True


def check(path, file, address):
    """`PresetError` where a file is not what the repository states, and it is then not kept."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        discard(path)
        raise PresetError(f"{address!r}: {file.rfilename} came with {size} of {file.size} bytes. Try again.")
    if file.lfs is not None:
        stated, found = file.lfs.sha256, transfer.hash_of(path)
    else:  # git's own hash, of a header and the content
        stated, found = file.blob_id, transfer.hash_of(path, "sha1", b"blob %d\0" % size)
    if stated and found != stated:
        discard(path)
        raise PresetError(
            f"{address!r}: {file.rfilename} has the hash {found}, the repository states {stated}. It was changed or "
            "damaged on the way, or by a mirror (HF_ENDPOINT). It was not kept; try again."
        )


def discard(path):
    """Removes a file of the client's cache, and the blob that it is a link to."""
    if path.is_symlink():
        (path.parent / os.readlink(path)).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
