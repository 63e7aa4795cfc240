"""Makes the folders in tests/golden/keras_hub with KerasHub itself: tiny presets, and what KerasHub computes with them.

keras-hub owns none of our import names, but keras-nlp does; so it runs in an environment of its own:

    python -m venv peers && peers/bin/pip install 'keras-hub==0.32.*' jax tensorflow tensorflow-text
    KERAS_BACKEND=jax peers/bin/python tools/golden/keras_hub_folders.py

`<case>/` is as KerasHub saved it; `<case>.npz` holds inputs and outputs by the names of keyword arguments below. The
weights are random, wide enough that a wrong activation, epsilon or order of layers shows in the outputs. The tasks of
BERT have one backbone, whose model.weights.h5 is kept in the classifier's folder alone: the repository stays small.
"""

import json
import shutil
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf
import tokenizers as rust

FOLDER = Path(__file__).parent.parent.parent / "tests" / "golden" / "keras_hub"
TEXTS = ["The Café of the king", "ÉLÈVE, naïve élève!", "[SEP] a [MASK]", "the king's sea ZZZ-日本 tail of a long text"]
PAIRS = (["The king", "À la carte"], ["of the sea", "the café"])
PIECES = (
    "the king sea of caf ##é na ##ï ##ve ##i é à la ele ##l ##è The K a c e s , ! ' - [ ] . 日 ##a ##c ##e ##s ##r ##t"
)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES.split()]
PROMPTS = ["the king and the sea", "The naïve café ", "🙂 <|endoftext|> moon"]
LONGEST = 16


def bert(num_layers):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(WORDS),
        num_layers=num_layers,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=LONGEST,
    )
    return scaled(backbone, seed=5)  # by this one the outputs of different texts differ much


def scaled(model, seed):
    """Random values in every variable, for a task in those of its head; normalisation near 1."""
    random = np.random.default_rng(seed)
    below = {id(weight) for weight in getattr(model, "backbone", keras.Sequential()).weights}
    for weight in model.weights:
        value = random.normal(0, 0.8, weight.shape).astype("float32")
        if id(weight) not in below:
            weight.assign(1 + value / 3 if weight.path.endswith("gamma") else value)
    return model


def word_piece(**settings):
    return keras_hub.tokenizers.BertTokenizer(WORDS, **settings)


def segment_batch():
    """Three rows of unequal length."""
    random = np.random.default_rng(1)
    padding_mask = (np.arange(10) < np.array([[10], [4], [7]])).astype("int32")
    token_ids = random.integers(0, len(WORDS), (3, 10)).astype("int32") * padding_mask
    segment_ids = (np.arange(10) >= np.array([[5], [2], [9]])).astype("int32") * padding_mask
    return {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": segment_ids}


def saved(case, thing, **arrays):
    """`thing` as a preset, inputs and outputs beside it."""
    shutil.rmtree(FOLDER / case, ignore_errors=True)
    thing.save_to_preset(FOLDER / case)
    np.savez_compressed(FOLDER / f"{case}.npz", **{k: np.asarray(v) for k, v in arrays.items()})


def text_classifier(backbone):
    """Two blocks; text is lower-cased, its accents stay."""
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
        word_piece(lowercase=True), sequence_length=12, truncate="waterfall"
    )
    model = keras_hub.models.BertTextClassifier(
        backbone, num_classes=3, preprocessor=preprocessor, activation="softmax", dropout=0.2
    )
    scaled(model, seed=2)
    inputs, pairs = segment_batch(), preprocessor(x=tuple(map(tf.constant, PAIRS)))
    saved(
        "bert_text_classifier",
        model,
        texts=TEXTS,
        token_ids=preprocessor(TEXTS)["token_ids"],
        probabilities=model.predict(TEXTS, verbose=0),
        firsts=PAIRS[0],
        seconds=PAIRS[1],
        pair_token_ids=pairs["token_ids"],
        pair_segment_ids=pairs["segment_ids"],
        **{f"inputs_{k}": v for k, v in inputs.items()},
        **model.backbone(inputs),
    )


