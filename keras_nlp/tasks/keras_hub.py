"""What the families have in common where KerasHub stores them: the block of a transformer, and preprocessors."""

from keras_zoo.formats.keras_objects import Settings, variables

TRANSFORMER = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
)
TEXT = ("sequence_length", "truncate")
MASKING = ("mask_selection_rate", "mask_selection_length", "mask_token_rate", "random_token_rate")
MASKED_LM_PREPROCESSOR = Settings((*TEXT, *MASKING))
CAUSAL_LM_PREPROCESSOR = Settings(("sequence_length", "add_start_token", "add_end_token"))
BYTE_PAIR_TOKENIZER = Settings(("sequence_length", "add_prefix_space", "unsplittable_tokens"))
# KerasHub keeps accents unless told otherwise, lower case or not, and finds no special tokens in a text.
WORD_PIECE_TOKENIZER = Settings(
    ("sequence_length", "lowercase", "strip_accents", "split_on_cjk", "special_tokens_in_strings"),
    defaults={"lowercase": False, "strip_accents": False, "special_tokens_in_strings": False},
    only={"split": True, "suffix_indicator": "##", "oov_token": "[UNK]", "special_tokens": None},
    restate=lambda arguments: with_accents_said(without_empty(arguments)),
)


def with_accents_said(arguments):
    """KerasHub has no None for `strip_accents`, which is what `lowercase` says."""
    strip = arguments["strip_accents"]
    return arguments | {"strip_accents": arguments["lowercase"] if strip is None else strip}


def without_empty(arguments):
    """KerasHub's WordPiece knows of no tokens beside the special ones that are found in a text whole."""
    return {name: value for name, value in arguments.items() if name != "unsplittable_tokens" or value}


def dense(group, **shapes):
    return variables(group, "kernel", "bias", **shapes)


def norm(group):
    return variables(group, "gamma", "beta")


def embedding(group):
    return variables(group, "embeddings")


def transformer_blocks(backbone, group):
    """The weight table of all blocks, which are `group`, `group_1`, … in the file; heads are an axis of their own."""
    heads, width = backbone.num_heads, backbone.hidden_dim // backbone.num_heads
    inwards = {"kernel": (backbone.hidden_dim, heads, width), "bias": (heads, width)}
    table = {}
    for i in range(backbone.num_layers):
        ours, theirs = f"transformer_layer_{i}", f"{group}_{i}" if i else group
        table |= {
            f"{ours}/attention/query": dense(f"{theirs}/_self_attention_layer/query_dense", **inwards),
            f"{ours}/attention/key": dense(f"{theirs}/_self_attention_layer/key_dense", **inwards),
            f"{ours}/attention/value": dense(f"{theirs}/_self_attention_layer/value_dense", **inwards),
            f"{ours}/attention/output": dense(
                f"{theirs}/_self_attention_layer/output_dense", kernel=(heads, width, backbone.hidden_dim)
            ),
            f"{ours}/attention_norm": norm(f"{theirs}/_self_attention_layer_norm"),
            f"{ours}/feedforward_intermediate": dense(f"{theirs}/_feedforward_intermediate_dense"),
            f"{ours}/feedforward_output": dense(f"{theirs}/_feedforward_output_dense"),
            f"{ours}/feedforward_norm": norm(f"{theirs}/_feedforward_layer_norm"),
        }
    return table
