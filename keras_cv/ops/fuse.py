"""Batch normalisation folded into the convolutions before it.

At inference a normalisation multiplies each channel by one number and adds another, and so does a convolution with
biases. Both in one is the same function with fewer passes over memory.
"""

import keras
import numpy as np

from keras_zoo import lora, origin
from keras_zoo.config import argument_names


def foldable(model):
    """`{name of a convolution: its normalisation}` of a functional model's own layers, those in nested models not.

    A `keras.layers.Conv2D` without activation counts where one `BatchNormalization` of its channels, and nothing else,
    reads its output.
    """
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    outputs = {id(tensor) for tensor in keras.tree.flatten(model.output)}
    readers = {}
    for node in nodes:
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node.operation)
    found = {}
    for node in nodes:
        conv, tensor = node.operation, node.output_tensors[0] if node.output_tensors else None
        read = readers.get(id(tensor), [])
        if not isinstance(conv, keras.layers.Conv2D) or len(read) != 1 or id(tensor) in outputs:
            continue
        norm = read[0]
        channels = (1,) if conv.data_format == "channels_first" else (-1, 3)
        if isinstance(norm, keras.layers.BatchNormalization) and norm.axis in channels and linear(conv):
            found[conv.name] = norm
    return found


def linear(conv):
    return conv.activation in (None, keras.activations.linear)


def folded(conv, norm):
    """`(kernel, bias)` of the convolution that computes `norm(conv(x))` with the moving statistics; NumPy float64."""
    mean, variance = to_numpy(norm.moving_mean), to_numpy(norm.moving_variance)
    factor = 1 / np.sqrt(variance + norm.epsilon) * (to_numpy(norm.gamma) if norm.scale else 1)
    bias = (to_numpy(conv.bias) if conv.use_bias else 0) - mean
    return to_numpy(conv.kernel) * factor, bias * factor + (to_numpy(norm.beta) if norm.center else 0)


def to_numpy(variable):
    """A copy: under JAX training takes over the memory of the arrays that it starts from."""
    return keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32")).astype("float64")


def fill(fused, model):
    """Gives `fused`, which is `model` without its foldable normalisations, the values it needs, layer by layer."""
    norms = foldable(model)
    for layer in fused.layers:
        if isinstance(layer, keras.Model):  # has been filled by itself
            continue
        own = model.get_layer(layer.name) if layer.weights else layer
        values = folded(own, norms[layer.name]) if layer.name in norms else map(to_numpy, own.weights)
        for variable, value in zip(layer.weights, values, strict=True):
            variable.assign(value)


class Fusing:
    """Mixin of backbones and tasks that can be fused: those with an argument `fused`, and tasks on such a backbone."""

    def fuse(self):
        """A copy for inference, in which batch normalisation is folded into the convolutions before it.

        It computes what this model computes, to rounding, in fewer steps. It can be saved like any model, and refuses
        to train. This model stays as it is.
        """
        lora.refuse_adapters(getattr(self, "backbone", self), "fuse")
        if is_fused(self):
            raise ValueError(f"This {type(self).__name__} is fused already.")
        arguments = {name: getattr(self, name) for name in argument_names(type(self))}
        arguments["name"] = self.name
        if "fused" in arguments:
            arguments["fused"] = True
        if "dtype" in arguments:
            arguments["dtype"] = self.dtype_policy
        if hasattr(self, "backbone"):
            arguments["backbone"] = self.backbone.fuse()
        made = type(self)(**arguments)
        fill(made, self)
        origin.remember(made, origin.of(self))
        if hasattr(self, "backbone") and self.compiled:
            made.compile(loss=self.loss)
        return made

    def make_train_function(self, force=False):
        if is_fused(self):
            raise ValueError(
                f"This {type(self).__name__} is fused, for inference: its normalisations are part of its convolutions "
                "and cannot be trained. Train the model that fuse() was called on."
            )
        return super().make_train_function(force)


def is_fused(model):
    return getattr(model, "fused", False) or getattr(getattr(model, "backbone", None), "fused", False)
