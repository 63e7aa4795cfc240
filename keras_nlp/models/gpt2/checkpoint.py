"""GPT-2 as transformers stores it."""

import warnings

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import write_json
from keras_zoo.formats.transformers import Checkpoint, Head, read_numbers
from keras_zoo.weights import Part

CONFIG = {  # ours: (transformers', its default)
    "vocabulary_size": ("vocab_size", None),
    "num_layers": ("n_layer", None),
    "num_heads": ("n_head", None),
    "hidden_dim": ("n_embd", None),
    "max_sequence_length": ("n_positions", 1024),
    "layer_norm_epsilon": ("layer_norm_epsilon", 1e-5),
    "dropout": ("resid_pdrop", 0.1),
}
ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")  # all the tanh approximation
UNSUPPORTED = {  # settings of other models under the same model type, and the one value that is GPT-2's
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def read_config(config):
    wrong = [f"{k}={config[k]!r}" for k, v in UNSUPPORTED.items() if config.get(k, v) != v]
    if config.get("activation_function", "gelu_new") not in ACTIVATIONS:
        wrong.append(f"activation_function={config['activation_function']!r}")
    if wrong:
        raise PresetError(f"This GPT-2 checkpoint has settings that GPT2Backbone does not express: {', '.join(wrong)}.")
    rates = {config.get(name, 0.1) for name in ("resid_pdrop", "attn_pdrop", "embd_pdrop")}
    if len(rates) > 1:
        warnings.warn(
            f"GPT2Backbone has one dropout rate; of {sorted(rates)!s:.100} it takes resid_pdrop.", stacklevel=2
        )
    inner = "n_inner" if config.get("n_inner") else "n_embd"
    width = read_numbers(config, {"intermediate_dim": (inner, None)})["intermediate_dim"]
    return read_numbers(config, CONFIG) | {"intermediate_dim": width if inner == "n_inner" else 4 * width}


def write_config(backbone, tokenizer):
    end = None if tokenizer is None else tokenizer.end_token_id
    return {theirs: getattr(backbone, ours) for ours, (theirs, _) in CONFIG.items()} | {
        "n_inner": backbone.intermediate_dim,
        "activation_function": "gelu_new",
        "attn_pdrop": backbone.dropout,
        "embd_pdrop": backbone.dropout,
        "bos_token_id": end,
        "eos_token_id": end,
        "tie_word_embeddings": True,
    }


def table(backbone):
    names = {"token_embedding": "wte", "position_embedding": "wpe", "layer_norm": "ln_f"}
    for i in range(backbone.num_layers):
        ours, theirs = f"transformer_layer_{i}", f"h.{i}"
        names |= {
            f"{ours}/attention_norm": f"{theirs}.ln_1",
            f"{ours}/attention/query": Part(f"{theirs}.attn.c_attn", 0, 3),
            f"{ours}/attention/key": Part(f"{theirs}.attn.c_attn", 1, 3),
            f"{ours}/attention/value": Part(f"{theirs}.attn.c_attn", 2, 3),
            f"{ours}/attention/output": f"{theirs}.attn.c_proj",
            f"{ours}/feedforward_norm": f"{theirs}.ln_2",
            f"{ours}/feedforward_intermediate": f"{theirs}.mlp.c_fc",
            f"{ours}/feedforward_output": f"{theirs}.mlp.c_proj",
        }
    return names


def read_preprocessor(config, tokenizer_config, folder):
    """transformers puts no start token before GPT-2's text unless told to, so neither do we."""
    context = config.get("n_positions", 1024)
    return {
        "sequence_length": min(int(tokenizer_config.get("model_max_length") or context), context),
        "add_start_token": bool(tokenizer_config.get("add_bos_token", False)),
    }


def read_tokenizer(tokenizer_config, folder, assets):
    return {"add_prefix_space": bool(tokenizer_config.get("add_prefix_space", False))}


def write_preprocessor(preprocessor, folder):
    tokenizer = preprocessor.tokenizer
    tokenizer.write_assets(folder, "vocab.json")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "model_max_length": preprocessor.sequence_length,
            "add_bos_token": preprocessor.add_start_token,
            "add_prefix_space": tokenizer.add_prefix_space,
            "bos_token": tokenizer.start_token,
            "eos_token": tokenizer.end_token,
            "unk_token": tokenizer.end_token,
            "added_tokens_decoder": {
                str(tokenizer.token_to_id(token)): {"content": token, "special": token == tokenizer.end_token}
                for token in tokenizer.unsplittable_tokens
            },
        },
    )


TRANSFORMERS = Checkpoint(
    model_type="gpt2",
    architecture="GPT2Model",
    read_config=read_config,
    write_config=write_config,
    table=table,
    heads={"GPT2CausalLM": Head("GPT2LMHeadModel")},  # its head is the token embedding
    prefix="transformer.",
    transposed=False,  # its Conv1D keeps kernels as (in, out)
    ignored=("*.attn.bias", "*.attn.masked_bias", "lm_head.weight"),  # causal masks, and the tied head
    read_preprocessor=read_preprocessor,
    read_tokenizer=read_tokenizer,
    write_preprocessor=write_preprocessor,
)
