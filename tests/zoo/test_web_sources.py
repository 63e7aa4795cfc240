"""`http://…#sha256=…` against a server on loopback, and `file://` and links on the disk."""

import hashlib
import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loopback_hub import serving

from keras_zoo import PresetError, sources
from keras_zoo.sources import cache, local, transfer, web

pytestmark = pytest.mark.once
WEIGHTS = os.urandom(3_000_000)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("my_model/config.json", "{}")
        archive.writestr("my_model/model.safetensors", WEIGHTS)
    with serving({}, files={"resnet.pth": WEIGHTS, "x.zip": (tmp_path / "x.zip").read_bytes()}) as server:
        yield server


def link(server, name, data=None):
    return f"{server.url(name)}#sha256={hashlib.sha256(data or server.files[name]).hexdigest()}"


def test_a_file_and_an_archive(server):
    """Fetched once; what is in the cache needs no server."""
    path = sources.fetch(link(server, "resnet.pth"))
    assert path.name == "resnet.pth" and path.read_bytes() == WEIGHTS
    folder = sources.download(link(server, "x.zip"))
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    asked = len(server.requested)
    assert sources.fetch(link(server, "resnet.pth"), offline=True) == path
    url, _, digits = link(server, "resnet.pth").partition("#sha256=")
    assert sources.fetch(f"{url}#sha256:{digits.upper()}") == path
    assert sources.locate(link(server, "x.zip")) == (folder, None)
    assert len(server.requested) == asked == 2
    found = {entry.address: entry for entry in cache.entries()}
    assert found[link(server, "x.zip")].files == 2 and found[link(server, "resnet.pth")].size == len(WEIGHTS)
    cache.remove(list(found))
    assert cache.entries() == [] and not path.exists() and not folder.exists()
    with pytest.raises(PresetError, match=r"not in the cache .*offline=True"):
        sources.fetch(link(server, "x.zip"), offline=True)


@pytest.mark.parametrize(
    "address, message",
    [
        ("http://host/x.zip", r"needs the SHA-256(.|\n)*'http://host/x.zip#sha256=<64 hexadecimal digits>'"),
        ("https://host/x.zip#sha256=123", "needs the SHA-256"),
        ("https://host/model#sha256=" + "0" * 64, "ends neither like an archive"),
        ("https://me:secret@host/x.zip#sha256=" + "0" * 64, "user's name or password; those are not sent"),
        ("https:///x.zip#sha256=" + "0" * 64, "names no host"),
        ("ftp://host/x.zip", "the scheme 'ftp' is not known"),
    ],
)
def test_addresses_that_are_none(address, message):
    with pytest.raises(PresetError, match=message) as caught:
        sources.fetch(address)
    assert "secret" not in str(caught.value)


def test_another_file_than_the_one_meant(server):
    """Nothing of it is opened or kept, and the right one is taken afterwards."""
    server.order("GET /files/resnet.pth", changed=True)
    with pytest.raises(PresetError, match=r"has the SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}"):
        sources.fetch(link(server, "resnet.pth"))
    assert not [p for p in cache.folder().rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert sources.fetch(link(server, "resnet.pth")).read_bytes() == WEIGHTS


def test_interruptions(server, monkeypatch):
    """The part that came is kept: the same call goes on, and so does the next; a wrong part is thrown away."""
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    server.order("GET /files/resnet.pth", times=2, after=1_100_000)
    assert sources.fetch(link(server, "resnet.pth")).read_bytes() == WEIGHTS
    starts = [int(header.removeprefix("bytes=").rstrip("-")) for _, header in server.ranges]
    assert len(starts) == 2 and 0 < starts[0] < starts[1] and server.bodies < len(WEIGHTS) + 2_200_000
    cache.remove(link(server, "resnet.pth"))
    server.order("GET /files/resnet.pth", times=transfer.TRIES, after=100_000)
    with pytest.raises(PresetError, match="ended before it was whole"):
        sources.fetch(link(server, "resnet.pth"))
    (part,) = cache.folder().rglob("*.part")
    assert 0 < part.stat().st_size < len(WEIGHTS)
    before = len(server.ranges)
    assert sources.fetch(link(server, "resnet.pth")).read_bytes() == WEIGHTS and len(server.ranges) == before + 1
    cache.remove(link(server, "resnet.pth"))
    asked = len(server.requested)
    part.write_bytes(WEIGHTS)  # whole, where the process ended before it said so
    assert sources.fetch(link(server, "resnet.pth")).read_bytes() == WEIGHTS and len(server.requested) == asked
    cache.remove(link(server, "resnet.pth"))
    for wrong in (b"another file", WEIGHTS + b"more"):
        part.write_bytes(wrong)
        assert sources.fetch(link(server, "resnet.pth")).read_bytes() == WEIGHTS
        cache.remove(link(server, "resnet.pth"))


@pytest.mark.parametrize(
    "status, message",
    [
        (403, r"refuses access \(HTTP 403\)"),
        (404, r"no such file \(HTTP 404\)"),
        (429, "try again in 60 seconds"),
        (502, "in trouble"),
    ],
)
def test_answers_of_a_server(server, status, message, monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    server.order(
        "GET /files/resnet.pth", times=9, status=status, headers={"Retry-After": "60"} if status == 429 else {}
    )
    with pytest.raises(PresetError, match=message):
        sources.fetch(link(server, "resnet.pth"))


def test_at_once(server):
    """Whoever comes second waits, and finds it there."""
    server.order("GET /files/x.zip", pause=0.02)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(sources.fetch, [link(server, "x.zip")] * 2)
    assert first == second and server.requested == ["GET /files/x.zip"]


def test_redirects(server, monkeypatch):
    """A few are followed; none to a file, and none away from a secured connection."""
    server.files |= {"one.pth": "/files/resnet.pth", "loop.pth": "/files/loop.pth", "out.pth": "file:///etc/passwd"}
    assert sources.fetch(link(server, "one.pth", WEIGHTS)).read_bytes() == WEIGHTS
    for name, message in (("loop.pth", "infinite loop"), ("out.pth", "is not followed")):
        with pytest.raises(PresetError, match=message):
            sources.fetch(link(server, name, b"other"))
    request = transfer.urllib.request.Request("https://host/x.zip")
    with pytest.raises(PresetError, match="not https"):
        transfer.Redirects().redirect_request(request, None, 302, "", {}, "http://host/x.zip")


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path))
    for host, message in (("127.0.0.1:9", "could not be reached"), ("nowhere.invalid", "there is no network")):
        with pytest.raises(PresetError, match=message):
            sources.fetch(f"http://{host}/x.pth#sha256={'0' * 64}")


