"""GPT-2 as KerasHub stores it."""

from keras_nlp.tasks.keras_hub import (
    BYTE_PAIR_TOKENIZER,
    CAUSAL_LM_PREPROCESSOR,
    embedding,
    norm,
    transformer_blocks,
)
from keras_zoo.formats.keras_hub import HubCheckpoint, Settings

CONFIG = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
)


def table(backbone):
    return {
        "token_embedding": embedding("layers/reversible_embedding"),
        "position_embedding": embedding("layers/position_embedding"),
        "layer_norm": norm("layers/layer_normalization"),
    } | transformer_blocks(backbone, "layers/transformer_decoder")


KERAS_HUB = HubCheckpoint(
    classes={
        "GPT2Backbone": Settings(CONFIG, defaults={"layer_norm_epsilon": 1e-5}),
        "GPT2CausalLM": Settings(),
        "GPT2CausalLMPreprocessor": CAUSAL_LM_PREPROCESSOR,
        "GPT2Tokenizer": BYTE_PAIR_TOKENIZER,
    },
    table=table,
    heads={},  # the token embedding
)
