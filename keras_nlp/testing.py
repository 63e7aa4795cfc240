"""Small inputs, tokenizers and checks that a text family's tests are made of."""

import keras
import numpy as np
import tokenizers as rust

from keras_nlp import samplers
from keras_nlp.tokenizers.byte_pair_tokenizer import merges_of

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


def segment_batch(backbone, random, size):
    """As `token_batch`, of pairs: `"segment_ids"` too, and `"mask_positions"` for a task that takes them."""
    batch = token_batch(backbone, random, size)
    second = np.arange(batch["token_ids"].shape[1]) >= random.integers(2, 6, (size, 1))
    positions = random.integers(0, 3, (size, 4)).astype("int32")
    return batch | {"segment_ids": second * batch["padding_mask"], "mask_positions": positions}


def tiny_word_piece(cls, size=120):
    """A WordPiece tokenizer of class `cls` with at most `size` tokens: special ones, letters, words."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*"abcdefghijklmnopqrstuvwxyz.,;!?", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    words = list(dict.fromkeys(WORDS.replace(";", "").replace(",", "").split()))
    tokens = list(dict.fromkeys([*special, *letters, *words]))
    return cls(tokens[:size], lowercase=True)


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
    return cls(vocabulary | {"<|endoftext|>": len(vocabulary)}, merges_of(engine))


def causal_lms(family):
    """Each tiny language model of a family, its weights scaled up so that its choices are clear."""
    for cls in family.tasks:
        if hasattr(cls, "generate"):
            lm = cls(family.backbone(**family.tiny))
            for weight in lm.weights:
                weight.assign(weight * 8)
            yield lm


def check_cached_equals_uncached(family, folder):
    """Greedy text by the cache is that of the whole row through the network for each token."""
    for lm in causal_lms(family):
        inputs = token_batch(lm.backbone, np.random.default_rng(0), 3)
        new, width = 6, inputs["token_ids"].shape[1] + 6
        outputs = lm.generate(inputs, max_new_tokens=new, sampler="greedy")
        for row, length in enumerate(inputs["padding_mask"].sum(1)):
            token_ids = np.zeros((1, width), "int32")
            token_ids[0, :length] = inputs["token_ids"][row, :length]
            for place in range(length, length + new):
                padding_mask = (np.arange(width) < place)[None].astype("int32")
                logits = keras.ops.convert_to_numpy(lm({"token_ids": token_ids, "padding_mask": padding_mask}))
                token_ids[0, place] = logits[0, place - 1].argmax()
            np.testing.assert_array_equal(outputs["token_ids"][row, : length + new], token_ids[0, : length + new])


def check_generate_batched_equals_single(family, folder):
    for lm in causal_lms(family):
        inputs = token_batch(lm.backbone, np.random.default_rng(1), 3)
        together = lm.generate(inputs, max_new_tokens=6, sampler="greedy")
        for row in range(3):
            alone = lm.generate({k: x[row : row + 1] for k, x in inputs.items()}, max_new_tokens=6, sampler="greedy")
            length = alone["padding_mask"].sum()
            np.testing.assert_array_equal(together["token_ids"][row, :length], alone["token_ids"][0, :length])


def check_padding(family, folder):
    """A row gives the same logits alone, padded on the right and padded on the left."""
    for lm in causal_lms(family):
        row = token_batch(lm.backbone, np.random.default_rng(2), 1)["token_ids"]
        length = row.shape[1]
        expected = keras.ops.convert_to_numpy(lm({"token_ids": row, "padding_mask": np.ones_like(row)}))
        for before, after in ((0, 4), (4, 0), (2, 3)):
            pad = ((0, 0), (before, after))
            padded = {"token_ids": np.pad(row, pad), "padding_mask": np.pad(np.ones_like(row), pad)}
            found = keras.ops.convert_to_numpy(lm(padded))[:, before : before + length]
            np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def check_ways_of_generating(family, folder):
    """Every sampler writes; drafts, sessions and log-probabilities agree with plain greedy text."""
    for lm in causal_lms(family):
        inputs = token_batch(lm.backbone, np.random.default_rng(3), 3)
        options = {"max_new_tokens": 6, "stop_token_ids": None}
        greedy = lm.generate(inputs, sampler="greedy", return_logprobs=True, **options)
        real = greedy["padding_mask"]
        for sampler in samplers.BY_NAME:
            outputs = lm.generate(inputs, sampler=sampler, seed=1, **options)
            np.testing.assert_array_equal(outputs["padding_mask"], real)
        drafted = lm.generate(inputs, sampler="greedy", draft=lm, **options)
        np.testing.assert_array_equal(drafted["token_ids"], greedy["token_ids"])
        losses = keras.ops.convert_to_numpy(lm.score(greedy["token_ids"], real, scoring_mode="loss"))
        written = greedy["logprobs"] != 0
        expected = -np.pad(losses, ((0, 0), (1, 0)))[:, :-1]
        np.testing.assert_allclose(greedy["logprobs"][written], expected[written], atol=1e-3, rtol=1e-3)
        session, row = lm.session(), inputs["token_ids"][0].tolist()
        text = [*row, *session.generate(row, sampler="greedy", **options)]
        text += [5, *session.generate([5], sampler="greedy", **options)]
        whole = lm.generate({"token_ids": [text[:-6]]}, sampler="greedy", **options)["token_ids"][0]
        assert text == session.token_ids == whole.tolist()


CAUSAL_LM_CHECKS = (
    check_padding,
    check_cached_equals_uncached,
    check_generate_batched_equals_single,
    check_ways_of_generating,
)
