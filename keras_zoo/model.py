"""What backbones and tasks share: a functional Keras model that may name its layers before it has its graph."""

import json
import os
import warnings

import keras
import numpy as np

from keras_zoo import exporting, fused, onnx_graph, origin, registry
from keras_zoo.config import Configured

ORIGIN = "origin"  # its name among a model's own variables in a weights file


class ClassProperty:
    """Decorator: a property of the class itself, `Class.name`."""

    def __init__(self, function):
        self.function = function

    def __get__(self, instance, cls):
        return self.function(cls)


class ZooModel(Configured, keras.Model):
    """A functional model with layers as attributes and a configuration read off its constructor.

    A subclass assigns its layers to `self` first and then calls `super().__init__(inputs=…, outputs=…)`. Until that
    call attributes are stored plainly: Keras tracks the layers through the graph, and a torch module refuses
    submodules before its own constructor has run.
    """

    _config_root = True
    pipeline_tag = None  # what the Hugging Face Hub calls this kind of model
    card_example = None  # a line of a program that runs `model` on raw data, with NumPy as `np`

    def __init__(self, inputs, outputs, name=None, trainable=True):
        object.__setattr__(self, "_has_layers", True)
        super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)
        tracked = {id(layer) for layer in self._flatten_layers()}
        for attribute, value in list(vars(self).items()):
            layers = [x for x in (value if isinstance(value, list) else [value]) if isinstance(x, keras.layers.Layer)]
            if not attribute.startswith("_") and any(id(layer) not in tracked for layer in layers):
                setattr(self, attribute, value)  # a layer off the graph: Keras learns of it here

    def __setattr__(self, name, value):
        if getattr(self, "_has_layers", False):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    @ClassProperty
    def presets(cls):
        """`{name: record}` of the published presets that `from_preset` of this class takes; see `list_presets`."""
        return registry.presets_for(cls)

    def save_own_variables(self, store):
        """Beside Keras' own, as bytes, where the model came from; its configuration says only what it is."""
        super().save_own_variables(store)
        if known := vars(self).get("origin"):
            store[ORIGIN] = np.frombuffer(json.dumps(known).encode(), "uint8")

    def load_own_variables(self, store):
        names = list(store.keys())
        if ORIGIN in names:
            origin.remember(self, origin.from_bytes(np.asarray(store[ORIGIN]).tobytes()))
        super().load_own_variables({name: store[name] for name in names if name != ORIGIN})

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        fused.fuse(self.optimizer)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """As `keras.Model.export`, for a model that has not been called yet, too.

        ONNX files are written by TensorFlow or torch. Under JAX either of them, which must be installed, does it in a
        process of its own, see `keras_zoo.exporting`.
        """
        if format == "onnx" and (backend := exporting.writer(format)) != keras.backend.backend():
            return exporting.export_under(backend, self, filepath, format, **kwargs)
        self._called = True  # a functional model has its graph from the start; Keras asks for a call all the same
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(keras|torch)\.")  # of tracing, which is what exporters do
            super().export(os.fspath(filepath), format=format, **kwargs)
        if format == "onnx":
            onnx_graph.quicken(filepath)
