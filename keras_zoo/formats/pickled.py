"""Pickles read as data, by an interpreter of their opcodes that runs nothing.

Python's own unpickler calls whatever a file names, and `find_class` only narrows what that can be: the objects it
returns are still called, set up and given attributes. Here names stay names. An opcode that would call or build makes
a `Record` of what it was given, so that no content of a file leads to a call, an import or an attribute set on
anything but records. Each opcode takes a bounded time and makes at most one object, nothing recurses, and both their
number and the file's length are limited.
"""

import operator
import pickletools
from dataclasses import dataclass, field
from typing import NamedTuple

LARGEST = 16 * 2**20  # bytes; the largest YOLOv8 with its optimizer's state takes less than one MiB
MOST_OPCODES = 1_000_000
LONGEST_NAME = 300  # characters, of a function or class
KEYS = (str, bytes, bool, int, float, type(None))  # of dictionaries and sets; all are hashed in one step
LARGEST_KEY = 2**63  # hashes of greater numbers can be made to collide


class Name(NamedTuple):
    """What a pickle calls a function or a class; nothing is looked up."""

    module: str
    name: str

    def __str__(self):
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class Record:
    """What an unpickler would have made by calling `made_by` with `arguments`.

    states    what it would have been set up with
    entries   what it would have been given by `object[key] = value`
    elements  what it would have been given by `append` and `add`
    """

    made_by: object
    arguments: object
    states: list = field(default_factory=list)
    entries: dict = field(default_factory=dict)
    elements: list = field(default_factory=list)


@dataclass(eq=False, repr=False, slots=True)
class Persistent:
    """A reference to something beside the pickle, by whatever identifies it there."""

    identity: object


class Pickled(NamedTuple):
    """What a pickle holds: plain Python values, `Name`, `Record` and `Persistent`; all names and references in it."""

    content: object
    names: set
    references: list


def read_pickle(source):
    """The `Pickled` in bytes, or the next one in a `BytesIO`, of any protocol from 2.

    `ValueError` for whatever is no whole pickle, is too large, or has opcodes that only older protocols, the registry
    of extensions or buffers outside the file need.
    """
    if isinstance(source, bytes) and len(source) > LARGEST:
        raise ValueError(f"the pickle has {len(source)} bytes; up to {LARGEST} are read")
    machine = Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(source)):
            if count == MOST_OPCODES:
                raise ValueError(f"the pickle has more than {MOST_OPCODES} opcodes")
            machine.step(opcode.name, argument)
    except (LookupError, TypeError, OverflowError, AttributeError) as error:
        raise ValueError(f"the pickle is corrupt: {type(error).__name__}") from None
    return Pickled(machine.result(), machine.names, machine.references)


def is_key(value):
    """Whether a dictionary may have the key: a plain value, a name, or a flat tuple of plain values."""
    if type(value) is tuple or type(value) is Name:
        return len(value) <= 8 and all(type(part) in KEYS and is_key(part) for part in value)
    return type(value) in KEYS and not (type(value) is int and abs(value) >= LARGEST_KEY)


