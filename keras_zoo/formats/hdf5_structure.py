"""Where the data sets of an HDF5 file lie, read without the HDF5 library, which corrupt files crash and hang.

Of the format (version 0, "HDF5 File Format Specification", III and IV) that is read which Keras has h5py write: groups
by symbol tables, object headers of version 1, data stored in one piece. Everything else is refused. Every step reads at
most a kilobyte at an offset that is checked against the file's size, no structure is visited twice, and the number of
steps is limited.
"""

import struct
from dataclasses import dataclass, field

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 2**64 - 1
MOST_STEPS = 500_000  # messages, links and nodes; a file of GPT-2 has 20,000
LONGEST = 1024  # bytes of a name, or of a message that is looked at
DEEPEST_TREE = 16
DATASPACE, DATATYPE, EXTERNAL, LAYOUT, ATTRIBUTE, CONTINUATION, SYMBOLS = 1, 3, 7, 8, 12, 16, 17
LOOKED_AT = (DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE, CONTINUATION, SYMBOLS)
NEW_LINKS = (2, 6)  # groups as later versions of the format have them, which links to other files need
FIXED_POINT, FLOATING_POINT, STRING, OPAQUE, VARIABLE = 0, 1, 3, 5, 9
FLOATS = {  # bit offset, precision, exponent's location and size, mantissa's, exponent's bias
    (0, 16, 10, 5, 0, 10, 15): "float16",
    (0, 16, 7, 8, 0, 7, 127): "bfloat16",
    (0, 32, 23, 8, 0, 23, 127): "float32",
    (0, 64, 52, 11, 0, 52, 1023): "float64",
}


@dataclass
class Object:
    """What the header of a group or a data set says; None for what it does not.

    group      addresses of its tree and of its heap of names
    shape      of a data set, None where it is of no shape (null)
    dtype      a name, or what it is instead, as `"<…>"`
    layout     `(class, address)`: 1 is in one piece, 0 in the header, 2 in chunks, 3 virtual
    attributes {name: text}, of those attributes that are one text each
    other      numbers of messages beside these
    """

    group: tuple | None = None
    shape: tuple | None = None
    dtype: str | None = None
    layout: tuple | None = None
    attributes: dict = field(default_factory=dict)
    other: set = field(default_factory=set)


