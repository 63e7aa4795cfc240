"""Checks the architecture: import direction, one export per public class, TensorFlow and torch only where allowed.

Usage: python tools/check.py     (part of `make lint`)
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("keras_zoo", "keras_nlp", "keras_cv")
# Inside a package a module may import from its own rank and below.
RANKS = {
    **dict.fromkeys(("ops", "bounding_box", "images", "layers", "losses", "metrics", "tokenizers"), 0),
    **dict.fromkeys(("generation", "samplers", "datasets"), 1),
    **dict.fromkeys(("tasks", "visualization"), 2),
    **dict.fromkeys(("models", "callbacks"), 3),
}
FILES = ("transformers", "huggingface_hub", "safetensors", "h5py", "onnx", "yaml")
DRAWING = ("PIL", "cv2", "matplotlib")
HEAVY = ("tensorflow", "torch", "jax", "sacrebleu", "rouge_score", *FILES, *DRAWING)
LONGEST_FILE = 400


def modules():
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imports(node, top_level_only=False):
    """The dotted names a module imports."""
    nodes = node.body if top_level_only else ast.walk(node)
    for item in nodes:
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module in PACKAGES:
            yield from (f"{item.module}.{alias.name}" for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield item.module


def check_direction(path, tree):
    parts = path.relative_to(ROOT).with_suffix("").parts
    package, room = parts[0], parts[1] if len(parts) > 1 else ""
    lazy_room = (package, room) == ("keras_zoo", "cli")  # the command line may reach up, inside functions
    for name in imports(tree, top_level_only=lazy_room):
        target = name.split(".")
        if target[0] in PACKAGES and target[0] not in (package, "keras_zoo"):
            yield f"imports {name}: keras_cv and keras_nlp import keras_zoo alone, keras_zoo neither of them"
        if target[0] == package and room in RANKS and len(target) > 1 and RANKS.get(target[1], 0) > RANKS[room]:
            yield f"imports {name}: {room} may not import {target[1]}"


def check_heavy(path, tree):
    for name in imports(tree, top_level_only=True):
        if name.split(".")[0] in HEAVY:
            yield f"imports {name} at top level; import it inside the function that needs it"


def check_exports():
    """Every public class is defined in one place."""
    seen = {}
    for path in modules():
        if path.name != "__init__.py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    seen.setdefault(node.name, []).append(path.relative_to(ROOT))
    for name, paths in seen.items():
        if len(paths) > 1:
            yield f"{name} is defined in {', '.join(map(str, paths))}"


def main():
    problems = list(check_exports())
    for path in modules():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        found = [*check_direction(path, tree), *check_heavy(path, tree)]
        if not ast.get_docstring(tree):
            found.append("has no docstring")
        if text.count("\n") > LONGEST_FILE:
            found.append(f"has {text.count(chr(10))} lines; split it")
        problems += [f"{path.relative_to(ROOT)} {problem}" for problem in found]
    print("\n".join(problems) or "architecture: all in order")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
