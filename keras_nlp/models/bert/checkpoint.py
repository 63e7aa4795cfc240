"""BERT as transformers and sentence-transformers store it."""

import warnings

from keras_nlp.tasks import sentence_transformers
from keras_nlp.tokenizers.tokenizer_json import lowercased, read_added, read_text_settings, read_word_piece
from keras_nlp.tokenizers.word_piece_tokenizer import extended, read_vocabulary
from keras_zoo.errors import PresetError
from keras_zoo.formats import id2label
from keras_zoo.formats.files import file_in, read_optional, write_json
from keras_zoo.formats.transformers import Checkpoint, Head, read_numbers

CONFIG = {  # ours: (transformers', its default)
    "vocabulary_size": ("vocab_size", None),
    "num_layers": ("num_hidden_layers", None),
    "num_heads": ("num_attention_heads", None),
    "hidden_dim": ("hidden_size", None),
    "intermediate_dim": ("intermediate_size", None),
    "dropout": ("hidden_dropout_prob", 0.1),
    "max_sequence_length": ("max_position_embeddings", 512),
    "num_segments": ("type_vocab_size", 2),
    "layer_norm_epsilon": ("layer_norm_eps", 1e-12),
}
ACTIVATIONS = {"gelu": "gelu", "relu": "relu"} | dict.fromkeys(
    ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"), "gelu_approximate"
)
OWN_CLASS = "BertTokenizer"  # or BertTokenizerFast
UNSUPPORTED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}


def read_config(config):
    wrong = [f"{k}={config[k]!r}" for k, v in UNSUPPORTED.items() if config.get(k, v) not in (v, None)]
    if config.get("hidden_act", "gelu") not in ACTIVATIONS:
        wrong.append(f"hidden_act={config['hidden_act']!r}")
    if wrong:
        raise PresetError(f"This BERT checkpoint has settings that BertBackbone does not express: {', '.join(wrong)}.")
    if config.get("attention_probs_dropout_prob", 0.1) != config.get("hidden_dropout_prob", 0.1):
        warnings.warn("BertBackbone has one dropout rate; of two it takes hidden_dropout_prob.", stacklevel=2)
    return read_numbers(config, CONFIG) | {"activation": ACTIVATIONS[config.get("hidden_act", "gelu")]}


def write_config(backbone, tokenizer):
    activation = {"gelu_approximate": "gelu_pytorch_tanh"}.get(backbone.activation, backbone.activation)
    return {theirs: getattr(backbone, ours) for ours, (theirs, _) in CONFIG.items()} | {
        "hidden_act": activation,
        "attention_probs_dropout_prob": backbone.dropout,
        "pad_token_id": 0 if tokenizer is None else tokenizer.pad_token_id,
    }


def table(backbone):
    names = {
        "token_embedding": "embeddings.word_embeddings",
        "position_embedding": "embeddings.position_embeddings",
        "segment_embedding": "embeddings.token_type_embeddings",
        "embeddings_layer_norm": "embeddings.LayerNorm",
        "pooled_dense": "pooler.dense",
    }
    for i in range(backbone.num_layers):
        ours, theirs = f"transformer_layer_{i}", f"encoder.layer.{i}"
        names |= {
            f"{ours}/attention/query": f"{theirs}.attention.self.query",
            f"{ours}/attention/key": f"{theirs}.attention.self.key",
            f"{ours}/attention/value": f"{theirs}.attention.self.value",
            f"{ours}/attention/output": f"{theirs}.attention.output.dense",
            f"{ours}/attention_norm": f"{theirs}.attention.output.LayerNorm",
            f"{ours}/feedforward_intermediate": f"{theirs}.intermediate.dense",
            f"{ours}/feedforward_output": f"{theirs}.output.dense",
            f"{ours}/feedforward_norm": f"{theirs}.output.LayerNorm",
        }
    return names


def read_classes(config):
    own = "classifier_dropout" if config.get("classifier_dropout") is not None else "hidden_dropout_prob"
    return id2label.read(config) | read_numbers(config, {"dropout": (own, 0.1)})


def write_classes(task):
    return id2label.write(task) | {"classifier_dropout": task.dropout}


def read_classifier(config):
    arguments = read_classes(config)
    return arguments | id2label.read_problem(config, arguments["num_classes"])


def classifier_table(task):
    return {"logits": "classifier"}


def masked_lm_table(task):
    return {
        "mlm_head": "cls.predictions",
        "mlm_head/dense": "cls.predictions.transform.dense",
        "mlm_head/layer_norm": "cls.predictions.transform.LayerNorm",
    }


def write_masked_lm(task):
    """Nothing: the head's activation and epsilon are the backbone's there, so others cannot be written."""
    head, backbone = task.mlm_head, task.backbone
    for name in ("activation", "layer_norm_epsilon"):
        if getattr(head, name) != getattr(backbone, name):
            raise PresetError(
                f"transformers' BertForMaskedLM has one {name} for backbone and head; here the backbone has "
                f"{getattr(backbone, name)!r}, the head {getattr(head, name)!r}."
            )
    return {}


