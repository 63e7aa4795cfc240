"""The core that `keras_nlp` and `keras_cv` share: base classes, presets, weights, data."""

__version__ = "0.1.0"

from keras_zoo import installed_backend  # isort: skip  # noqa: F401  before anything imports Keras
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
