"""Tables, sizes and counts for people to read."""

import argparse
import json
import re
import shutil
import sys
import textwrap

NARROWEST = 24  # columns in which a description is worth showing
UNITS = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9}


def print_table(titles, rows, right=()):
    """Prints `rows` of strings in columns, those numbered in `right` at their right edge.

    On a terminal the last column is cut to what is left of the line, and left out where that is too little. In a pipe
    it is whole.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(table_lines(titles, rows, right, width)))


def table_lines(titles, rows, right=(), width=None):
    table = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    if width is not None and before + widths[-1] > width:
        widths[-1] = width - before
        if widths[-1] < NARROWEST:
            table, widths = [row[:-1] for row in table], widths[:-1]
    for row in table:
        cells = [cell if len(cell) <= size else cell[: size - 1] + "…" for cell, size in zip(row, widths, strict=True)]
        cells = [x.rjust(size) if i in right else x.ljust(size) for i, (x, size) in enumerate(zip(cells, widths))]
        yield "  ".join(cells).rstrip()


def print_fields(fields):
    """Prints `{name: text or list of texts}` with the names in a column; what is None or empty is left out.

    On a terminal long texts go on in the next line, below where they began.
    """
    column = max(map(len, fields)) + 2
    room = max(NARROWEST, shutil.get_terminal_size().columns - column - 2) if sys.stdout.isatty() else sys.maxsize
    for name, value in fields.items():
        texts = value if isinstance(value, list) else [value] if value else []
        for i, line in enumerate(line for text in texts for line in textwrap.wrap(text, room)):
            print(f"  {'' if i else name:<{column}}{line}")


def print_json(data):
    print(json.dumps(data, ensure_ascii=False, indent=1, default=str))


def count_text(count):
    """A number of parameters: `"124.4M"`."""
    return short(count, ((1e9, "B"), (1e6, "M"), (1e3, "K")))


def size_text(size):
    """A number of bytes: `"548.1 MB"`."""
    return short(size, ((1e9, " GB"), (1e6, " MB"), (1e3, " kB"))) + ("" if size >= 1e3 else " bytes")


def short(number, units):
    for unit, name in units:
        if number >= unit * 0.9995:
            return f"{number / unit:.2f}{name}" if unit == 1e9 else f"{number / unit:.1f}{name}"
    return str(number)


def parse_count(text):
    """A whole number from what people write, such as `"30M"`; for `argparse`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMBG]?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number such as 500K, 30M or 1.5B")
    return int(float(match[1]) * UNITS[match[2].upper()])
