"""English text for the tokenizers: the docstrings of the Python packages that the interpreter has.

Usage: python tools/bench/prose.py MEGABYTES FILE
"""

import ast
import inspect
import sys
import sysconfig
import warnings
from pathlib import Path

PACKAGES = ("numpy", "keras", "torch", "jax")


def files():
    yield from sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    for package in PACKAGES:
        yield from sorted((Path(sysconfig.get_path("purelib")) / package).rglob("*.py"))


def docstrings(path):
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield inspect.cleandoc(text)


def lines():
    """The lines that are not blank, each once."""
    seen = set()
    for path in files():
        for text in docstrings(path):
            for line in text.splitlines():
                if line.strip() and line not in seen:
                    seen.add(line)
                    yield line


def write(megabytes, file):
    size = 0
    with open(file, "w", encoding="utf-8") as out:
        for line in lines():
            size += out.write(line + "\n")
            if size >= megabytes * 1e6:
                return


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write(float(sys.argv[1]), sys.argv[2])
