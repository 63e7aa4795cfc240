"""What goes wrong at the hub, each with its own message and remedy, by the real client against a hub on loopback."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from loopback_hub import serving

from keras_zoo import PresetError, sources
from keras_zoo.sources import transfer

pytestmark = pytest.mark.once
FILES = {"config.json": {"model_type": "gpt2"}, "model.safetensors": b"0123456789" * 1000}
RATE = {"Retry-After": "3600"}


@pytest.fixture
def hub(repository, use_hub, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 2)
    folder = repository("r", FILES)
    with serving(
        {"a/b": folder, "a/gated": folder, "a/private": folder}, gated={"a/gated"}, private={"a/private"}
    ) as hub:
        yield use_hub(hub)


def refused(address):
    with pytest.raises(PresetError) as caught:
        sources.fetch(address)
    assert repr(address) in str(caught.value)
    return str(caught.value)


def test_access(hub, use_hub):
    assert f"gated: accept its terms at {hub.address}/a/gated, then log in with `hf auth login`" in refused(
        "hf://a/gated"
    )
    for name in ("a/private", "a/missing"):
        said = refused(f"hf://{name}")
        assert (
            f"no such repository, or it is private: check the name at {hub.address}/{name}" in said
            and "HF_TOKEN" in said
        )
    use_hub(hub, token="hf_wrong")
    assert "the token that is set may not read it" in refused("hf://a/private")
    hub.order(
        "GET /api/models/a/b", status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"}
    )
    assert "the token was refused" in refused("hf://a/b")
    hub.order("GET /api/models/a/b", status=403)
    assert "access is forbidden" in refused("hf://a/b")
    use_hub(hub, token=hub.token)
    for name in ("a/private", "a/gated"):
        assert (sources.fetch(f"hf://{name}") / "model.safetensors").read_bytes() == FILES["model.safetensors"]


@pytest.mark.parametrize(
    "status, headers, message",
    [
        (429, RATE, r"too many requests \(HTTP 429\); try again in 3600 seconds"),
        (500, {}, r"in trouble \(HTTP 500\)"),
        (503, {}, r"in trouble \(HTTP 503\)"),
    ],
)
def test_a_server_in_trouble(hub, status, headers, message):
    """Tried again where that is soon; what the cache has is taken in the end, with a word."""
    quick = headers or {"Retry-After": "0"}
    hub.order("GET /api/models/a/b", times=9, status=status, headers=quick)
    with pytest.raises(PresetError, match=message):
        sources.fetch("hf://a/b")
    hub.faults.clear()
    hub.order("GET /api/models/a/b", status=status, headers={"Retry-After": "0"})
    folder = sources.fetch("hf://a/b")
    hub.order("GET /api/models/a/b", times=9, status=status, headers=quick)
    assert sources.download("hf://a/b", refresh=True) == folder


def test_what_came_is_checked(hub):
    """A wrong byte anywhere, and a body that is too short; nothing of it is kept, and the next time it is well."""
    for name in ("config.json", "model.safetensors"):
        hub.order("GET /storage/" if name.endswith("s") else f"GET /a/b/resolve/.*{name}", changed=True)
        assert "the repository states" in refused("hf://a/b")
    hub.order("GET /storage/", times=9, length=5000)
    said = refused("hf://a/b")
    assert "ended before it was whole" in said and "5000" in said
    hub.faults.clear()
    assert (sources.fetch("hf://a/b") / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_without_a_network(hub, monkeypatch):
    from huggingface_hub import constants

    hub.order("GET /api/models/a/b", times=9, pause=1.5, status=200)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    assert "did not answer in time" in refused("hf://a/b")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "could not be reached" in refused("hf://a/b")
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    assert "name was not found: there is no network" in refused("hf://a/b")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused("hf://a/b")


def test_a_disk_without_room(hub, monkeypatch):
    """Known before, and met while writing."""
    usage = shutil.disk_usage(".")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: usage._replace(free=9_999))
        assert "needs 10.0 kB on the disk of" in refused("hf://a/b")

    import huggingface_hub

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(huggingface_hub, "snapshot_download", full)
        assert "the disk is full while writing. Make room" in refused("hf://a/b")


def test_a_cache_that_cannot_be_written(hub, tmp_path, monkeypatch):
    """The client's is needed; without this package's the hub is asked each time."""
    from huggingface_hub import constants

    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path / "file" / "x"))
    folder = sources.fetch("hf://a/b")
    asked = len(hub.requested)
    assert sources.fetch("hf://a/b") == folder and len(hub.requested) == asked + 1
    with pytest.raises(PresetError, match=r"cannot be written: Not a directory.* KERAS_ZOO_CACHE"):
        sources.fetch(f"http://127.0.0.1:9/x.pth#sha256={'0' * 64}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "x"))
    assert "the cache cannot be written" in refused("hf://a/b")


def test_a_disk_that_fills_up(hub, tmp_path):
    """A small file system of its own, where the kernel allows that; what was free is gone when it is written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=64k none {disk} && exec "$@"', "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("no file systems can be mounted here")
    code = (
        "import sys, keras_zoo.sources as s\n"
        "s.cache.check_space = lambda *_: open(sys.argv[1] + '/x', 'wb').write(bytes(61440))\n"
        "try: s.fetch('hf://a/b')\nexcept ValueError as error: print(error)"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": f"{disk}/hf", "HF_HUB_OFFLINE": "0"}
    command = [*mounted, sys.executable, "-c", code, disk]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "the disk is full while writing. Make room" in result.stdout, result.stderr
