"""What of a preset's configuration may reach a constructor: plain values, of sizes that a model can have.

A constructor hands some of its arguments to Keras, which would revive an object from a dictionary, and import, read or
call what that names. So no such dictionary gets that far.
"""

import math
import os
import re

from keras_zoo.errors import PresetError

LARGEST_NUMBER = 2**31 - 1  # what indices of a tensor are
MOST_ITEMS = 100_000  # of a list; names of classes are the longest
DEEPEST = 4
MOST_LAYERS = 512  # of all kinds together; the deepest networks that are published have a third
DEPTHS = ("num_layers", "stackwise_num_blocks", "stackwise_depth", "fpn_depth", "downsample_depth")
POLICIES = ("float32", "bfloat16", "float16", "float64", "mixed_bfloat16", "mixed_float16")  # of dtypes
OF_OBJECTS = ("class_name", "registered_name", "module")  # keys of what Keras has serialised
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # and halves of characters
UNKNOWN_MEMORY = 2**35  # bytes, where the machine does not say how much it has


def check_settings(config, where, apart=(), largest=None):
    """`PresetError` unless a configuration holds plain values alone.

    Args:
        config: a dictionary of arguments, or None.
        where: what messages call it.
        apart: arguments that come from elsewhere, and that a configuration may not give.
        largest: {argument: the largest number that it may have, or that its list may hold}.
    """
    for name, value in (config or {}).items():
        if name in apart:
            raise PresetError(f"{where} gives {name}={value!r:.100}, which comes from another file or from the user.")
        if name.endswith("dtype") and value not in (None, *POLICIES):
            names = ", ".join(POLICIES)
            raise PresetError(f"{where}: {name} must be the name of a policy, one of {names}; got {value!r:.100}.")
        if problem := unusual(value) or unfit(name, value):
            raise PresetError(f"{where} has {name}={value!r:.200}, which is {problem}.")
        most = (largest or {}).get(name)
        numbers = [] if value is None else value if isinstance(value, list | tuple) else [value]
        if most is not None and not all(type(number) is int and 0 < number <= most for number in numbers):
            raise PresetError(
                f"{where} has {name}={value!r:.200}; files may ask for whole numbers up to {most}. For more give "
                f"{name} yourself."
            )


def unfit(name, value):
    """What is wrong with a value that Keras takes as it is, and that is used only when the model is; None where not."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name.endswith("epsilon") and value is not None and not (number and 0 < value < 1):
        return "no number above 0 and below 1"
    if name == "trainable" and not isinstance(value, bool):
        return "neither true nor false"
    return None


def unusual(value, depth=0):
    """What is wrong with a value, None where it is a plain one."""
    if isinstance(value, bool | None):
        return None
    if isinstance(value, int | float):
        return None if abs(value) <= LARGEST_NUMBER else f"no number between -{LARGEST_NUMBER} and {LARGEST_NUMBER}"
    if isinstance(value, str):
        return "a text with control characters" if CONTROLS.search(value) else None
    if isinstance(value, dict) and any(isinstance(value.get(name), str) for name in OF_OBJECTS):
        return "an object of Keras; objects are not revived from a file's word, only names and numbers are read"
    if not isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__}, and no plain value"
    if depth == DEEPEST or len(value) > MOST_ITEMS:
        return f"nested deeper than {DEEPEST}, or of more than {MOST_ITEMS} items"
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return next(filter(None, (unusual(part, depth + 1) for part in parts)), None)


def check_depth(backbone_config, task_config, tensors=None):
    """`PresetError` where configurations claim more layers than are built, or than there are tensors to fill them."""
    given = backbone_config | (task_config or {})
    claims = [given[name] for name in DEPTHS if name in given]
    counts = [count for claim in claims for count in (claim if isinstance(claim, list | tuple) else [claim])]
    depth = sum(count for count in counts if isinstance(count, int))
    lists = [len(value) for value in backbone_config.values() if isinstance(value, list | tuple)]
    if tensors is not None and depth > len(tensors):
        raise PresetError(f"The preset's configuration has {depth} layers, its weights {len(tensors)} tensors in all.")
    if max(depth, 0, *lists) > MOST_LAYERS:
        claimed = max(depth, 0, *lists)
        raise PresetError(f"The preset's configuration has {claimed} layers; a file may have up to {MOST_LAYERS}.")


def check_memory(variables):
    """`PresetError` where variables that no file fills would take more than half of the machine's memory.

    They are checked before they are made. The values of a file need no such limit: they are as many as it holds.
    """
    sizes = {variable.path: math.prod(variable.shape) * itemsize(variable) for variable in variables}
    total, most = sum(sizes.values()), memory() // 2
    if total > most:
        path = max(sizes, key=sizes.get)
        raise PresetError(
            f"The preset's configuration asks for variables of {total:,} bytes that no file fills, most of them for "
            f"{path}, {sizes[path]:,}. Half of this machine's memory, {most:,} bytes, is the limit for what a file may "
            "ask for; a model made by its constructor has none."
        )


def itemsize(variable):
    """Bytes of a number; at least one."""
    bits = re.search(r"\d+", str(variable.dtype))
    return max(1, int(bits[0] if bits else 32) // 8)


def memory():
    """Bytes of memory that the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return UNKNOWN_MEMORY
