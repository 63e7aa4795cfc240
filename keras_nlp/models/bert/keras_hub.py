"""BERT as KerasHub stores it."""

from keras_nlp.tasks.keras_hub import (
    MASKED_LM_PREPROCESSOR,
    TEXT,
    TRANSFORMER,
    WORD_PIECE_TOKENIZER,
    dense,
    embedding,
    norm,
    transformer_blocks,
)
from keras_zoo.formats.keras_hub import HubCheckpoint
from keras_zoo.formats.keras_objects import Settings, read_activation, variables


def table(backbone):
    return {
        "token_embedding": embedding("layers/reversible_embedding"),
        "position_embedding": embedding("layers/position_embedding"),
        "segment_embedding": embedding("layers/embedding"),
        "embeddings_layer_norm": norm("layers/layer_normalization"),
        "pooled_dense": dense("layers/dense"),
    } | transformer_blocks(backbone, "layers/transformer_encoder")


def classifier_table(task):
    return {"logits": dense("layers/dense")}


def masked_lm_table(task):
    return {
        "mlm_head": variables("layers/masked_lm_head", "bias"),
        "mlm_head/dense": dense("layers/masked_lm_head/_intermediate_dense"),
        "mlm_head/layer_norm": norm("layers/masked_lm_head/_intermediate_layer_norm"),
    }


def with_head_said(arguments):
    """None means the backbone's; see `keras_nlp.tasks.MaskedLM`."""
    backbone, epsilon = arguments["backbone"], arguments["head_layer_norm_epsilon"]
    return arguments | {
        "activation": arguments["activation"] or backbone.activation,
        "head_layer_norm_epsilon": backbone.layer_norm_epsilon if epsilon is None else epsilon,
    }


KERAS_HUB = HubCheckpoint(
    classes={
        "BertBackbone": Settings(
            (*TRANSFORMER, "num_segments"), defaults={"activation": "gelu_approximate", "layer_norm_epsilon": 1e-12}
        ),
        "BertTextClassifier": Settings(
            ("num_classes", "activation", "dropout"),
            unsaid=("problem", "class_names"),
            convert={"activation": read_activation},
            also=("BertClassifier",),
        ),
        # The head has its own GELU and epsilon there, whatever the backbone's are.
        "BertMaskedLM": Settings(
            defaults={"activation": "gelu", "head_layer_norm_epsilon": 1e-5}, restate=with_head_said
        ),
        "BertTextEmbedder": Settings(("pooling_mode", "normalize")),
        "BertTextClassifierPreprocessor": Settings(TEXT, also=("BertPreprocessor",)),
        "BertMaskedLMPreprocessor": MASKED_LM_PREPROCESSOR,
        "BertTextEmbedderPreprocessor": Settings(TEXT),
        "BertTokenizer": WORD_PIECE_TOKENIZER,
    },
    table=table,
    heads={"BertTextClassifier": classifier_table, "BertMaskedLM": masked_lm_table},
)
