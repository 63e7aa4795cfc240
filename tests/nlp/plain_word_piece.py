"""WordPiece written from its definition, slowly and plainly: a witness that shares no code with the engine."""

import unicodedata

SPACES = " \t\n\r"


class PlainWordPiece:
    """BERT's tokenization: clean, split, lower-case, then the longest known piece first."""

    def __init__(self, vocabulary, lowercase, special):
        self.ids = {token: i for i, token in enumerate(vocabulary)}
        self.lowercase, self.special = lowercase, special

    def __call__(self, text):
        for token in self.special:
            before, found, after = text.partition(token)
            if found:
                return [*self(before), self.ids[token], *self(after)]
        return [i for word in self.words(text) for i in self.pieces(word)]

    def words(self, text):
        text = "".join(" " if is_space(c) else c for c in text if not is_control(c))
        text = "".join(f" {c} " if is_chinese(c) else c for c in text)
        if self.lowercase:
            text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn").lower()
        return "".join(f" {c} " if is_punctuation(c) else c for c in text).split()

    def pieces(self, word):
        found, start = [], 0
        while start < len(word) and len(word) <= 100:
            ends = range(len(word), start, -1)
            piece = next((p for end in ends if (p := ("##" if start else "") + word[start:end]) in self.ids), None)
            if piece is None:
                break
            found.append(self.ids[piece])
            start += len(piece) - (2 if start else 0)
        return found if start == len(word) else [self.ids["[UNK]"]]


def is_space(c):
    return c in SPACES or unicodedata.category(c) == "Zs" or c in "\u2028\u2029\x85"


def is_control(c):
    return c in "\x00\ufffd" or (c not in SPACES and unicodedata.category(c) in ("Cc", "Cf", "Cn", "Co", "Cs"))


def is_punctuation(c):
    return (c.isascii() and c.isprintable() and not c.isalnum() and c != " ") or unicodedata.category(c)[0] == "P"


def is_chinese(c):
    blocks = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F))
    blocks += ((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
    return any(low <= ord(c) <= high for low, high in blocks)
