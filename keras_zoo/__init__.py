"""The core that `keras_nlp` and `keras_cv` share: base classes, presets, weights, data.

What it exports is imported when it is first asked for. So names and records of presets, and with them the command
line's lists and helps, need no Keras, which takes seconds.
"""

__version__ = "0.1.0"

import importlib
import typing

from keras_zoo import installed_backend  # noqa: F401  before anything imports Keras

EXPORTS = {  # {name: module and name in it}
    "Backbone": "backbone.Backbone",
    "Family": "registry.Family",
    "Preprocessor": "preprocessor.Preprocessor",
    "PresetError": "errors.PresetError",
    "Task": "task.Task",
    "TorchModule": "torch_module.TorchModule",
    "WarmUpDecay": "schedules.WarmUpDecay",
    "WeightsEMA": "averaging.WeightsEMA",
    "download_preset": "sources.download",
    "list_presets": "registry.list_presets",
    "upload_preset": "sources.upload.upload_preset",
}

if typing.TYPE_CHECKING:
    from keras_zoo.averaging import WeightsEMA
    from keras_zoo.backbone import Backbone
    from keras_zoo.errors import PresetError
    from keras_zoo.preprocessor import Preprocessor
    from keras_zoo.registry import Family, list_presets
    from keras_zoo.schedules import WarmUpDecay
    from keras_zoo.sources import download as download_preset
    from keras_zoo.sources.upload import upload_preset
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
    "download_preset",
    "list_presets",
    "upload_preset",
]


def __getattr__(name):
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = EXPORTS[name].rpartition(".")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__():
    return sorted({*globals(), *EXPORTS})
