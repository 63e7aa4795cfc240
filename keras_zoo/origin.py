"""Where a model came from: kept with it from `from_preset` on, through presets and `.keras` files, for its card.

An origin is a dictionary of strings: `preset`, the name or the address it was loaded by; `repository`, `owner/name` of
the hub that has the weights; `license` of the weights; `lora`, what became of adapters. Any of them may be missing. A
local folder's is the one that its own metadata has, or else its name.
"""

import json
import os
from pathlib import Path

from keras_zoo import registry
from keras_zoo.formats.files import read_optional
from keras_zoo.sources.repository import Repository

KEYS = ("preset", "repository", "license", "lora")
LONGEST, LONGEST_TEXT = 200, 4000  # characters of a string, bytes of them all


def of(model):
    """The origin of a model, or of the backbone that it was made from; empty where it is not known."""
    backbone = getattr(model, "backbone", model)
    return vars(model).get("origin") or vars(backbone).get("origin") or {}


def remember(model, origin):
    vars(model)["origin"] = dict(origin)  # past Keras' tracking of attributes


def of_preset(preset, recorded):
    """The origin of what `from_preset(preset)` gives; `recorded` is that in the folder's own metadata."""
    name = os.fspath(preset)
    if name in registry.records():
        record = registry.records()[name]
        return {"preset": name} | licence(record) | repository(record.get("sources", ()))
    if "://" in name and not name.startswith("file://"):
        return {"preset": name} | licence(recorded) | repository([name])
    return recorded or {"preset": Path(name).name}


def licence(known):
    return {"license": known["license"]} if "license" in known else {}


def repository(addresses):
    found = next((address for address in addresses if address.startswith("hf://")), None)
    if found is None:
        return {}
    return {"repository": Repository.at(found).name}


def of_folder(folder):
    """The origin that a preset's folder has in its metadata."""
    return read(read_optional(folder, "metadata.json"))


def read(metadata):
    """The origin in a preset's metadata; whatever there is not a short string that can be printed is left out."""
    found = metadata.get("origin")
    texts = {key: text for key, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}
    return {key: texts[key] for key in KEYS if key in texts and len(texts[key]) <= LONGEST and texts[key].isprintable()}


def from_bytes(text):
    """The origin out of a weights file; empty where the bytes are none."""
    try:
        found = json.loads(text[:LONGEST_TEXT])
    except (ValueError, RecursionError):
        return {}
    return read({"origin": found})


def to_save(model, adapters, merge_lora=True):
    """The origin to write with a model that has these adapters, merged into what is written or kept apart."""
    found = of(model)
    rank = adapters[0].layer.lora_rank if adapters else vars(getattr(model, "backbone", model)).get("merged_rank")
    if rank is None:
        return found
    apart = adapters and not merge_lora
    return found | {"lora": f"adapters of rank {rank}, {'beside the weights' if apart else 'merged into the weights'}"}
