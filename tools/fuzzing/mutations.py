"""Ways to spoil a preset, each by the structure of its files; all by chance, so that a number says what is done."""

import io
import json
import os
import pickletools
import struct
import zipfile

OPCODES = b"(.0123FIJKLMNTGRSUVXacbdeghjilopqrstu}]\x80\x81\x85\x8c\x93\x94"  # of pickles
HDF5_PARTS = (b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\x89HDF")
PATHS = ("../../../etc/passwd", "/etc/passwd", "..", ".", "", "a" * 5000, "x\0y", "assets", "model.safetensors")
TEXTS = (*PATHS, "\x1b[2J\x1b]0;x\x07", "\u202e", "\ud800", "é", "NaN", "1e999", "[CLS]", "##", " ", "\n", "0", "gelu")
NUMBERS = (0, -1, 1, 2, 3, 7, 255, 513, 2**31 - 1, 2**31, 2**63, 2**64, 10**10, 10**12, -(10**12), 10**400)
FLOATS = (0.5, -0.0, 1e-300, 1e308, -1.5, 1e15, 3.0)
OBJECTS = (
    {"module": "os", "class_name": "system", "config": {"command": "touch harmed"}, "registered_name": None},
    {"class_name": "__lambda__", "config": {"value": "aGFybQ=="}},
    {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "f"}, "registered_name": None},
    {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
    {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float16"}, "registered_name": None},
)
RAW = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[" * 5000, b'"\\ud800"', b'{"a":1,"a":2}', b"9" * 5000, b"\xff")


def mutated(preset, random):
    """A copy of a preset with one to a few things changed."""
    preset = dict(preset)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        name = random.choice([*preset, *(name for name in preset if name.endswith(".json"))] or [""])
        if not name or random.random() < 0.05:
            files(preset, name, random)
        else:
            preset[name] = content(name, preset[name], random)
    return preset


def files(preset, name, random):
    """Removes, renames or exchanges files."""
    kind, other = random.randrange(4), random.choice(list(preset) or [""])
    if not name:
        preset["config.json"] = b"{}"
    elif kind == 0:
        del preset[name]
    elif kind == 1 and name != other:
        preset[name], preset[other] = preset[other], preset[name]
    elif kind == 2:
        preset[f"{name}.copy" if random.random() < 0.5 else "model.safetensors.index.json"] = preset[name]
    else:
        preset[name] = b""


def content(name, data, random):
    """The bytes of a file, changed."""
    structured = random.random() < 0.75
    if structured and name.endswith(".json"):
        return json_bytes(data, random)
    if structured and name.endswith(".safetensors"):
        return safetensors(data, random)
    if structured and name.endswith(".h5"):
        return fields(data, random, HDF5_PARTS)
    if structured and name.endswith(".txt"):
        return lines(data, random)
    if structured and data.startswith(b"PK"):
        return archive(data, random)
    if structured and name.endswith(".pt"):
        return pickled(data, random)
    return spoiled(data, random)


def json_bytes(data, random):
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return spoiled(data, random)
    if random.random() < 0.06:  # what no value can say
        text = json.dumps(found).encode()
        places = [i for i, c in enumerate(text) if c in b":[,"] or [0]
        place = random.choice(places) + 1
        return text[:place] + random.choice(RAW) + (b"," if random.random() < 0.5 else b"") + text[place:]
    try:
        for _ in range(random.choice((1, 1, 2, 5))):
            found = changed(found, random)
        return json.dumps(found).encode("utf-8", "surrogatepass")
    except RecursionError:  # nested by one change too deep for the next
        return spoiled(data, random)


def changed(found, random):
    """A JSON value with one value in it replaced, moved, removed, added or nested."""
    places = list(all_places(found))[:2000]
    if not places or random.random() < 0.01:
        return value(random)
    container, key = random.choice(places)
    kind = random.random()
    if kind < 0.5:
        container[key] = like(container[key], random)
    elif kind < 0.65:
        container[key] = value(random)
    elif kind < 0.75:
        del container[key]
    elif kind < 0.85:
        other, place = random.choice(places)
        if not (isinstance(other, list) and place >= len(other)):
            container[key] = json.loads(json.dumps(other[place]))
    elif kind < 0.92:
        container[key] = [container[key]] if random.random() < 0.5 else {"a": container[key]}
    elif isinstance(container, dict):
        container[random.choice((*TEXTS, "dtype", "activation", "name", "vocabulary", "backbone"))] = value(random)
    else:
        container.extend(container[:1000] * random.choice((1, 50)))
    return found


def all_places(found):
    """All `(container, key)` in a JSON value."""
    waiting = [found]
    while waiting:
        part = waiting.pop()
        for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
            yield part, key
            waiting.append(part[key])


def like(old, random):
    """Another value of the same sort."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return random.choice((old + 1, old - 1, 2 * old, -old, *NUMBERS))
    if isinstance(old, float):
        return random.choice((*FLOATS, old * 2, *NUMBERS[:4]))
    if isinstance(old, str):
        return random.choice((*TEXTS, old + "x", old[:-1], old.upper(), old * 2))
    if isinstance(old, list):
        return random.choice((old[:-1], old + old[:1], old[::-1], [], [like(x, random) for x in old[:50]]))
    return value(random)


def value(random):
    """Any JSON value."""
    kind = random.randrange(7)
    if kind == 0:
        return random.choice(NUMBERS)
    if kind == 1:
        return random.choice(FLOATS)
    if kind == 2:
        return random.choice(TEXTS)
    if kind == 3:
        return random.choice((None, True, False, [], {}, [[]], [None], {"": None}))
    if kind == 4:
        return json.loads(json.dumps(random.choice(OBJECTS)))
    if kind == 5:
        return [random.choice(NUMBERS)] * random.choice((1, 2, 3, 1000))
    deep = 1
    for _ in range(random.choice((5, 40, 300))):
        deep = [deep]
    return deep


def safetensors(data, random):
    if len(data) < 8 or (length := struct.unpack("<Q", data[:8])[0]) > len(data):
        return spoiled(data, random)
    header = json_bytes(data[8 : 8 + length], random)
    claimed = random.choice(NUMBERS[:11]) % 2**64 if random.random() < 0.05 else len(header)
    return struct.pack("<Q", claimed) + header + data[8 + length :]


def archive(data, random):
    """A torch archive with its pickle or an entry changed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = {name: file.read(name) for name in file.namelist()}
    except Exception:
        return spoiled(data, random)
    name = random.choice([*entries, *[name for name in entries if name.endswith("data.pkl")] * 20])
    entries[name] = pickled(entries[name], random) if name.endswith(".pkl") else spoiled(entries[name], random)
    if random.random() < 0.05:
        del entries[random.choice(list(entries))]
    target = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if random.random() < 0.03 else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", kind) as file:
        for name, found in entries.items():
            file.writestr(name, found)
    return target.getvalue()


def pickled(data, random):
    """A pickle with opcodes exchanged, removed, doubled, or an argument changed."""
    try:
        places = [place for _, _, place in pickletools.genops(data)]
    except Exception:
        return spoiled(data, random)
    i, j = sorted(random.choices(range(len(places)), k=2))
    begin, end = places[i], places[i + 1] if i + 1 < len(places) else len(data)
    kind = random.randrange(5)
    if kind == 0:
        return data[:begin] + data[end:]
    if kind == 1:
        return data[:end] + data[begin:end] * random.choice((1, 1, 100)) + data[end:]
    if kind == 2:
        k = places[j + 1] if j + 1 < len(places) else len(data)
        return data[:begin] + data[places[j] : k] + data[end:]
    if kind == 3:
        return (
            data[:begin]
            + bytes([random.choice(b"(.0123FIJKLMNTGRSUVXacbdeghjilopqrstu}]\x80\x81\x85\x8c\x93\x94")])
            + data[begin + 1 :]
        )
    inside = spoiled(data[begin + 1 : end], random) if end > begin + 1 else b""
    return data[: begin + 1] + inside + data[end:]


def lines(data, random):
    found = data.split(b"\n")
    i, j = (random.randrange(len(found)) for _ in range(2))
    kind = random.randrange(5)
    if kind == 0:
        del found[i]
    elif kind == 1:
        found[i], found[j] = found[j], found[i]
    elif kind == 2:
        found.insert(i, found[j])
    elif kind == 3:
        found[i] = random.choice(TEXTS).encode("utf-8", "surrogatepass")
    else:
        found = found[:1000] * random.choice((2, 100))
    return b"\n".join(found)


def fields(data, random, marks):
    """Numbers of 1 to 8 bytes near a structure's beginning replaced by others."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        places, mark = [], random.choice(marks)
        place = data.find(mark)
        while place >= 0:
            places.append(place)
            place = data.find(mark, place + 1)
        near = random.choice(places) if places else random.randrange(max(len(data), 1))
        place, width = near + random.randrange(0, 160), random.choice((1, 2, 4, 8))
        number = random.choice((0, 1, 2, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), len(data), near, *places[:20]))
        data[place : place + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(data)


def spoiled(data, random):
    """Bytes flipped, cut, exchanged, doubled or moved."""
    if not data:
        return random.randbytes(random.choice((0, 1, 9, 100)))
    i, j = sorted(random.randrange(len(data) + 1) for _ in range(2))
    kind, short = random.randrange(7), data[i : i + random.choice((1, 4, 16, 256))]
    if kind == 0:
        return data[:i]
    if kind == 1:
        return data[:i] + data[j:]
    if kind == 2:
        return data[:j] + short + data[j:]
    if kind == 3:
        return data[:i] + random.randbytes(random.choice((1, 4, 8))) + data[i + 4 :]
    changed = bytearray(data)
    for _ in range(random.choice((1, 2, 16))):
        place = random.randrange(len(changed)) if kind < 6 else random.randrange(min(len(changed), 512))
        changed[place] = random.choice(
            (0, 255, 127, 128, changed[place] ^ (1 << random.randrange(8)), random.randrange(256))
        )
    return bytes(changed)


def disturb(folder, random):
    """What bytes cannot say: links and pipes in place of a file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        return
    path, kind = random.choice(files), random.randrange(5)
    path.unlink()
    if kind == 0:
        path.symlink_to("/etc/passwd")
    elif kind == 1:
        path.symlink_to(path.name)
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