class Structure:
    """An opened file. All methods raise `ValueError` for whatever is not as the format has it."""

    def __init__(self, file, size):
        self.file, self.size, self.steps, self.seen = file, size, 0, set()
        begin = self.read(0, 96)
        if not begin.startswith(SIGNATURE):
            raise ValueError("it does not begin as one does")
        if begin[8] != 0 or begin[13:15] != b"\x08\x08":
            raise ValueError(f"it is of version {begin[8]} of the format; Keras writes version 0")
        base, _, end, _ = struct.unpack_from("<4Q", begin, 24)
        if base or end > size:
            raise ValueError(f"it should have {end} bytes and has {size}")
        (self.root,) = struct.unpack_from("<Q", begin, 64)

    def read(self, offset, count):
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise ValueError(f"it has more than {MOST_STEPS} structures")
        if count > LONGEST or offset + count > self.size:
            raise ValueError(f"{count} bytes at {offset} lie outside of it, or are more than {LONGEST}")
        self.file.seek(offset)
        found = self.file.read(count)
        if len(found) != count:
            raise ValueError("it ended while it was read")
        return found

    def visit(self, address):
        """Remembers a structure; each may be reached in one way."""
        if address in self.seen:
            raise ValueError(f"two structures refer to {address}")
        self.seen.add(address)

    def object_at(self, address):
        """The `Object` whose header is at an address."""
        version, count, length = struct.unpack("<BxH4xI4x", self.read(address, 16))
        if version != 1:
            raise ValueError(f"the object at {address} is not of version 1")
        found, blocks = Object(), [(address + 16, length)]
        while blocks and count:
            place, left = blocks.pop()
            self.visit(place)
            while left >= 8 and count:
                kind, size, flags = struct.unpack("<HHB3x", self.read(place, 8))
                place, left, count = place + 8, left - 8 - size, count - 1
                if left < 0:
                    raise ValueError(f"a message at {place} is longer than its header")
                if kind not in LOOKED_AT or (kind == ATTRIBUTE and size > LONGEST):
                    found.other.add(kind)
                elif kind == CONTINUATION:
                    blocks.append(struct.unpack("<2Q", self.read(place, 16)))
                elif flags & 2:
                    found.dtype = "<a shared type>"
                else:
                    self.message(found, kind, self.read(place, size))
                place += size
        return found

    def message(self, found, kind, data):
        try:
            if kind == SYMBOLS:
                found.group = struct.unpack_from("<2Q", data)
            elif kind == DATASPACE:
                found.shape = shape_of(data)
            elif kind == DATATYPE:
                found.dtype = dtype_of(data)
            elif kind == LAYOUT:
                version, layout, address = struct.unpack_from("<BBQ", data + bytes(8))
                found.layout = (layout if version == 3 or layout > 2 else None, address)
            elif kind == ATTRIBUTE:
                found.attributes |= self.attribute(data)
        except (struct.error, IndexError) as error:
            raise ValueError(f"a message of the kind {kind} is cut short: {error}") from None

    def attribute(self, data):
        """`{name: text}`, empty for an attribute that is no single text of variable length."""
        version, *sizes = struct.unpack_from("<Bx3H", data)
        places = [8 + (version == 3)]
        for size in sizes:
            places.append(places[-1] + (-(-size // 8) * 8 if version == 1 else size))
        name, dtype, shape = (data[a : a + size] for a, size in zip(places, sizes, strict=False))
        if dtype[0] & 15 != VARIABLE or dtype[1] & 15 != 1 or shape_of(shape) != ():
            return {}
        length, heap, index = struct.unpack_from("<IQI", data, places[3])
        text = self.text_in(heap, index, length) if length <= LONGEST else b""
        return {name.rstrip(b"\0").decode("utf-8", "replace"): text.decode("utf-8", "replace")}

    def text_in(self, heap, index, length):
        """A text of variable length: the piece of a number in one of the file's global heaps."""
        signature, size = struct.unpack("<4s4xQ", self.read(heap, 16))
        if signature != b"GCOL":
            raise ValueError(f"there is no heap at {heap}")
        place, end = heap + 16, heap + size
        while place + 16 <= end:
            number, count = struct.unpack("<H6xQ", self.read(place, 16))
            if number == index:
                return self.read(place + 16, min(length, count))
            if number == 0:
                break
            place += 16 + -(-count // 8) * 8
        raise ValueError(f"there is no text {index} in the heap at {heap}")

    def links(self, group):
        """`(name, address)` of all in a group; the address is None for a link to a name."""
        tree, heap = group
        signature, length, names = struct.unpack("<4s4xQ8xQ", self.read(heap, 32))
        if signature != b"HEAP":
            raise ValueError(f"there is no heap of names at {heap}")
        waiting = [(tree, None)]
        while waiting:
            address, level = waiting.pop()
            self.visit(address)
            signature = self.read(address, 4)
            if signature == b"SNOD" and level in (None, 0):
                yield from self.symbols(address, names, length)
            elif signature == b"TREE" and level != 0:
                waiting += self.children(address, level)
            else:
                raise ValueError(f"there is no node of a tree at {address}")

    def children(self, address, level):
        kind, own, count = struct.unpack("<4xBBH16x", self.read(address, 24))
        if kind != 0 or own > DEEPEST_TREE or (level is not None and own != level - 1):
            raise ValueError(f"the tree at {address} is not one of names")
        for i in range(count):
            (child,) = struct.unpack("<8xQ", self.read(address + 24 + 16 * i, 16))
            yield child, own

    def symbols(self, address, names, length):
        version, count = struct.unpack("<4xBxH", self.read(address, 8))
        if version != 1:
            raise ValueError(f"the names at {address} are not of version 1")
        for i in range(count):
            offset, header, cached = struct.unpack("<2QI20x", self.read(address + 8 + 40 * i, 40))
            if offset >= length:
                raise ValueError(f"a name lies outside of its heap, at {offset}")
            name = self.read(names + offset, min(length - offset, LONGEST, max(self.size - names - offset, 0)))
            name, ended, _ = name.partition(b"\0")
            if not ended or not name or b"/" in name:
                raise ValueError(f"there is no name at {names + offset}")
            yield name.decode("utf-8"), None if cached == 2 else header


def shape_of(data):
    """The lengths of a dataspace message, None for one of no shape."""
    version, rank, _, kind = struct.unpack_from("<4B", data)
    if version not in (1, 2) or rank > 32:
        raise ValueError("a data set has a shape of an unknown kind")
    if version == 2 and kind == 2:
        return None
    return struct.unpack_from(f"<{rank}Q", data, 8 if version == 1 else 4)


def dtype_of(data):
    """The name of a dtype, or in `<>` what is there instead."""
    kind, order, sign, _, size = struct.unpack_from("<4BI", data)
    kind &= 15
    if kind == OPAQUE:
        return f"<{size} bytes>"
    plain = kind == FIXED_POINT and order & ~8 == 0 and size in (1, 2, 4, 8)
    if plain and struct.unpack_from("<2H", data, 8) == (0, 8 * size):
        return f"{'' if order & 8 else 'u'}int{8 * size}"
    if kind == FLOATING_POINT and order == 0x20 and sign == 8 * size - 1:
        found = FLOATS.get(struct.unpack_from("<2H4BI", data, 8))
        if found is not None:
            return found
    names = {STRING: "text", VARIABLE: "text", FIXED_POINT: "an unusual number", FLOATING_POINT: "an unusual number"}
    return f"<{names.get(kind, 'another type')}>"