HEADS = {
    "BertTextClassifier": Head(
        "BertForSequenceClassification",
        classifier_table,
        read_classifier,
        lambda task: write_classes(task) | id2label.write_problem(task),
        needs=("pooled_dense",),
    ),
    "BertMaskedLM": Head(
        "BertForMaskedLM",
        masked_lm_table,
        write_config=write_masked_lm,
        without=("pooled_dense",),
        tied={
            "cls.predictions.decoder.weight": "token_embedding/embeddings",
            "cls.predictions.decoder.bias": "mlm_head/bias",
        },
    ),
    "BertTextEmbedder": Head(
        "BertModel",
        prefixed=False,
        marker=sentence_transformers.MODULES,
        read_folder=sentence_transformers.read,
        write_folder=sentence_transformers.write,
    ),
    "BertTokenClassifier": Head(
        "BertForTokenClassification", classifier_table, read_classes, write_classes, without=("pooled_dense",)
    ),
}


def read_preprocessor(config, tokenizer_config, folder):
    context = config.get("max_position_embeddings", 512)
    wanted = sentence_transformers.sequence_length(folder) or tokenizer_config.get("model_max_length") or context
    return {"sequence_length": min(int(wanted), context)}


def read_tokenizer(tokenizer_config, folder, assets):
    """BERT's own class goes by tokenizer_config.json and lower-cases unless told not to, others by tokenizer.json."""
    path = file_in(folder, "tokenizer.json")
    added = {}
    if path is not None:
        vocabulary, added = read_word_piece(path)
    if path is not None and not str(tokenizer_config.get("tokenizer_class") or OWN_CLASS).startswith(OWN_CLASS):
        settings, assets = read_text_settings(path), {"vocabulary": vocabulary}
    else:
        settings = {
            "lowercase": bool(tokenizer_config.get("do_lower_case", True)),
            "strip_accents": tokenizer_config.get("strip_accents"),
            "split_on_cjk": bool(tokenizer_config.get("tokenize_chinese_chars", True)),
        }
    if sentence_transformers.lowercases(folder):
        settings = lowercased(settings)
    return settings | with_added(assets, added, tokenizer_config, folder)


def with_added(assets, added, tokenizer_config, folder):
    """The vocabulary and `unsplittable_tokens`, with the tokens that any of transformers' files adds."""
    path = folder / "tokenizer_config.json"
    entries = [{"id": i, **entry} for i, entry in (tokenizer_config.get("added_tokens_decoder") or {}).items()]
    added = added | read_added(entries, path)
    vocabulary = extended(read_vocabulary(assets["vocabulary"]), {token: i for token, (i, _) in added.items()})
    more = {}
    for config in (read_optional(folder, "special_tokens_map.json"), tokenizer_config):
        for name in ("additional_special_tokens", "extra_special_tokens"):
            tokens = config.get(name) or ()
            tokens = tokens.values() if isinstance(tokens, dict) else tokens
            more |= {token["content"] if isinstance(token, dict) else token: False for token in tokens}
    known = set(vocabulary)
    vocabulary += [token for token in more if token not in known]
    found = (
        assets.get("unsplittable_tokens", {}) | more | {token: normalized for token, (_, normalized) in added.items()}
    )
    return {"vocabulary": vocabulary, "unsplittable_tokens": found}


def write_preprocessor(preprocessor, folder):
    tokenizer = preprocessor.tokenizer
    tokenizer.write_assets(folder, "vocab.txt")
    names = ("cls_token", "sep_token", "pad_token", "mask_token", "unk_token")
    added = {
        str(tokenizer.token_to_id(token)): {"content": token, "normalized": normalized, "special": not normalized}
        for token, normalized in tokenizer.unsplittable_tokens.items()
    }
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "model_max_length": preprocessor.sequence_length,
            "do_lower_case": tokenizer.lowercase,
            "strip_accents": tokenizer.strip_accents,
            "tokenize_chinese_chars": tokenizer.split_on_cjk,
        }
        | {name: getattr(tokenizer, name) for name in names}
        | ({"added_tokens_decoder": added} if added else {}),
    )


TRANSFORMERS = Checkpoint(
    model_type="bert",
    architecture="BertModel",
    read_config=read_config,
    write_config=write_config,
    table=table,
    heads=HEADS,
    prefix="bert.",
    optional=("pooled_dense",),  # folders of tasks that do not need it may not have it
    ignored=("*embeddings.position_ids", "cls.predictions.decoder.*", "cls.seq_relationship.*"),  # tied; pretraining
    read_preprocessor=read_preprocessor,
    read_tokenizer=read_tokenizer,
    write_preprocessor=write_preprocessor,
)
