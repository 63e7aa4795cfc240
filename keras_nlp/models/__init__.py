"""Every model family, and the base classes that find a preset's family by themselves."""

from keras_nlp.models.gpt2 import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_nlp.tasks import CausalLM, CausalLMPreprocessor
from keras_nlp.tokenizers import Tokenizer
from keras_zoo import Backbone, Preprocessor, Task

__all__ = [
    "Backbone",
    "CausalLM",
    "CausalLMPreprocessor",
    "GPT2Backbone",
    "GPT2CausalLM",
    "GPT2CausalLMPreprocessor",
    "GPT2Tokenizer",
    "Preprocessor",
    "Task",
    "Tokenizer",
]