def sharded_backbone():
    """A bare backbone in shards, so small that one layer lies in two of them."""
    model, inputs = bert(1), segment_batch()
    saved("bert_backbone_sharded", model, **{f"inputs_{k}": v for k, v in inputs.items()}, **model(inputs))
    folder = FOLDER / "bert_backbone_sharded"
    (folder / "model.weights.h5").unlink()
    for size in range(2400, 4800, 32):
        for shard in folder.glob("model*"):
            shard.unlink()
        model.save_weights(folder / "model.weights.json", max_shard_size=size / 1024**3)
        files = json.loads((folder / "model.weights.json").read_text())["weight_map"].values()
        if any(isinstance(names, list) and len(names) > 1 for names in files):
            return
    raise ValueError("No shard size puts one layer into two shards.")


def masked_lm(backbone):
    """Case stays, accents go; special tokens are found in a text. An embedder with the same tokenizer."""
    tokenizer = word_piece(strip_accents=True, special_tokens_in_strings=True)
    preprocessor = keras_hub.models.BertMaskedLMPreprocessor(
        tokenizer, sequence_length=12, mask_selection_rate=0.3, mask_selection_length=3
    )
    model = scaled(keras_hub.models.BertMaskedLM(backbone, preprocessor=preprocessor), seed=3)
    for weight in model.masked_lm_head._intermediate_dense.weights:
        weight.assign(weight / 200)  # so small that the epsilon of the normalisation shows
    inputs = segment_batch() | {"mask_positions": np.array([[1, 4], [0, 3], [6, 0]], "int32")}
    saved(
        "bert_masked_lm",
        model,
        logits=model(inputs),
        **{f"inputs_{k}": v for k, v in inputs.items()},
    )
    preprocessor = keras_hub.models.BertTextEmbedderPreprocessor(tokenizer, sequence_length=12)
    embedder = keras_hub.models.BertTextEmbedder(
        backbone, preprocessor=preprocessor, pooling_mode="max", normalize=False
    )
    saved(
        "bert_text_embedder",
        embedder,
        texts=TEXTS,
        token_ids=preprocessor(TEXTS)["token_ids"],
        vectors=embedder.predict(TEXTS, verbose=0),
    )
    for case in ("bert_masked_lm", "bert_text_embedder"):
        (FOLDER / case / "model.weights.h5").unlink()


def causal_lm():
    """GPT-2 with a byte-pair vocabulary of 280; of the logits every eighth is kept."""
    engine = rust.Tokenizer(rust.models.BPE())
    engine.pre_tokenizer = rust.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(rust.pre_tokenizers.ByteLevel.alphabet())
    trainer = rust.trainers.BpeTrainer(vocab_size=279, initial_alphabet=alphabet, show_progress=False)
    engine.train_from_iterator(["the king and the queen went to the sea"] * 3, trainer)
    tokens = sorted(engine.get_vocab(), key=engine.get_vocab().get)
    merges = [" ".join(merge) for merge in json.loads(engine.to_str())["model"]["merges"]]
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|endoftext|>"])}
    tokenizer = keras_hub.tokenizers.GPT2Tokenizer(vocabulary, merges)
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=24, add_end_token=False)
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=len(vocabulary),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=32,
    )
    model = keras_hub.models.GPT2CausalLM(scaled(backbone, seed=4), preprocessor=preprocessor)
    inputs = preprocessor.generate_preprocess(PROMPTS)
    saved(
        "gpt2_causal_lm",
        model,
        prompts=PROMPTS,
        token_ids=inputs["token_ids"],
        padding_mask=inputs["padding_mask"],
        logits=model(inputs)[:, :, ::8],
    )


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    shared = bert(2)
    text_classifier(shared)
    masked_lm(shared)
    sharded_backbone()
    causal_lm()
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{total:,} bytes by keras-hub {keras_hub.__version__} and keras {keras.__version__}")
