"""Text models on Keras 3: JAX, TensorFlow and PyTorch from one source."""

from keras_zoo import __version__, download_preset, list_presets, upload_preset  # isort: skip  first, for the backend
from keras_nlp import generation, layers, metrics, models, samplers, tokenizers

__all__ = [
    "__version__",
    "download_preset",
    "generation",
    "layers",
    "list_presets",
    "metrics",
    "models",
    "samplers",
    "tokenizers",
    "upload_preset",
]
