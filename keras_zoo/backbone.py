"""The base class of every network without a head."""

import keras

from keras_zoo import presets
from keras_zoo.model import ZooModel


class Backbone(ZooModel):
    """A network without a task: tensors in, features out.

    Subclasses store every constructor argument under its own name (that is their whole configuration, see
    `keras_zoo.config`), build their layers with `dtype=dtype`, and hand `inputs`, `outputs` and `dtype` up.
    """

    _config_root = True

    def __init__(self, inputs, outputs, dtype=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None, **overrides):
        """The backbone of a preset: a name (see `keras_zoo.list_presets()`), a folder or a `hf://owner/name` address.

        `load_weights=False` gives random weights; `dtype` a dtype policy such as `"bfloat16"`; every other keyword
        replaces a constructor argument. Called on a base class, it finds the family by itself.
        """
        return presets.load_backbone(cls, preset, load_weights, dtype, overrides)

    def save_to_preset(self, folder, format="keras_zoo", **options):
        """Writes configuration and weights into `folder`, all or nothing; see `Task.save_to_preset`."""
        presets.save(folder, backbone=self, format=format, **options)
