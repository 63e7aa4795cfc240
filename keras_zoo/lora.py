"""Low-rank adapters: `W + A B` in place of a frozen `W` (Hu et al., 2021, "LoRA: Low-Rank Adaptation of Large Language
Models").

The adapters themselves are Keras' own: every layer with an `enable_lora` method takes one. Here is what concerns the
whole model: which layers, what trains, what is stored, and the way back to a plain model.
"""

import math
from typing import NamedTuple

import keras
from keras import ops

from keras_zoo import freezing


class Adapter(NamedTuple):
    """One layer's adapter: the frozen matrix `base` `(…, out)`, and the trained `a` `(…, rank)` and `b` `(rank, out)`.

    `path` is the layer's, as in the paths of its weights.
    """

    path: str
    layer: keras.layers.Layer
    base: keras.Variable
    a: keras.Variable
    b: keras.Variable

    def merged(self):
        """The matrix with the update added, `(…, out)`, in the dtype of `base`."""
        if self.layer.quantization_mode is not None:
            raise ValueError(f"{self.path} is quantised and has an adapter: call merge_lora_weights() first.")
        update = ops.matmul(ops.convert_to_tensor(self.a), ops.convert_to_tensor(self.b))
        update = update * (self.layer.lora_alpha / self.layer.lora_rank)
        return ops.cast(ops.cast(self.base, "float32") + update, self.base.dtype)


def adapters(model):
    """All adapters of a model, by path."""
    layers = [layer for layer in model._flatten_layers() if getattr(layer, "lora_enabled", False)]
    return sorted((adapter_of(layer) for layer in layers), key=lambda adapter: adapter.path)


def adapter_of(layer):
    weights = {weight.name: weight for weight in layer.weights}
    leaf = "embeddings" if "embeddings" in weights else "kernel"
    base, a, b = (weights[name] for name in (leaf, f"lora_{leaf}_a", f"lora_{leaf}_b"))
    return Adapter(base.path.rpartition("/")[0], layer, base, a, b)


def plain_weights(model):
    """`model.weights` without those of adapters."""
    extra = {id(x) for adapter in adapters(model) for x in (adapter.a, adapter.b)}
    return [weight for weight in model.weights if id(weight) not in extra]


def count_plain(model):
    """`model.count_params()` without adapters: the numbers that a preset holds."""
    return sum(math.prod(weight.shape) for weight in plain_weights(model))


def can_be_adapted(layer):
    return hasattr(layer, "enable_lora") and not isinstance(layer, keras.Model) and bool(layer.weights)


def choose(model, target_names=None):
    """The layers to adapt: those that `target_names` name, else those of the model's `lora_targets` that exist."""
    if target_names is None:
        found = [x for x in model._flatten_layers(include_self=False) if x.name in model.lora_targets]
        found = [x for x in found if can_be_adapted(x)]
        if not found:
            raise ValueError(
                f"{type(model).__name__} has no layer to adapt of the default names, {', '.join(model.lora_targets)}; "
                f"give target_layer_names. Of its layers these can be adapted: {adaptable_names(model)}."
            )
        return found
    if isinstance(target_names, str) or not target_names:
        raise ValueError(f"target_layer_names must be a list of names or patterns of paths; got {target_names!r}.")
    found = []
    for name in target_names:
        fitting = [layer for layer in freezing.matching(model, name) if can_be_adapted(layer)]
        if not fitting:
            raise ValueError(
                f"{name!r} names no layer that can be adapted. Of the layers these can: {adaptable_names(model)}."
            )
        found += fitting
    return list({id(layer): layer for layer in found}.values())


def adaptable_names(model):
    return freezing.names(x.name for x in reversed(model._flatten_layers(include_self=False)) if can_be_adapted(x))


def refuse_adapters(model, action):
    if found := adapters(model):
        raise ValueError(
            f"{action} is for a backbone without adapters; this one has {len(found)} of rank "
            f"{found[0].layer.lora_rank}. Call merge_lora_weights() first."
        )


def enable(model, rank, layers):
    """Gives each of the layers an adapter that changes nothing yet, and freezes all else in the model."""
    refuse_adapters(model, "enable_lora")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ValueError(f"rank must be a whole number of at least 1; got {rank!r}.")
    before = [(weight, weight.trainable) for weight in model.weights]
    try:
        for layer in layers:
            layer.enable_lora(rank)
    except BaseException:  # a layer with a constraint, say: as if nothing had been asked
        remove(model)
        for weight, trainable in before:
            weight.trainable = trainable
        raise
    freezing.unfreeze(model)
    freezing.freeze(model)
    for adapter in adapters(model):
        freezing.set_trainable(adapter.layer, True)
        for weight in adapter.layer.weights:
            weight.trainable = weight is adapter.a or weight is adapter.b


def merge(model):
    """Adds every update to its matrix and takes the adapters away; all layers train again."""
    found = adapters(model)
    if not found:
        raise ValueError("There are no adapters to merge: enable_lora or load_lora_weights comes first.")
    for adapter in found:
        if adapter.layer.quantization_mode is None:
            adapter.base.assign(adapter.merged())
        else:  # Keras' layers merge and round again when they save themselves
            store = {}
            adapter.layer.save_own_variables(store)
            adapter.layer.load_own_variables(store)
    vars(model)["merged_rank"] = found[0].layer.lora_rank  # for the card of what is saved
    remove(model)
    freezing.unfreeze(model)


def remove(model):
    """Takes the adapters away. `del layer.weight` would collect garbage once a weight, a tenth of a second each."""
    for adapter in adapters(model):
        for weight in (adapter.a, adapter.b):
            adapter.layer._untrack_variable(weight)
            setattr(adapter.layer, weight.name, None)
        adapter.layer.lora_enabled, adapter.layer.lora_rank, adapter.layer.lora_alpha = False, None, None


# Keras' own weights files, those of `ModelCheckpoint` and `BackupAndRestore` among them. In them a layer stores its
# matrix merged, and on loading sets both halves of its adapter to zero, from where no gradient leads away. So the
# backbone stores the parts as well.


def store_parts(model, store):
    for adapter in adapters(model):
        for part in ("base", "a", "b"):
            store[part_name(adapter, part)] = getattr(adapter, part)


def part_name(adapter, part):
    return f"lora.{adapter.path.replace('/', '.')}.{part}"


def restore_parts(model, parts):
    """After a weights file was read: the adapters from `parts`; those it does not have start anew."""
    for adapter in adapters(model):
        if part_name(adapter, "base") in parts:
            for part in ("base", "a", "b"):
                getattr(adapter, part).assign(parts[part_name(adapter, part)])
        else:
            adapter.a.assign(keras.initializers.HeUniform()(adapter.a.shape, "float32"))
