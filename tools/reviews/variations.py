"""New sentences out of old ones, without labels: a teacher says what is to be thought of them."""

import random
import re

CLAUSE = re.compile(r"(?<=[,;:.!?])\s+|\s+(?=(?:but|and|yet|though|although|while|because|with|that|as)\s)|\s*--+\s*|…")


def clauses(text):
    return [part for part in CLAUSE.split(text) if part and part.strip()]


def variations(texts, count, seed=0):
    """`count` texts: one clause or a few of a review, or the beginning of one review with the end of another."""
    choose = random.Random(seed)
    parts = [clauses(text) for text in texts]
    parts = [part for part in parts if len(part) > 1]
    found = []
    while len(found) < count:
        one, other = choose.sample(parts, 2)
        if choose.random() < 0.5:
            start = choose.randrange(len(one))
            pieces = one[start : choose.randint(start + 1, len(one))]
        else:
            pieces = one[: choose.randint(1, len(one) - 1)] + other[choose.randint(1, len(other) - 1) :]
        text = " ".join(pieces)
        if 3 <= text.count(" ") < 50:
            found.append(text)
    return found
