"""Torch files made to do harm: each is a `PresetError`, and nothing in it has run."""

import contextlib
import pickletools
import re
import struct
import zipfile

import hostile
import pytest
import torch

from keras_zoo import PresetError, Task
from keras_zoo.formats.module_file import open_module
from keras_zoo.formats.pickled import read_pickle
from keras_zoo.formats.torch_file import open_torch

pytestmark = pytest.mark.once


def refused(path, message=None):
    """Whatever a user calls with such a file."""
    with pytest.raises(PresetError, match=message):
        Task.from_preset(path)


def runs(path, marker):
    """Whether torch's own reading of it, with code allowed, does the harm; a test of the file."""
    with contextlib.suppress(Exception):  # whatever comes after the harm
        torch.load(path, weights_only=False)
    harmed = marker.exists()
    marker.unlink(missing_ok=True)
    return harmed


@pytest.mark.parametrize("place", hostile.PLACES)
@pytest.mark.parametrize("kind", hostile.KINDS)
@pytest.mark.parametrize("zipped", [True, False])
def test_code(kind, place, zipped, tmp_path):
    """By every opcode that makes Python call something, anywhere in the file, in both of torch's formats."""
    marker = tmp_path / "marker"
    content = hostile.PLACES[place](hostile.evil(kind, marker))
    path = hostile.save(content, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    assert not marker.exists() and runs(path, marker)
    refused(path)
    assert not marker.exists()


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_code_in_the_reference_to_a_storage(kind, tmp_path):
    marker = tmp_path / "marker"
    reference = hostile.Reference(("storage", hostile.evil(kind, marker), "0", "cpu", 6))
    path = hostile.archive_of(hostile.PLACES["a parameter"](reference), tmp_path / "model.pt", protocol=4)
    assert runs(path, marker)
    refused(path)
    assert not marker.exists()


def test_the_message_names_the_code(tmp_path):
    content = {"model": torch.nn.Linear(2, 3), "train_args": hostile.Reduced(tmp_path / "marker")}
    refused(hostile.save(content, tmp_path / "m.pt"), r"m\.pt is refused: .* names posix\.system, which no checkpoint")


def test_code_reached_through_an_allowed_package(tmp_path):
    """`torch.serialization` has `os`, and names may have points in them."""
    marker = tmp_path / "marker"
    command = f"touch {marker}".encode()
    called = b"\x8c\x13torch.serialization\x8c\x09os.system\x93X" + struct.pack("<I", len(command)) + command
    path = hostile.archive_of(
        {"model": torch.nn.Linear(2, 3), "epoch": "here"},
        tmp_path / "model.pt",
        protocol=4,
        change=lambda data: pickletools.optimize(data.replace(b"\x8c\x04here", called + b"\x85R")),  # new frames
    )
    assert runs(path, marker)
    refused(path, r"names torch\.serialization\.os\.system")
    assert not marker.exists()


OPCODES = {
    "INST": b"(S'touch x'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch x'\no.",
    "EXT1": b"\x80\x02\x82\x01.",
    "PERSID": b"Pstorage\n.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "DUP": b"\x80\x02]2a.",
}


@pytest.mark.parametrize("name", OPCODES)
def test_other_opcodes(name):
    with pytest.raises(ValueError, match="has the opcode"):
        read_pickle(OPCODES[name])


def nested_key(depth):
    """A dictionary whose key takes 2**depth steps to hash."""
    return b"\x80\x02})" + b"q\x00h\x00\x86" * depth + b"Ns."


