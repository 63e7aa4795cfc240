"""Adapters in a file of their own: one safetensors file.

Tensors stand under the paths of their variables, `transformer_layer_0/attention/query/lora_kernel_a` `(…, rank)` and
`…/lora_kernel_b` `(rank, out)`, in float32. The metadata has `format`, `rank` and `target_layer_names`, a JSON list of
the adapted layers' paths.
"""

import json
from pathlib import Path

from keras_zoo import freezing, lora, saving, weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.safetensors_file import read_file, save

FORMAT = "keras_zoo_lora"
FLOATS = ("float64", "float32", "float16", "bfloat16")


def write(path, model):
    """Writes the adapters of `model`, all or nothing."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"Adapters are stored as safetensors: the path must end with .safetensors; got {path}.")
    arrays, metadata = stored(model)
    with saving.staged(path.parent) as stage:
        save(arrays, metadata, stage / path.name)


def stored(model):
    """`({name: array}, metadata)` of the file with the adapters of `model`."""
    found = lora.adapters(model)
    if not found:
        raise ValueError("There are no adapters to save: enable_lora or load_lora_weights comes first.")
    scales = {(adapter.layer.lora_rank, adapter.layer.lora_alpha) for adapter in found}
    rank = found[0].layer.lora_rank
    if scales != {(rank, rank)}:
        raise ValueError(f"The adapters must have one rank, and an alpha equal to it; got (rank, alpha) {scales}.")
    arrays = {v.path: weights.to_array(v) for adapter in found for v in (adapter.a, adapter.b)}
    targets = json.dumps([adapter.path for adapter in found])
    return arrays, {"format": FORMAT, "rank": str(rank), "target_layer_names": targets}


def read(path, model):
    """Reads adapters into `model`, enabling them first where it has none; checks all before it changes anything."""
    tensors, rank, targets = opened(path)
    present = lora.adapters(model)
    if present and (own := present[0].layer.lora_rank) != rank:
        raise PresetError(f"{path} has adapters of rank {rank}, {type(model).__name__} has some of rank {own}.")
    if present:
        layers = [adapter.layer for adapter in present]
    else:
        layers = [x for x in model._flatten_layers(include_self=False) if freezing.path_of(x) in targets]
        layers = [layer for layer in layers if lora.can_be_adapted(layer)]
    expected = [pair for layer in layers for pair in shapes(layer, rank)]
    weights.compare(f"{path} does not fit {type(model).__name__}.", expected, tensors)
    arrays = {name: tensor.read().astype("float32") for name, tensor in tensors.items()}
    if not present:
        lora.enable(model, rank, layers)
    for adapter in lora.adapters(model):
        adapter.a.assign(arrays[adapter.a.path])
        adapter.b.assign(arrays[adapter.b.path])


def shapes(layer, rank):
    """The tensors of the adapter that the layer has or would have, as pairs of name and shape."""
    leaf = "kernel" if hasattr(layer, "kernel") else "embeddings"
    *before, width = getattr(layer, leaf).shape
    start = f"{freezing.path_of(layer)}/lora_{leaf}"
    return (f"{start}_a", (*before, rank)), (f"{start}_b", (rank, width))


def opened(path):
    """`({name: Tensor}, rank, paths of adapted layers)` of a file, each checked against the other two."""
    try:
        tensors, metadata = read_file(path)
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise PresetError(f"{path} is a safetensors file, but not one that save_lora_weights has written.")
    try:
        rank, targets = int(metadata["rank"]), json.loads(metadata["target_layer_names"])
        if rank < 1 or not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
            raise ValueError(f"got rank {rank} and {targets!r:.100}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise PresetError(
            f"The metadata of {path} must have a rank of at least 1 and target_layer_names, a list of paths: {error}."
        ) from None
    held = {name.rpartition("/")[0] for name in tensors}
    if held != set(targets) or not tensors:
        raise PresetError(
            f"{path} contradicts itself: it names the layers {sorted(set(targets))}, and its tensors {sorted(held)}."
        )
    if odd := sorted(name for name, tensor in tensors.items() if tensor.dtype.name not in FLOATS):
        raise PresetError(f"{path} has tensors that are no floats: {odd}; accepted are {', '.join(FLOATS)}.")
    return tensors, rank, targets
