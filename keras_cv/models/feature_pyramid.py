"""Backbones whose stages are of use one by one, as detectors and segmenters take them."""

import keras

from keras_cv.ops.fuse import Fusing
from keras_zoo import Backbone


class FeaturePyramidBackbone(Fusing, Backbone):
    """A backbone with `pyramid_outputs`, `{"P2": …, "P5": …}`: level `Pn` is `2 ** n` times smaller than the image.

    A subclass sets `pyramid_outputs`, symbolic tensors by the name of their level, before it calls this constructor.
    """

    pyramid_outputs = {}

    @property
    def lora_targets(self):
        """Names of the layers that `enable_lora` adapts by default: all convolutions."""
        return tuple(layer.name for layer in self.layers if isinstance(layer, keras.layers.Conv2D))

    @property
    def pyramid_level_inputs(self):
        """KerasCV's way: `{level: name of the layer}`, whose `get_layer(name).output` is the level's feature map."""
        return {level: output._keras_history.operation.name for level, output in self.pyramid_outputs.items()}

    def feature_pyramid(self, levels=None):
        """A `keras.Model` from images to `{level: feature map}`, which shares this backbone's layers and weights.

        `levels` are names of `pyramid_outputs`, such as `("P3", "P4", "P5")`; by default all of them.
        """
        levels = tuple(self.pyramid_outputs) if levels is None else tuple(levels)
        unknown = [level for level in levels if level not in self.pyramid_outputs]
        if unknown or not levels:
            raise ValueError(f"levels must be some of {list(self.pyramid_outputs)}; got {list(levels)}.")
        return keras.Model(self.input, {level: self.pyramid_outputs[level] for level in levels})