BAD_PICKLES = {
    "nothing": (b"", "exhausted"),
    "no end": (b"\x80\x02N", "exhausted"),
    "an empty stack": (b"\x80\x02.", "does not end with one object"),
    "two objects": (b"\x80\x02NN.", "does not end with one object"),
    "an open mark": (b"\x80\x02N(.", "does not end with one object"),
    "no mark": (b"\x80\x02Nt.", "corrupt"),
    "no such memory": (b"\x80\x02h\x07.", "corrupt"),
    "calls with nothing": (b"\x80\x02R.", "empty stack"),
    "not an opcode": (b"\xff\xff\xff", "unknown"),
    "state of a class": (b"\x80\x02ctorch\nTensor\n}b.", "sets up a Name"),
    "state of a dictionary": (b"\x80\x02}}b.", "sets up a dict"),
    "items of a list": (b"\x80\x02]NNs.", "sets items of a list"),
    "elements of a text": (b"\x80\x02X\x01\x00\x00\x00aNa.", "appends to a str"),
    "half a pair": (b"\x80\x02}(Nu.", "sets items of a dict"),
    "a list as key": (b"\x80\x02}]Ns.", "keys other than texts"),
    "a key that takes ages": (nested_key(200), "keys other than texts"),
    "a set that takes ages": (b"\x80\x04\x8f()" + b"q\x00h\x00\x86" * 200 + b"\x90.", "keys other than texts"),
    "a name that is a number": (b"\x80\x04NN\x93.", "a name that is no text"),
    "a text longer than the file": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.", "expected|corrupt"),
    "bytes longer than the file": (b"\x80\x04\x8e" + b"\xff" * 5 + b"\0\0\0.", "expected|corrupt"),
    "a number longer than the file": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "not enough data|corrupt"),
    "endless": (b"\x80\x02" + b"}0" * 600_000 + b"N.", "more than 1000000 opcodes"),
    "large": (b"\x80\x02" + b" " * 2**24, "up to 16777216 are read"),
}


@pytest.mark.parametrize("case", BAD_PICKLES)
def test_bad_pickles(case, tmp_path):
    pickled, message = BAD_PICKLES[case]
    path = hostile.archive(tmp_path / "model.pt", pickled)
    refused(path, message)


