"""The base class of each text task."""

from keras_nlp.tasks.causal_lm import CausalLM
from keras_nlp.tasks.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp.tasks.masked_lm import MaskedLM, MaskedLMPreprocessor
from keras_nlp.tasks.text_classifier import TextClassifier, TextClassifierPreprocessor
from keras_nlp.tasks.text_embedder import TextEmbedder, TextEmbedderPreprocessor
from keras_nlp.tasks.token_classifier import TokenClassifier, TokenClassifierPreprocessor

__all__ = [
    "CausalLM",
    "CausalLMPreprocessor",
    "MaskedLM",
    "MaskedLMPreprocessor",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEmbedder",
    "TextEmbedderPreprocessor",
    "TokenClassifier",
    "TokenClassifierPreprocessor",
]
