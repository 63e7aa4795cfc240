"""Small inputs and tokenizers that a text family's tests are made of."""

import json

import numpy as np
import tokenizers as rust

WORDS = """the king and the queen went to the sea where an old man sang of the moon and of the stars; there was once a
miller who had three sons, a mill, a donkey and a cat, and when he died they shared what he had left among them"""


def token_batch(backbone, random, size):
    """`{"token_ids", "padding_mask"}` of `size` rows of unequal length."""
    length = 10
    token_ids = random.integers(0, backbone.vocabulary_size, (size, length)).astype("int32")
    real = random.integers(3, length + 1, size)
    real[0] = length
    padding_mask = (np.arange(length) < real[:, None]).astype("int32")
    return {"token_ids": token_ids * padding_mask, "padding_mask": padding_mask}


def tiny_byte_pair(cls, size=300):
    """A byte-pair tokenizer of class `cls` with `size` tokens, the last of them `<|endoftext|>`."""
    engine = rust.Tokenizer(rust.models.BPE())
    engine.pre_tokenizer = rust.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(rust.pre_tokenizers.ByteLevel.alphabet())
    trainer = rust.trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=alphabet, show_progress=False)
    engine.train_from_iterator([WORDS] * 3, trainer)
    vocabulary = engine.get_vocab()
    vocabulary = {token: i for i, token in enumerate(sorted(vocabulary, key=vocabulary.get))}
    if len(vocabulary) != size - 1:
        raise ValueError(f"There are words for {len(vocabulary)} tokens only; got size={size}.")
    merges = [f"{a} {b}" for a, b in merges_of(engine)]
    return cls(vocabulary | {"<|endoftext|>": len(vocabulary)}, merges)


def merges_of(engine):
    """The merges of a trained byte-pair tokenizer, as pairs."""
    merges = json.loads(engine.to_str())["model"]["merges"]
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