def test_names_of_files():
    """What a URL ends with names the file, with nothing in it that is a path."""
    digits = "#sha256=" + "0" * 64
    assert web.Link.at("https://host/a%2Fb/..%2Fc%20d.pth?x=1" + digits).name == "c_d.pth"
    assert web.Link.at("https://host/x.tar.gz" + digits).name == "x.tar.gz"


def test_file_addresses(tmp_path):
    folder = tmp_path / "my model #1?"
    folder.mkdir()
    assert sources.fetch(folder.as_uri()) == folder
    assert local.path_of("file:///a%20b/c") == Path("/a b/c") and local.path_of("file://localhost/a") == Path("/a")
    assert sources.fetch(f"file://{folder}") == folder
    with pytest.raises(PresetError, match="names the machine 'server'"):
        sources.fetch("file://server/share")
    with pytest.raises(PresetError, match="is not a folder, nor a file"):
        sources.fetch("file:///nowhere")
    (tmp_path / "x.csv").touch()
    with pytest.raises(PresetError, match=r"is a file; a preset is a folder, an archive \(.zip"):
        sources.locate(tmp_path / "x.csv")


def test_links_out_of_a_folder(tmp_path):
    """Refused, of files and of folders; links inside are the folder's own, and so are those of the client's cache."""
    folder, secret = tmp_path / "preset", tmp_path / "secret"
    for path in (folder / "assets" / "tokenizer", secret):
        path.mkdir(parents=True)
    (secret / "vocab.json").write_text("{}")
    (folder / "a.json").write_text("{}")
    (folder / "b.json").symlink_to("a.json")
    assert sources.locate(folder)[0] == folder
    for name in ("config.json", "assets/tokenizer/vocabulary.json"):
        (folder / name).symlink_to(secret / "vocab.json")
        for preset in (folder, folder.as_uri()):
            with pytest.raises(PresetError, match=f"{re.escape(name)} is a symbolic link to .*secret.*, outside of"):
                sources.locate(preset)
        (folder / name).unlink()
    (folder / "data").symlink_to(secret)
    assert sources.locate(folder)[0] == folder  # nothing there is read
    (secret / "config.json").touch()
    (folder / "1_Pooling").symlink_to(secret)
    with pytest.raises(PresetError, match="is a symbolic link"):
        sources.locate(folder)
    commit = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    (commit.parent.parent / "blobs").mkdir(parents=True)
    (commit.parent.parent / "blobs" / "1").write_text("{}")
    commit.mkdir(parents=True)
    (commit / "config.json").symlink_to("../../blobs/1")
    assert sources.locate(commit)[0] == commit
    (commit / "vocab.json").symlink_to("../../../secret/vocab.json")
    with pytest.raises(PresetError, match=r"vocab\.json is a symbolic link"):
        sources.locate(commit)
