"""What can be read and written, as a table: for errors about what cannot, and for the documentation."""

from collections.abc import Callable
from typing import NamedTuple

from keras_zoo import registry


class Row(NamedTuple):
    """A layout: by what it is recognised, and `family -> names of its classes`, None where that is not read.

    `format` is what `save_to_preset` calls it, empty where it is not written.
    """

    name: str
    recognised: str
    tasks: Callable
    format: str = ""


def of_transformers(family):
    return None if family.transformers is None else list(family.transformers.heads)


def of_keras_hub(family):
    return None if family.keras_hub is None else list(family.keras_hub.classes)


def of_keras_cv(family):
    return None if family.keras_cv is None else [entry.name for entry in family.keras_cv.classes.values()]


def of_state_dict(family):
    return None if family.state_dict is None else [family.tasks[0].__name__]


def of_timm(family):
    return of_state_dict(family) if family.state_dict is not None and family.state_dict.read_timm is not None else None


def own(family):
    return list(family.classes)


ROWS = (
    Row("keras_zoo", "`registered_name` `keras_zoo>…` in config.json", own, "keras_zoo"),
    Row("KerasHub", "`registered_name` `keras_hub>…`, `keras_nlp>…`", of_keras_hub, "keras_hub"),
    Row("KerasCV", "`registered_name` `keras_cv>…`", of_keras_cv),
    Row("transformers", "`model_type` in config.json", of_transformers, "transformers"),
    Row("timm", "`architecture` in config.json", of_timm),
    Row("torch", "one .pth, .pt, .bin or .safetensors file", of_state_dict),
)
HEAD = ("Layout", "Recognised by", "Family", "Tasks", "`format=`")


def table():
    """The layouts, by what each is recognised, which families and tasks of it are read, and how it is written."""
    rows = [HEAD]
    for row in ROWS:
        known = [(family, row.tasks(family)) for family in registry.families().values()]
        known = [(family.name, tasks_of(family, names)) for family, names in known if names is not None]
        for i, (family, tasks) in enumerate(known):
            once = (row.name, row.recognised, row.format or "not written") if i == 0 else ("", "", "")
            rows.append((*once[:2], family, tasks, once[2]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    padded = ([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)] for cells in rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def tasks_of(family, names):
    """Those of a family's tasks that have these names, by what all families call them."""
    return ", ".join(task.__base__.__name__ for task in family.tasks if task.__name__ in names)


def advice(message):
    """The message of an error on what cannot be read, with what can."""
    return f"{message}\n\nWhat can be read:\n\n{table()}"
