"""The base class of every network without a head."""

import keras
import numpy as np

from keras_zoo import freezing, lora, presets
from keras_zoo.formats import lora_file
from keras_zoo.model import ZooModel


class Backbone(ZooModel):
    """A network without a task: tensors in, features out.

    Subclasses store every constructor argument under its own name (that is their whole configuration, see
    `keras_zoo.config`), build their layers with `dtype=dtype`, and hand `inputs`, `outputs` and `dtype` up.
    """

    _config_root = True
    lora_targets = ("query", "value", "query_dense", "value_dense")  # names of the layers that adapt by default

    def __init__(self, inputs, outputs, dtype=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None, offline=False, **overrides):
        """The backbone of a preset: a name (see `keras_zoo.list_presets()`), a folder or a `hf://owner/name` address.

        `load_weights=False` gives random weights; `offline=True` takes what is in the cache and asks no network;
        `dtype` a dtype policy such as `"bfloat16"`; every other keyword replaces a constructor argument. Called on a
        base class, it finds the family by itself.
        """
        return presets.load_backbone(cls, preset, load_weights, dtype, overrides, offline)

    def save_to_preset(self, folder, format="keras_zoo", **options):
        """Writes configuration and weights into `folder`, all or nothing; see `Task.save_to_preset`."""
        presets.save(folder, backbone=self, format=format, **options)

    # Fine-tuning a part of the network.

    def freeze(self, *patterns, until=None):
        """Keeps layers from training; all of them where nothing is named.

            backbone.freeze("*embedding")
            backbone.freeze(until="transformer_layer_3")

        Args:
            patterns: names of layers, or patterns of paths such as `"transformer_layer_[01]/*"`, at any depth.
            until: the name of one of `backbone.layers`; it and all layers before it are frozen.

        What was frozen before stays so. A pattern that fits no layer is a `ValueError` that names the layers. Call it
        before training, or call the task's `compile` afterwards: an optimizer keeps to the weights it began with.
        """
        lora.refuse_adapters(self, "freeze")
        freezing.freeze(self, patterns, until)

    def unfreeze(self, *patterns):
        """Lets layers train again; all of them where nothing is named. See `freeze`."""
        lora.refuse_adapters(self, "unfreeze")
        freezing.unfreeze(self, patterns)

    def enable_lora(self, rank, target_layer_names=None):
        """Trains low-rank updates of some matrices and nothing else of the backbone (Hu et al., 2021).

        A matrix `W` becomes `W + A B`, with `A` `(…, rank)` random and `B` `(rank, out)` zero, both float32; `W` and
        everything else is frozen, biases included. A task's head outside the backbone goes on training. Presets and
        `.keras` files are written with the updates added to the matrices, presets with `merge_lora=False` beside them.

        Args:
            rank: a whole number of at least 1.
            target_layer_names: names of layers, or patterns of paths such as `"transformer_layer_1?/attention/*"`; by
                default the query and value projections of attention, and all convolutions of networks for images
                (`lora_targets`). Adapted can be every layer of
                Keras with an `enable_lora` of its own: dense, einsum-dense, convolutional, embedding.

        Call it before training, or call the task's `compile` afterwards.
        """
        lora.enable(self, rank, lora.choose(self, target_layer_names))

    def save_lora_weights(self, path):
        """Writes the adapters alone into `path`, a safetensors file; see `keras_zoo.formats.lora_file`."""
        lora_file.write(path, self)

    def load_lora_weights(self, path):
        """Reads what `save_lora_weights` wrote. A backbone without adapters gets those of the file.

        A file that does not fit is a `PresetError` that names all that differs, and changes nothing.
        """
        lora_file.read(path, self)

    def merge_lora_weights(self):
        """Adds the updates to the matrices and takes the adapters away.

        Outputs stay what they were, and the backbone is a plain one again: as fast as before, and all of it trains.
        """
        lora.merge(self)

    def save_own_variables(self, store):
        own = {}
        super().save_own_variables(own)
        for name, value in own.items():
            store[name] = value
        lora.store_parts(self, store)

    def load_own_variables(self, store):
        parts = [name for name in store.keys() if name.startswith("lora.")]  # noqa: SIM118  it has no iterator
        super().load_own_variables({name: store[name] for name in store.keys() if name not in parts})  # noqa: SIM118
        if lora.adapters(self):  # copies, since the file will be closed; and past Keras' tracking of attributes
            vars(self)["stored_adapters"] = {name: np.asarray(store[name]) for name in parts}

    def load_weights(self, *args, **kwargs):
        super().load_weights(*args, **kwargs)
        self.restore_adapters()

    def restore_adapters(self):
        """After a weights file was read: its adapters, which layers cannot read themselves."""
        lora.restore_parts(self, vars(self).pop("stored_adapters", {}))