def test_lists_inside_lists(tmp_path):
    """A hundred thousand deep; neither the reading nor the forgetting of it recurses."""
    path = hostile.archive(tmp_path / "model.pt", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    assert open_module(path) is None


TENSORS = {
    "10 TB": ({"size": (10**13, 1), "stride": (1, 1)}, "weight claims 10000000000000 elements .* that has 6"),
    "10 TB, all the same element": ({"size": (10**13, 1), "stride": (0, 0)}, "claims 10000000000000 elements"),
    "more than numbers can say": ({"size": (2**62, 2**62), "stride": (0, 0)}, r"claims over 2\*\*63 elements"),
    "many dimensions": ({"size": (1,) * 17, "stride": (1,) * 17}, "sizes that are no whole numbers"),
    "begins beyond its storage": ({"offset": 7, "size": (0,), "stride": (1,)}, "claims 0 elements from a storage"),
    "ends beyond its storage": ({"offset": 1}, "claims 6 elements from a storage that has 6"),
    "steps beyond its storage": ({"stride": (3, 1)}, "claims 6 elements from a storage that has 6"),
    "a negative step": ({"stride": (-2, 1), "offset": 4}, "sizes that are no whole numbers"),
    "a size that is none": ({"size": (None, 2)}, "sizes that are no whole numbers"),
    "a size that is no number": ({"size": (True, 2)}, "sizes that are no whole numbers"),
    "sizes that are none": ({"size": None}, "sizes that are no whole numbers"),
    "one step for two axes": ({"stride": (1,)}, "sizes that are no whole numbers"),
    "no storage": ({"tag": "file"}, "refers to something that is no storage"),
    "a storage of another type": ({"kind": torch.nn.Linear}, "is of a type other than DoubleStorage, Float"),
    "a storage that is not there": ({"key": "1"}, "refers to storage 1 of 6 float32 elements, which is not there"),
    "a storage of another size": ({"count": 7}, "refers to storage 0 of 7 float32 elements, which has 24 bytes"),
    "a storage without end": ({"count": 10**5000}, "to a storage by something other than a number"),
    "a storage outside": ({"key": "../../../etc/passwd"}, "to a storage by something other than a number"),
    "a storage at a path": ({"key": "/etc/passwd"}, "to a storage by something other than a number"),
    "a storage in another alphabet": ({"key": "\u0661"}, "to a storage by something other than a number"),
    "another function": ({"function": torch._utils._rebuild_sparse_tensor}, "weight is no tensor"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors(case, tmp_path):
    settings, message = TENSORS[case]
    content = hostile.with_parameter(hostile.tensor(**settings))
    entries = {"data/../../../etc/passwd": bytes(24), "data//etc/passwd": bytes(24), "data/\u0661": bytes(24)}
    refused(hostile.archive_of(content, tmp_path / "model.pt", entries=entries), message)


@pytest.mark.parametrize("case", [case for case in TENSORS if case != "another function"])
def test_tensors_of_a_state_dict(case, tmp_path):
    settings, message = TENSORS[case]
    path = hostile.archive_of({"weight": hostile.tensor(**settings)}, tmp_path / "model.pt")
    with pytest.raises(PresetError, match=message):
        open_torch(path)


def test_strided_tensors_that_overlap(tmp_path):
    """A thousand views of some elements of one large storage, all of which would be read for each."""
    views = {str(i): hostile.tensor((2,), (3,), offset=i, count=10**6) for i in range(1000)}
    path = hostile.archive_of(views, tmp_path / "model.pt", entries={"data/0": bytes(4 * 10**6)})
    with pytest.raises(PresetError, match="tensors that overlap: together they exceed the file"):
        open_torch(path)


def old(path, content):
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


OLD = {
    "a storage that is larger than the file": (lambda d: d[:-88] + struct.pack("<Q", 2**62) + d[-80:], "do not fit"),
    "a storage that is smaller": (lambda d: d[:-88] + struct.pack("<Q", 3) + d[-80:], "has 12 bytes"),
    "no storage": (lambda d: d[:-88], "do not fit"),
    "half a storage": (lambda d: d[:-40], "do not fit"),
    "another magic number": (lambda d: d[:6] + b"\0" + d[7:], "does not begin as one"),
    "big-endian": (
        lambda d: re.sub(rb"(little_endianq.)\x88", lambda match: match[1] + b"\x89", d),
        "not little-endian",
    ),
    "keys that are none": (lambda d: d[:-88].rpartition(b"\x80\x02]")[0] + b"\x80\x02]}a." + d[-88:], "do not fit"),
}


@pytest.mark.parametrize("case", OLD)
def test_files_of_before_torch_1_6(case, tmp_path):
    change, message = OLD[case]
    data = old(tmp_path / "m.pth", {"weight": torch.ones(20)})
    assert open_torch(tmp_path / "m.pth")["weight"].read().sum() == 20
    assert change(data) != data
    (tmp_path / "m.pth").write_bytes(change(data))
    with pytest.raises(PresetError, match=message):
        open_torch(tmp_path / "m.pth")


def test_the_same_tensor_is_read_where_all_is_right(tmp_path):
    """So that the refusals are of what was changed."""
    path = hostile.archive_of(hostile.with_parameter(hostile.tensor()), tmp_path / "model.pt")
    assert open_module(path).tensors["weight"].read().shape == (3, 2)


def test_tensors_that_overlap(tmp_path):
    """A hundred views of one storage, each as large as the file allows."""
    module = torch.nn.Module()
    module.__dict__["_parameters"] = {str(i): hostile.tensor((10**6 - i,), (1,), count=10**6) for i in range(100)}
    path = hostile.archive_of(module, tmp_path / "model.pt", entries={"data/0": bytes(4 * 10**6)})
    refused(path, "tensors that overlap: together they exceed the file")


def nested(depth, width=1):
    module = torch.nn.Linear(1, 1)
    for _ in range(depth):
        module = torch.nn.ModuleList([module] * width)
    return module


def endless():
    module = torch.nn.ModuleList()
    module.__dict__["_modules"]["0"] = module
    return module


def with_group(group, values):
    module = torch.nn.Linear(2, 3)
    module.__dict__[group] = values
    return module


def named(key, group="_buffers"):
    return with_group(group, {key: torch.ones(1) if group == "_buffers" else torch.nn.Linear(1, 1)})


TREES = {
    "deep": (nested(40), "lies below 32 modules"),
    "inside itself": (endless(), "lies below 32 modules"),
    "doubling": (nested(30, width=2), "more than 20000"),
    "a name with a point": (named("a.b"), "has a name in _buffers that no module can have"),
    "a name that is none": (named(""), "has a name in _buffers that no module can have"),
    "a name that is a number": (named(3, "_modules"), "has a name in _modules that no module can have"),
    "an endless name": (named("a" * 10**6, "_modules"), "has a name in _modules that no module can have"),
    "a name that moves the cursor": (named("\x1b[2J"), "has a name in _buffers that no module can have"),
    "a child that is none": (hostile.with_child(torch.Size([1])), "1 is no module"),
    "children that are a list": (with_group("_modules", [1]), "its module has _modules that are no dictionary"),
    "buffers that are a text": (with_group("_buffers", "ab"), "its module has _buffers that are no dictionary"),
}


@pytest.mark.parametrize("case", TREES)
def test_trees(case, tmp_path):
    module, message = TREES[case]
    torch.save(module, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", message)


def zip_of(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def test_bombs(tmp_path):
    """A few kilobytes that become a hundred megabytes, as pickle and as storage."""
    path, zeros = tmp_path / "model.pt", bytes(10**8)
    refused(zip_of(path, {"m/data.pkl": zeros}, zipfile.ZIP_DEFLATED), "larger than the file, so they are compressed")
    refused(zip_of(path, {"m/data.pkl": b"N.", "m/data/0": zeros}, zipfile.ZIP_DEFLATED), "larger than the file")
    refused(zip_of(path, {"m/data.pkl": b"\x80\x02N."}, zipfile.ZIP_DEFLATED), "is compressed or encrypted")


def test_entries_that_overlap(tmp_path):
    """Every entry of the directory is the one large entry; each is right by itself."""
    path = zip_of(tmp_path / "model.pt", {f"m/data/{i}": bytes(10**6 if i == 0 else 0) for i in range(50)})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        size, first = file.getinfo("m/data/0").file_size, data.index(b"PK\x01\x02")
    directory = data[first:]
    entry = struct.Struct("<4s6H3L5H2L")
    position, patched = 0, b""
    while directory[position : position + 4] == b"PK\x01\x02":
        fields = list(entry.unpack_from(directory, position))
        length = entry.size + fields[10] + fields[11] + fields[12]
        fields[8] = fields[9] = size
        fields[-1] = 0
        patched += entry.pack(*fields) + directory[position + entry.size : position + length]
        position += length
    path.write_bytes(data[:first] + patched + directory[position:])
    with zipfile.ZipFile(path) as file:
        assert sum(info.file_size for info in file.infolist()) == 50 * 10**6
    refused(path, "larger than the file, so they are compressed or overlap")


@pytest.mark.parametrize("kept", [1, 30, 0.3, 0.9, 0.999])
def test_truncated(kept, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(20, 30), path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept >= 1 else int(kept * len(data))])
    refused(path, "truncated or corrupt|cannot be read as a torch file")


def test_other_archives(tmp_path):
    path = tmp_path / "model.pt"
    refused(zip_of(path, {"readme.txt": b"hello"}), "archive without the one data.pkl that torch.save writes")
    refused(zip_of(path, {"a/data.pkl": b"N.", "b/data.pkl": b"N."}), "archive without the one data.pkl")
    refused(zip_of(path, {"m/data.pkl": b"N.", "m/byteorder": b"big"}), "another order of bytes than little-endian")
    refused(zip_of(path, {"m/data.pkl": b"N.", "m/byteorder": b"little" * 9}), "has 54 bytes; up to 16 are read")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)
    refused(path, "is a TorchScript program, which is not read")
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("m/data.pkl", b"N.")
        file.writestr("m/data.pkl", b"N.")
    refused(path, "two entries have the same name")
