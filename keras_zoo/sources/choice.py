"""Which files of a repository, of an archive or of a folder a preset is made of, by their names alone.

Names are relative to the preset's folder, with `/` between their parts.
"""

import re

from keras_zoo.errors import PresetError

# What readers open besides weights: configuration, vocabulary, and the card.
SMALL = re.compile(
    r"(config|task|preprocessor|tokenizer|image_converter|metadata|tokenizer_config|special_tokens_map|added_tokens"
    r"|vocab|preprocessor_config|generation_config|modules|sentence_bert_config|config_sentence_transformers)\.json"
    r"|vocab\.txt|merges\.txt|spiece\.model|sentencepiece\.bpe\.model|tokenizer\.model|README\.md"
    r"|assets/[^\\]+"
)
STEP = re.compile(r"\d+_\w+/config\.json")  # a step of sentence-transformers
STATE_DICTS = (".pth", ".pt", ".bin", ".safetensors")  # files that can be a preset by themselves
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")
KERAS = ("model.weights.h5", "model.weights.json")
HEAD = "task.weights.h5"
ADAPTERS = "model.lora.safetensors"  # beside the weights of our own layout
WEIGHTS = re.compile(r"[^/\\]+\.(safetensors|weights\.h5|pth|pt|bin)")
INDEX = re.compile(r"[^/\\]+\.(safetensors|bin)\.index\.json|model\.weights\.json")
PARTS_ALONE = ("preprocessor.json", "tokenizer.json", "image_converter.json", "assets/tokenizer/config.json")


def is_plain(name):
    """Whether a name stays in its folder, whatever the system: no `..`, no drive, no backslash."""
    return not re.search(r"[\\\x00-\x1f:]", name) and not {"", ".", ".."} & set(name.split("/"))


def files_below(folder):
    """`{name: bytes}` of all files in a local folder, sorted by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def is_small(name):
    return (SMALL.fullmatch(name) or STEP.fullmatch(name)) is not None


def may_belong(name):
    """Whether a preset of any layout may have a file of this name."""
    return is_small(name) or (WEIGHTS.fullmatch(name) or INDEX.fullmatch(name)) is not None


def needed(names, weights, read):
    """Of the files `names` those that a load reads.

    weights   True; "backbone" without the head that KerasHub keeps in a file of its own; or False, where weights are
              read only if the network's configuration stands in them, as in a plain state dict
    read      name -> the JSON object of one of the files, for those that say which others are needed
    """
    names = {name for name in names if is_plain(name)}
    found = {name for name in names if is_small(name)}
    if "config.json" not in names:
        return sorted(found if names & set(PARTS_ALONE) else found | state_dict(names))
    config = read("config.json")
    stores, describe = stores_of(config)
    if weights or describe:
        found |= weight_files(names, stores, read)
    if weights is True and KERAS in stores:
        found |= names & {HEAD}
    if weights and "registered_name" in config and SAFETENSORS in stores:
        found |= names & {ADAPTERS}
    return sorted(found)


def read_json(path):
    """The object in a JSON file; the layouts' reader, which needs all of the package."""
    from keras_zoo.formats.files import read_json

    return read_json(path)


def stores_of(config):
    """`(stores, describe)` of a `config.json`.

    `stores` is where its layout keeps weights, the best first, each as a file and the index of shards that may be there
    in its place; `describe` says whether the weights tell what the network is.
    """
    registered = str(config.get("registered_name", ""))
    if registered.startswith("keras_zoo>"):
        return (SAFETENSORS,), False
    if registered.startswith("keras_cv"):
        return ((str(config.get("weights")), None),), False
    if registered.startswith(("keras_hub>", "keras_nlp>")):
        return (KERAS,), False
    if isinstance(config.get("model_type"), str):
        return (SAFETENSORS, TORCH), False
    return (SAFETENSORS, TORCH), isinstance(config.get("architecture"), str)  # timm's


def weight_files(names, stores, read):
    for single, index in stores:
        if single in names:
            return {single}
        if index in names:
            return {index} | (names & shards(read(index)))
    return set()


def shards(index):
    """The files that an index names; one that is no index names none, which its reader then says."""
    mapped = index.get("weight_map")
    entries = mapped.values() if isinstance(mapped, dict) else ()
    return {
        name for entry in entries for name in (entry if isinstance(entry, list) else [entry]) if isinstance(name, str)
    }


def state_dict(names):
    """The one file of weights of a folder that has no config.json."""
    found = sorted(name for name in names if name.endswith(STATE_DICTS) and "/" not in name)
    for usual in (SAFETENSORS[0], TORCH[0]):
        if usual in found:
            return {usual}
    if len(found) > 1:
        raise PresetError(f"There is no config.json, and several files that may be the weights: {found}. Name one.")
    return set(found)


def has_weights(names):
    return any(WEIGHTS.fullmatch(name.rpartition("/")[2]) for name in names)
