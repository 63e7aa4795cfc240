"""Texts for a command: its arguments, a pipe, a file."""

import sys
from pathlib import Path


def add_texts(command, help):
    command.add_argument("texts", nargs="*", metavar="text", help=f"{help}; - for a pipe, a text on each line")
    command.add_argument("--file", type=Path, metavar="FILE", help="a file with a text on each line")


def texts_of(arguments):
    """The texts in the order given; `-` stands for the lines of the standard input, `--file` comes last."""
    found = []
    for text in arguments.texts:
        found += lines(read_stdin()) if text == "-" else [text]
    if arguments.file is not None:
        found += lines(decoded(arguments.file.read_bytes(), arguments.file))
    if not found:
        arguments.usage.error("there is nothing to work on: give texts, - for a pipe, or --file FILE")
    return found


def read_stdin():
    return decoded(sys.stdin.buffer.read(), "the standard input")


def decoded(data, name):
    try:
        return data.decode("utf-8-sig")  # some editors begin files with a mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not text in UTF-8: {error.reason} at byte {error.start}.") from None


def lines(text):
    """The lines of a text, whose ends may be those of Windows."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
