"""BERT (Devlin et al., 2019)."""

from keras_nlp.models.bert.backbone import BertBackbone
from keras_nlp.models.bert.checkpoint import TRANSFORMERS
from keras_nlp.models.bert.keras_hub import KERAS_HUB
from keras_nlp.models.bert.tasks import (
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
from keras_nlp.testing import segment_batch, tiny_word_piece
from keras_zoo.registry import Family, register

TASKS = (BertTextClassifier, BertMaskedLM, BertTextEmbedder, BertTokenClassifier)

FAMILY = register(
    Family(
        name="bert",
        backbone=BertBackbone,
        tasks=TASKS,
        tokenizer=BertTokenizer,
        tiny={
            "vocabulary_size": 120,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "max_sequence_length": 48,
        },
        tiny_tasks={"BertTextClassifier": {"num_classes": 3}, "BertTokenClassifier": {"num_classes": 3}},
        example=segment_batch,
        tiny_preprocessors={
            task.__name__: lambda task=task: task.preprocessor_class(tiny_word_piece(BertTokenizer), sequence_length=12)
            for task in TASKS
        },
        no_gradient=("*/key/bias",),  # the softmax does not see what is added to all keys alike
        transformers=TRANSFORMERS,
        keras_hub=KERAS_HUB,
    )
)

__all__ = [
    "BertBackbone",
    "BertMaskedLM",
    "BertMaskedLMPreprocessor",
    "BertTextClassifier",
    "BertTextClassifierPreprocessor",
    "BertTextEmbedder",
    "BertTextEmbedderPreprocessor",
    "BertTokenClassifier",
    "BertTokenClassifierPreprocessor",
    "BertTokenizer",
]
