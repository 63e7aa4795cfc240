"""The model card of a preset, `README.md`: how to use it, what it is, how good, whose, and where it came from.

Its front matter is what the Hugging Face Hub sorts models by. A card without the last line is its author's, and kept.
"""

import datetime
import json
import re

import keras

from keras_zoo import lora, origin, registry
from keras_zoo.config import policy_name

GENERATED = "<!-- This card was written by keras-zoo; without this line it is kept as it is. -->"
LIBRARIES = {"keras_zoo": "keras-zoo", "keras_hub": "keras-hub", "transformers": "transformers"}
MOST_CLASSES = 100  # names that are listed
SIDE = 64  # pixels of an image in an example, where the model takes any


def is_ones_own(path):
    return path.exists() and GENERATED not in path.read_text(encoding="utf-8", errors="replace")


def write(path, name, model, format="keras_zoo", options=None):
    path.write_text(card(name, model, format, options), encoding="utf-8")


def card(name, model, format="keras_zoo", options=None):
    """The text. `name` is the folder's; `options` are those of saving: `record`, `merge_lora`."""
    record, adapters = (options or {}).get("record") or {}, lora.adapters(getattr(model, "backbone", model))
    came_from = origin.to_save(model, adapters, (options or {}).get("merge_lora", True))
    licence = record.get("license") or came_from.get("license")
    sections = [
        front_matter(model, format, licence, came_from),
        f"# {name}",
        record.get("description") or description(model),
        f"```python\n{usage(name, model)}\n```",
        f"`./{name}` is the path of this folder; `hf://owner/name` does as well, once it lies on a hub.",
        table(facts(model, format)),
        *classes(model),
        *metrics(model, record),
        f"## Licence\n\n{terms(record, licence)}",
        "## Where it came from\n\n" + provenance(model, came_from, format),
        GENERATED,
    ]
    return "\n\n".join(sections) + "\n"


def terms(record, licence):
    if licence is None:
        return "Not known here: say it before you publish this model."
    return f"{licence}." if "license" in record else f"That of the weights it began with: {licence}."


def front_matter(model, format, licence, came_from):
    """The YAML block, by the Hub's own client."""
    from huggingface_hub import ModelCardData

    known = licence is None or re.fullmatch(r"[\w.+-]+", licence)  # an SPDX name; else the Hub wants `other`
    data = ModelCardData(
        library_name=LIBRARIES[format],
        license=licence and (licence.lower() if known else "other"),
        license_name=None if known else licence,
        pipeline_tag=model.pipeline_tag,
        base_model=came_from.get("repository"),
        tags=sorted({"keras", "keras-zoo", family_of(model).name}),
    )
    return f"---\n{data.to_yaml().strip()}\n---"


def family_of(model):
    return registry.family_with(registry.known_class(model).__name__)


def description(model):
    return f"A `{registry.known_class(model).__name__}` with {lora.count_plain(model):,} parameters."


def usage(name, model):
    """A program that loads the model and runs it once, from the folder in which the preset's folder lies.

    The path is written so that no published preset of the folder's name is taken for it.
    """
    cls = registry.known_class(model)
    room = cls.__module__.partition(".")[0]
    module = f"{room}.models" if room in registry.ROOMS else cls.__module__
    path, cls_name = json.dumps(f"./{name}"), cls.__name__
    lines = [f"from {module} import {cls_name}", "", f"model = {cls_name}.from_preset({path})"]
    if getattr(model, "preprocessor", None) is None:
        lines += [f"inputs = {tensors(model)}", "outputs = model(inputs)"]
    elif model.card_example is not None:
        lines.append(model.card_example)
    if any("np." in line for line in lines):
        lines.insert(0, "import numpy as np")
    return "\n".join(lines)


def tensors(model):
    """An input of the network as an expression: nothing in it but what masks leave."""
    inputs = model.input
    if not isinstance(inputs, dict):
        return zeros(inputs)
    return "{\n" + "".join(f'    "{name}": {zeros(value, name)},\n' for name, value in inputs.items()) + "}"


def zeros(symbolic, name=""):
    length = SIDE if len(symbolic.shape) > 2 else 8
    shape = (1, *(length if n is None else n for n in symbolic.shape[1:]))
    kind = "ones" if name.endswith("mask") else "zeros"
    return f'np.{kind}({shape}, "{keras.backend.standardize_dtype(symbolic.dtype)}")'


def facts(model, format):
    """Rows of the table: what the model is."""
    policy = policy_name(model.dtype_policy)
    rows = [
        ("Class", f"`{registry.known_class(model).__name__}` on a `{registry.known_class(backbone(model)).__name__}`"),
        ("Parameters", f"{lora.count_plain(model):,}"),
        ("Numbers", policy if isinstance(policy, str) else "quantised"),
        ("Layout", LIBRARIES[format]),
    ]
    preprocessor = getattr(model, "preprocessor", None)
    for name in ("sequence_length", "image_size"):
        if getattr(preprocessor, name, None) is not None:
            rows.append((name.replace("_", " ").capitalize(), str(getattr(preprocessor, name))))
    return rows if hasattr(model, "backbone") else [("Class", rows[0][1].partition(" on ")[0]), *rows[1:]]


def backbone(model):
    return getattr(model, "backbone", model)


def table(rows, head=("Fact", "Value")):
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines)


def classes(model):
    names = [str(name).replace("\n", " ") for name in getattr(model, "class_names", None) or ()]
    more = f" and {len(names) - MOST_CLASSES} more" if len(names) > MOST_CLASSES else ""
    return [f"## Classes\n\n{', '.join(names[:MOST_CLASSES])}{more}"] if names else []


def metrics(model, record):
    """Those of the record, or what the last epoch of training measured."""
    if found := record.get("metrics"):
        return ["## Metrics\n\n" + table([(name, f"{value:g}") for name, value in found.items()], ("Metric", "Value"))]
    rows = []
    for name, values in history(model).items():
        if name != "learning_rate" and values:
            data = "validation data" if name.startswith("val_") else "training data"
            rows.append((name.removeprefix("val_"), data, f"{values[-1]:g}"))
    if not rows:
        return []
    epochs = max(map(len, history(model).values()))
    rows = table(rows, ("Metric", "Measured on", "Value"))
    when = f"In the last of {epochs} epochs" if epochs > 1 else "In the one epoch"
    return [f"## Metrics\n\n{when} of training:\n\n{rows}"]


def history(model):
    """`{metric: [its value after each epoch]}` of the last `fit`, empty where there was none."""
    return getattr(getattr(model, "history", None), "history", None) or {}


def provenance(model, came_from, format):
    from keras_zoo import __version__

    parts = []
    if "preset" in came_from:
        parts.append(f"Loaded from `{came_from['preset']}`{' and trained further' if history(model) else ''}.")
    else:
        parts.append("Made anew, not loaded from a preset.")
    if "lora" in came_from:
        parts.append(f"With low-rank {came_from['lora']}.")
    today, backend = datetime.datetime.now(datetime.UTC), keras.backend.backend()
    versions = f"keras-zoo {__version__}, Keras {keras.__version__} on {backend}"
    parts.append(f"Saved on {today:%Y-%m-%d} by {versions}, in the layout of {LIBRARIES[format]}.")
    return " ".join(parts)
