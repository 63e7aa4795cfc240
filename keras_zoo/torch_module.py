"""Any torch module as a layer of a Keras model, on the torch backend."""

import contextlib

import keras

from keras_zoo.config import serializable

UNKNOWN = (64, 96)  # two sizes to try for lengths that are not known; what then differs is not known either


@serializable
class TorchModule(keras.layers.TorchModuleWrapper):
    """A torch module as a layer: `TorchModule(make)` holds the module that `make()` returns.

        @keras.saving.register_keras_serializable("my_project")
        def trunk(depth=18):
            return torchvision.models.get_model(f"resnet{depth}", num_classes=64)

        features = keras_zoo.TorchModule(trunk, {"depth": 34})(images)

    It takes what the module takes and returns what it returns; images are `(B, C, H, W)`. Parameters train with the
    model, those with `requires_grad=False` do not. Weights files have the module's whole state, buffers included.

    It differs from `keras.layers.TorchModuleWrapper`, which it extends, in four things. Saved models name the function
    `make`, which must be registered with Keras in the process that loads them; Keras' own pickles the whole module into
    the configuration and loads it with `safe_mode=False` alone, which runs whatever code the file has. The shape of the
    output is found by itself. A call without `training` is one at inference. And while the layer is frozen
    (`trainable = False`) the statistics of batch normalisation stay, as they do in Keras.

    Args:
        make: a function that returns a `torch.nn.Module`, registered by `keras.saving.register_keras_serializable`.
        arguments: a dictionary of keywords for it, which the configuration keeps: numbers, strings, lists of them.
        dtype: dtype policy. Under a mixed one the module runs inside `torch.autocast`.
    """

    def __init__(self, make, arguments=None, name=None, dtype=None, **kwargs):
        if keras.backend.backend() != "torch":
            raise ValueError(
                f"TorchModule needs the torch backend (KERAS_BACKEND=torch); this is {keras.backend.backend()!r}."
            )
        import torch

        if not callable(make) or keras.saving.get_registered_object(registered_name(make)) is not make:
            raise ValueError(
                "make must be a function registered with Keras, so that a saved model can name it: put "
                f"@keras.saving.register_keras_serializable() before it; got {make!r:.200}."
            )
        module = make(**(arguments or {}))
        if not isinstance(module, torch.nn.Module):
            raise ValueError(f"make must return a torch.nn.Module; it returned {type(module).__name__}.")
        super().__init__(module, name=name, dtype=dtype, **kwargs)
        self.make = make
        self.arguments = dict(arguments or {})

    def call(self, *args, training=None, **kwargs):
        self.module.train(bool(training) and self.trainable)
        with self.precision():
            return self.module(*args, **kwargs)

    def precision(self):
        import torch

        if self.compute_dtype == self.variable_dtype:
            return contextlib.nullcontext()
        device = next(iter(self.module.parameters()), torch.empty(0)).device.type
        return torch.autocast(device, dtype=getattr(torch, self.compute_dtype))

    def compute_output_spec(self, *args, training=None, **kwargs):
        """The outputs as KerasTensors, found on torch's device `meta`, which knows shapes alone."""
        small, large = (self.on_meta(args, kwargs, size) for size in UNKNOWN)

        def spec(a, b):
            shape = [n if n == m else None for n, m in zip(a.shape, b.shape, strict=True)]
            return keras.KerasTensor(shape, keras.backend.standardize_dtype(a.dtype))

        return keras.tree.map_structure(spec, small, large)

    def on_meta(self, args, kwargs, unknown):
        import torch

        def empty(x):
            if not isinstance(x, keras.KerasTensor):
                return x
            shape = [unknown if n is None else n for n in x.shape]
            return torch.empty(shape, dtype=getattr(torch, x.dtype), device="meta")

        state = {name: x.to("meta") for name, x in self.module.state_dict(keep_vars=True).items()}
        self.module.eval()
        with torch.no_grad():
            args, kwargs = keras.tree.map_structure(empty, (args, kwargs))
            return torch.func.functional_call(self.module, state, args, kwargs)

    def get_config(self):
        own = {"make": registered_name(self.make), "arguments": self.arguments}
        return keras.layers.Layer.get_config(self) | own

    @classmethod
    def from_config(cls, config):
        make = keras.saving.get_registered_object(config["make"])
        if make is None:
            raise ValueError(
                f"The function {config['make']!r}, which makes the torch module, is not registered with Keras: import "
                "the file that has it under @keras.saving.register_keras_serializable() first."
            )
        return cls(**{**config, "make": make})


def registered_name(make):
    return keras.saving.get_registered_name(make) if hasattr(make, "__name__") else None
