"""New sentences out of old ones, without labels: a teacher says what is to be thought of them."""

import random
import re

import numpy as np

CLAUSE = re.compile(r"(?<=[,;:.!?])\s+|\s+(?=(?:but|and|yet|though|although|while|because|with|that|as)\s)|\s*--+\s*|…")
WORD = re.compile(r"\b[a-z]{3,}\b", re.IGNORECASE)
ALIKE = 12  # words that may stand for another


def clauses(text):
    return [part for part in CLAUSE.split(text) if part and part.strip()]


def variations(texts, count, alike, seed=0):
    """`count` texts: one clause or a few of a review, or the beginning of one review with the end of another.

    In most of them some words are then replaced by what `alike` (see `alike_words`) has for them, or left out.
    """
    choose = random.Random(seed)
    parts = [clauses(text) for text in texts]
    found = []
    while len(found) < count:
        one, other = choose.sample(parts, 2)
        kind = choose.random()
        if kind < 0.25:
            pieces = one
        elif kind < 0.6:
            start = choose.randrange(len(one))
            pieces = one[start : choose.randint(start + 1, len(one))]
        else:
            pieces = one[: choose.randint(1, len(one))] + other[choose.randint(0, len(other) - 1) :]
        text = " ".join(pieces)
        if 3 <= text.count(" ") < 50:
            found.append(altered(text, alike, choose) if kind < 0.25 or choose.random() < 0.6 else text)
    return found


def altered(text, alike, choose):
    """`text` with up to three in ten of its words replaced, and sometimes some words left out."""
    rate = choose.uniform(0.05, 0.3)

    def other(match):
        near = alike.get(match[0].lower())
        return choose.choice(near) if near and choose.random() < rate else match[0]

    text = WORD.sub(other, text)
    if choose.random() < 0.3:
        text = " ".join(word for word in text.split(" ") if choose.random() > 0.1)
    return text


def alike_words(texts, tokens, embeddings):
    """`{word: words}` of the words of `texts` that are tokens: those whose `embeddings` point most nearly its way."""
    ids = {token: i for i, token in enumerate(tokens)}
    words = sorted({word.lower() for text in texts for word in WORD.findall(text)} & ids.keys())
    vectors = embeddings[[ids[word] for word in words]].astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = {}
    for start in range(0, len(words), 1000):
        products = vectors[start : start + 1000] @ vectors.T
        nearest = np.argpartition(-products, ALIKE, axis=1)[:, : ALIKE + 1]
        for word, row in zip(words[start : start + 1000], nearest, strict=True):
            found[word] = sorted({words[i] for i in row} - {word})
    return found
