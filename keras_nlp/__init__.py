"""Text models on Keras 3: JAX, TensorFlow and PyTorch from one source."""

from keras_zoo import __version__  # isort: skip  first, since it settles the backend before Keras is imported
from keras_nlp import generation, layers, metrics, models, samplers, tokenizers

__all__ = ["__version__", "generation", "layers", "metrics", "models", "samplers", "tokenizers"]
