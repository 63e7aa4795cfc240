"""Text models on Keras 3: JAX, TensorFlow and PyTorch from one source."""

from keras_nlp import generation, layers, models, samplers, tokenizers
from keras_zoo import __version__

__all__ = ["__version__", "generation", "layers", "models", "samplers", "tokenizers"]
