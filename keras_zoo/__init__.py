"""The core that `keras_nlp` and `keras_cv` share: base classes, presets, weights, data.

What it exports is imported when it is first asked for: names and records of presets, and so the command line's lists and
helps, need no Keras, which takes seconds.
"""

__version__ = "0.1.0"

import importlib
import typing

from keras_zoo import installed_backend  # noqa: F401  before anything imports Keras

MODULES = {
    "Backbone": "backbone",
    "Family": "registry",
    "Preprocessor": "preprocessor",
    "PresetError": "errors",
    "Task": "task",
    "TorchModule": "torch_module",
    "WarmUpDecay": "schedules",
    "WeightsEMA": "averaging",
    "list_presets": "registry",
}

if typing.TYPE_CHECKING:
    from keras_zoo.averaging import WeightsEMA
    from keras_zoo.backbone import Backbone
    from keras_zoo.errors import PresetError
    from keras_zoo.preprocessor import Preprocessor
    from keras_zoo.registry import Family, list_presets
    from keras_zoo.schedules import WarmUpDecay
    from keras_zoo.task import Task
    from keras_zoo.torch_module import TorchModule

__all__ = [
    "Backbone",
    "Family",
    "Preprocessor",
    "PresetError",
    "Task",
    "TorchModule",
    "WarmUpDecay",
    "WeightsEMA",
    "__version__",
    "list_presets",
]


def __getattr__(name):
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULES})
