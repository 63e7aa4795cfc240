"""Every model family, and the base classes that find a preset's family by themselves."""

from keras_nlp.models.bert import (
    BertBackbone,
    BertMaskedLM,
    BertMaskedLMPreprocessor,
    BertTextClassifier,
    BertTextClassifierPreprocessor,
    BertTextEmbedder,
    BertTextEmbedderPreprocessor,
    BertTokenClassifier,
    BertTokenClassifierPreprocessor,
    BertTokenizer,
)
from keras_nlp.models.gpt2 import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_nlp.tasks import (
    CausalLM,
    CausalLMPreprocessor,
    MaskedLM,
    MaskedLMPreprocessor,
    TextClassifier,
    TextClassifierPreprocessor,
    TextEmbedder,
    TextEmbedderPreprocessor,
    TokenClassifier,
    TokenClassifierPreprocessor,
)
from keras_nlp.tokenizers import Tokenizer
from keras_zoo import Backbone, Preprocessor, Task

# KerasNLP's older names.
BertClassifier, BertPreprocessor, Classifier = BertTextClassifier, BertTextClassifierPreprocessor, TextClassifier

__all__ = [
    "Backbone",
    "BertBackbone",
    "BertClassifier",
    "BertMaskedLM",
    "BertMaskedLMPreprocessor",
    "BertPreprocessor",
    "BertTextClassifier",
    "BertTextClassifierPreprocessor",
    "BertTextEmbedder",
    "BertTextEmbedderPreprocessor",
    "BertTokenClassifier",
    "BertTokenClassifierPreprocessor",
    "BertTokenizer",
    "CausalLM",
    "CausalLMPreprocessor",
    "Classifier",
    "GPT2Backbone",
    "GPT2CausalLM",
    "GPT2CausalLMPreprocessor",
    "GPT2Tokenizer",
    "MaskedLM",
    "MaskedLMPreprocessor",
    "Preprocessor",
    "Task",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEmbedder",
    "TextEmbedderPreprocessor",
    "TokenClassifier",
    "TokenClassifierPreprocessor",
    "Tokenizer",
]
