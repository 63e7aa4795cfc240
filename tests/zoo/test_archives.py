"""zip and tar archives as presets: unpacked once, and each hostile one refused."""

import io
import lzma
import os
import stat
import tarfile
import zipfile

import pytest

from keras_zoo import PresetError, sources
from keras_zoo.sources import archives, cache

pytestmark = pytest.mark.once
FILES = {
    "config.json": b'{"model_type": "gpt2"}',
    "vocab.json": b"{}",
    "model.safetensors": b"weights",
    "assets/tokenizer/merges.txt": b"a b",
}
OTHERS = {"run.py": b"print()", "logs/events": b"x", "tf_model.h5": b"x"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path / "cache"))


def pack(path, files):
    """An archive of the kind that its name says, of `(name, content)` pairs; a `TarInfo` or `ZipInfo` may be a name."""
    files = files.items() if isinstance(files, dict) else files
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path
    mode = {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "xz": "w:xz", "bz2": "w:bz2"}[path.suffix[1:]]
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def names(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"])
@pytest.mark.parametrize("root", ["", "my_model/", "./"])
def test_a_preset_in_an_archive(suffix, root, tmp_path):
    if root == "./" and suffix == ".zip":
        root = "__MACOSX_/"
    path = pack(tmp_path / f"preset{suffix}", {root + name: data for name, data in (FILES | OTHERS).items()})
    folder, record = sources.locate(str(path))
    assert record is None and names(folder) == FILES
    first = folder.stat().st_mtime_ns
    assert sources.locate(path)[0] == folder and folder.stat().st_mtime_ns == first
    assert sources.locate(f"file://{path}", offline=True)[0] == folder
    pack(path, {"config.json": b"{}"})  # another archive of that name is another preset
    os.utime(path, ns=(0, first))
    assert names(sources.locate(path)[0]) == {"config.json": b"{}"}


def test_archives_are_listed_and_removed(tmp_path):
    path = pack(tmp_path / "preset.zip", FILES)
    folder = sources.download(str(path))
    entry = next(entry for entry in cache.entries() if entry.folder == folder)
    assert (entry.address, entry.size, entry.files) == (str(path), sum(map(len, FILES.values())), 4)
    assert cache.remove([str(path)]) == entry.size and not folder.exists()
    with pytest.raises(PresetError, match="not in the cache"):
        cache.remove(str(path))
    assert sources.locate(path)[0] == folder


def tar_link(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


HOSTILE = {
    "absolute": (".tar", [("/etc/config.json", b"{}")], "leads out of the folder"),
    "parent": (".tar", [("../config.json", b"{}")], "leads out of the folder"),
    "parent inside": (".zip", [("a/../../config.json", b"{}")], "leads out of the folder"),
    "absolute in a zip": (".zip", [("/config.json", b"{}")], "leads out of the folder"),
    "drive": (".zip", [("C:/config.json", b"{}")], "leads out of the folder"),
    "backslash": (".zip", [("assets\\..\\..\\x", b"{}")], "leads out of the folder"),
    "line feed": (".tar", [("assets/a\nb", b"{}")], "leads out of the folder"),
    "twice": (".tar", [("config.json", b"{}"), ("config.json", b"[]")], "is there twice"),
    "twice in other letters": (".zip", [("config.json", b"{}"), ("CONFIG.json", b"[]")], "is there twice"),
    "symbolic link": (".tar", [(tar_link("config.json", tarfile.SYMTYPE, "/etc/passwd"), b"")], "is a link"),
    "link to a folder": (
        ".tar.gz",
        [(tar_link("assets", tarfile.SYMTYPE, "/tmp"), b""), ("assets/x", b"")],
        "is a link",
    ),
    "hard link": (".tar", [(tar_link("config.json", tarfile.LNKTYPE, "/etc/passwd"), b"")], "is a link"),
    "device": (".tar", [(tar_link("config.json", tarfile.CHRTYPE), b"")], "is a link, a device"),
    "pipe": (".tar", [(tar_link("config.json", tarfile.FIFOTYPE), b"")], "is a link, a device"),
    "link in a zip": (".zip", [(zip_link("config.json", stat.S_IFLNK | 0o777), b"/etc/passwd")], "is a link"),
    "nothing": (".zip", [("readme.html", b"")], "holds no preset"),
    "two folders": (".zip", [("a/config.json", b"{}"), ("b/config.json", b"{}")], "holds no preset at its root"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members(case, tmp_path):
    suffix, files, message = HOSTILE[case]
    path = pack(tmp_path / f"preset{suffix}", files)
    with pytest.raises(PresetError, match=message):
        sources.locate(path)
    assert not list((tmp_path / "cache" / "archives").glob("*"))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_bombs(suffix, tmp_path, monkeypatch):
    """More than an archive of its size can hold; refused before it is written."""
    monkeypatch.setattr(archives, "FREE", 1_000_000)
    path = pack(tmp_path / f"bomb{suffix}", FILES | {"pytorch_model.bin": bytes(30_000_000)})
    with pytest.raises(PresetError, match=r"more than .* (unpacked|bytes)|unpacks to more"):
        sources.locate(path)
    assert not list((tmp_path / "cache" / "archives").glob("*"))


def test_sizes_that_an_archive_states_wrongly(tmp_path, monkeypatch):
    """A zip that says its bomb is small is read no further than it said; a tar header of gigabytes is not allocated."""
    path = pack(tmp_path / "bomb.zip", {"config.json": bytes(5_000_000)})
    data = path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(PresetError, match="is not a whole archive"):
        sources.locate(path)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 8_000_000_000
    path = tmp_path / "header.tar"
    path.write_bytes(header.tobuf() + bytes(10240))
    with pytest.raises(PresetError, match=r"is not an archive that can be read: .*claims"):
        sources.locate(path)


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_FILES", 20)
    path = pack(tmp_path / "many.zip", {f"assets/{i}": b"" for i in range(21)})
    with pytest.raises(PresetError, match="more than 20 members"):
        sources.locate(path)


def test_memory_of_xz(tmp_path, monkeypatch):
    """A file may say that it needs gigabytes to be unpacked."""
    path = tmp_path / "x.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    path.write_bytes(lzma.compress(pack(tmp_path / "x.tar", FILES).read_bytes(), filters=filters))
    with pytest.raises(PresetError, match=r"(?i)memory usage limit"):
        sources.locate(path)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_damage(suffix, tmp_path):
    """Truncated anywhere, or with a byte changed: an error of ours, or the preset as it was."""
    whole = pack(tmp_path / f"whole{suffix}", FILES).read_bytes()
    path = tmp_path / f"damaged{suffix}"
    for cut in range(0, len(whole), len(whole) // 20):
        for data in (whole[:cut], whole[:cut] + bytes([whole[cut] ^ 0xFF]) + whole[cut + 1 :]):
            path.write_bytes(data)
            try:
                found = names(sources.locate(path)[0])
            except PresetError:
                continue
            assert (
                set(found) <= set(FILES) if suffix in (".tar", ".zip") else found == FILES
            )  # those have no checksums of all


def test_a_password(tmp_path):
    path = pack(tmp_path / "x.zip", FILES)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(PresetError, match="file under a password"):
        sources.locate(path)
