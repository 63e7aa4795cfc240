"""The base class of each text task."""

from keras_nlp.tasks.causal_lm import CausalLM
from keras_nlp.tasks.causal_lm_preprocessor import CausalLMPreprocessor

__all__ = ["CausalLM", "CausalLMPreprocessor"]
