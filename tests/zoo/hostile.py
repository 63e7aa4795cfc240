"""Files that run code where Python unpickles them. The code makes an empty file, whose path is given."""

import io
import os
import pickle
import zipfile

import torch


class Reduced:
    """A shell command as the function that rebuilds it: REDUCE."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


class Built:
    """Runs where it is given its state: BUILD."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __setstate__(self, state):
        open(state["marker"], "w").close()


class Made:
    """Runs where it is made: NEWOBJ."""

    def __new__(cls, marker, **_):
        open(marker, "w").close()
        return super().__new__(cls)

    def __getnewargs__(self):
        return (self.marker,)


class MadeByName(Made):
    """The same with keywords: NEWOBJ_EX from protocol 4."""

    def __getnewargs_ex__(self):
        return (self.marker,), {"anything": 1}


class Added(dict):
    """Runs where it is given its items: SETITEM."""

    def __init__(self, marker):
        super().__init__()
        super().__setitem__("marker", str(marker))

    def __setitem__(self, key, value):
        open(value, "w").close()


KINDS = (Reduced, Built, Made, MadeByName, Added)


def evil(kind, marker):
    """An object of the kind; making it runs nothing."""
    found = object.__new__(kind) if issubclass(kind, Made) else kind(marker)
    if issubclass(kind, Made):
        found.marker = str(marker)
    return found


def with_attribute(value):
    module = torch.nn.Linear(2, 3)
    module.names = {0: value}
    return module


def with_parameter(value):
    module = torch.nn.Linear(2, 3)
    module.__dict__["_parameters"] = {"weight": value}
    return module


def with_child(value):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3))
    module.__dict__["_modules"]["1"] = value
    return module


PLACES = {
    "alone": lambda value: value,
    "beside a module": lambda value: {"model": torch.nn.Linear(2, 3), "train_args": [value]},
    "in place of the module": lambda value: {"model": value},
    "beside tensors": lambda value: {"weight": torch.ones(3), "bias": value},
    "an attribute": with_attribute,
    "a parameter": with_parameter,
    "a module": lambda value: {"model": with_child(value)},
}


def save(content, path, **options):
    torch.save(content, path, pickle_protocol=4, **options)
    return path


class Reference:
    """A reference to a storage, kept outside the pickle; `identity` is what it is known by."""

    def __init__(self, identity):
        self.identity = identity


class Rebuilt:
    """A tensor by the call that rebuilds it, whose arguments need not be right."""

    def __init__(self, *arguments, function=torch._utils._rebuild_tensor_v2):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def tensor(size=(3, 2), stride=(2, 1), offset=0, kind=torch.FloatStorage, key="0", count=6, tag="storage", **options):
    """Of the storage that `archive_of` makes: six elements of float32."""
    reference = Reference((tag, kind, key, "cpu", count))
    return Rebuilt(reference, offset, size, stride, False, None, **options)


class Pickler(pickle.Pickler):
    def persistent_id(self, found):
        return found.identity if isinstance(found, Reference) else None


def archive_of(content, path, protocol=2, entries=None, change=lambda data: data):
    """An archive of torch's shape, with one storage and anything as content, whose pickle goes through `change`."""
    file = io.BytesIO()
    Pickler(file, protocol=protocol).dump(content)
    return archive(path, change(file.getvalue()), {"data/0": bytes(24)} | (entries or {}))


def archive(path, pickled, entries=(), compression=zipfile.ZIP_STORED):
    """An archive of torch's shape with any pickle; `entries` are `{name: bytes}` below its folder."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
        for name, content in dict(entries).items():
            file.writestr(f"archive/{name}", content)
    return path
