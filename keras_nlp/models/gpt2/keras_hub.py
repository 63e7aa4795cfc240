"""GPT-2 as KerasHub stores it."""

from keras_nlp.tasks.keras_hub import (
    BYTE_PAIR_TOKENIZER,
    CAUSAL_LM_PREPROCESSOR,
    TRANSFORMER,
    embedding,
    norm,
    transformer_blocks,
)
from keras_zoo.formats.keras_hub import HubCheckpoint
from keras_zoo.formats.keras_objects import Settings


def table(backbone):
    return {
        "token_embedding": embedding("layers/reversible_embedding"),
        "position_embedding": embedding("layers/position_embedding"),
        "layer_norm": norm("layers/layer_normalization"),
    } | transformer_blocks(backbone, "layers/transformer_decoder")


KERAS_HUB = HubCheckpoint(
    classes={
        "GPT2Backbone": Settings(TRANSFORMER, defaults={"layer_norm_epsilon": 1e-5}),
        "GPT2CausalLM": Settings(),
        "GPT2CausalLMPreprocessor": CAUSAL_LM_PREPROCESSOR,
        "GPT2Tokenizer": BYTE_PAIR_TOKENIZER,
    },
    table=table,
    heads={},  # the token embedding
)