class Machine:
    """The stack machine that pickles are programs for."""

    def __init__(self):
        self.stack, self.below = [], []  # `below` are the stacks under the marks
        self.memo, self.names, self.references, self.stopped = {}, set(), [], False

    def result(self):
        if not self.stopped or self.below or len(self.stack) != 1:
            raise ValueError("the pickle does not end with one object")
        return self.stack[0]

    def step(self, name, argument):
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in VALUES:
            self.stack.append(argument)
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in self.OPCODES:
            self.OPCODES[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the pickle has the opcode {name}, which files of torch do not have")

    def popped(self, count):
        """The last `count` of the stack, first pushed first."""
        if count > len(self.stack):
            raise ValueError("the pickle takes from an empty stack")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def to_mark(self):
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def mark(self, _):
        self.below.append(self.stack)
        self.stack = []

    def stop(self, _):
        self.stopped = True

    def pop(self, _):
        self.popped(1) if self.stack else self.to_mark()

    def pop_mark(self, _):
        self.to_mark()

    def remember(self, index):
        self.memo[operator.index(index)] = self.stack[-1]

    def memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def recall(self, index):
        self.stack.append(self.memo[index])

    def tuple_of(self, count):
        self.stack.append(tuple(self.popped(count)))

    def tuple_to_mark(self, _):
        taken = tuple(self.to_mark())
        self.stack.append(taken)

    def frozen(self, _):
        taken = self.to_mark()
        self.stack.append(frozenset(checked(taken)))

    def extend(self, values):
        target = self.stack[-1]
        if type(target) is set:
            target.update(checked(values))
        elif type(target) is list:
            target.extend(values)
        elif type(target) is Record:
            target.elements.extend(values)
        else:
            raise ValueError(f"the pickle appends to a {type(target).__name__}")

    def set_items(self, pairs):
        target = self.stack[-1]
        if type(target) not in (dict, Record) or len(pairs) % 2:
            raise ValueError(f"the pickle sets items of a {type(target).__name__}")
        target = target.entries if type(target) is Record else target
        for key, value in zip(checked(pairs[::2]), pairs[1::2], strict=True):
            target[key] = value

    def global_name(self, argument):
        module, _, name = argument.partition(" ")
        self.push_name(module, name)

    def push_name(self, module, name):
        if type(module) is not str or type(name) is not str or len(module) + len(name) > LONGEST_NAME:
            raise ValueError("the pickle has a name that is no text, or is too long")
        self.stack.append(Name(module, name))
        self.names.add(self.stack[-1])

    def call(self, count):
        """REDUCE, NEWOBJ and NEWOBJ_EX: a function or class and what it is called with."""
        made_by, *arguments = self.popped(count)
        self.stack.append(Record(made_by, arguments[0] if len(arguments) == 1 else tuple(arguments)))

    def build(self, _):
        (state,) = self.popped(1)
        if type(self.stack[-1]) is not Record:
            raise ValueError(f"the pickle sets up a {type(self.stack[-1]).__name__}")
        self.stack[-1].states.append(state)

    def persistent(self, _):
        self.stack.append(Persistent(self.popped(1)[0]))
        self.references.append(self.stack[-1])

    OPCODES = {
        "MARK": mark,
        "STOP": stop,
        "POP": pop,
        "POP_MARK": pop_mark,
        "BINPUT": remember,
        "LONG_BINPUT": remember,
        "MEMOIZE": memoize,
        "BINGET": recall,
        "LONG_BINGET": recall,
        "TUPLE": tuple_to_mark,
        "TUPLE1": lambda self, _: self.tuple_of(1),
        "TUPLE2": lambda self, _: self.tuple_of(2),
        "TUPLE3": lambda self, _: self.tuple_of(3),
        "FROZENSET": frozen,
        "APPEND": lambda self, _: self.extend(self.popped(1)),
        "APPENDS": lambda self, _: self.extend(self.to_mark()),
        "ADDITEMS": lambda self, _: self.extend(self.to_mark()),
        "SETITEM": lambda self, _: self.set_items(self.popped(2)),
        "SETITEMS": lambda self, _: self.set_items(self.to_mark()),
        "GLOBAL": global_name,
        "STACK_GLOBAL": lambda self, _: self.push_name(*self.popped(2)),
        "REDUCE": lambda self, _: self.call(2),
        "NEWOBJ": lambda self, _: self.call(2),
        "NEWOBJ_EX": lambda self, _: self.call(3),
        "BUILD": build,
        "BINPERSID": persistent,
    }


def checked(keys):
    if not all(map(is_key, keys)):
        raise ValueError("the pickle has keys other than texts, numbers and short tuples of them")
    return keys


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING")  # the last of Python 2
VALUES = {*NUMBERS, *TEXTS, "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
