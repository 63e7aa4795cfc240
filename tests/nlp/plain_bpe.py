"""Byte-pair encoding in plain Python, straight from its definition: a witness that shares no code with ours."""

import functools
import itertools

import regex

# The published pattern: contractions, words, numbers and other signs, each with a space before it, and white space.
PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_letters():
    """Each byte's letter in the vocabulary: printable ones stand for themselves, the others follow from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


class PlainBytePair:
    def __init__(self, vocabulary, merges, special="<|endoftext|>"):
        self.vocabulary, self.special, self.letters = vocabulary, special, byte_letters()
        self.ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
        self.merge = functools.cache(self.merge)

    def __call__(self, text):
        ids = []
        for i, part in enumerate(text.split(self.special)):
            ids += [self.vocabulary[self.special]] * (i > 0)
            for piece in PIECES.findall(part):
                ids += self.merge("".join(self.letters[b] for b in piece.encode("utf-8")))
        return ids

    def merge(self, word):
        """Joins the pair that was merged first, everywhere in the word, until no pair is left."""
        symbols = list(word)
        while len(symbols) > 1:
            pairs = itertools.pairwise(symbols)
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            joined, i = [], 0
            while i < len(symbols):
                both = tuple(symbols[i : i + 2]) == best
                joined.append("".join(best) if both else symbols[i])
                i += 2 if both else 1
            symbols = joined
        return [self.vocabulary[s] for s in symbols]
