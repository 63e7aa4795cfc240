"""Text pieces out of tokens, cut only where a character is complete."""

MOST_INCOMPLETE = 3  # replacement characters at the end that may stand for one unfinished character


class TextStream:
    """Turns a growing row of token ids into pieces of text.

    A byte-level token may hold a part of a character; what is not yet complete is held back until `finish`.
    Decoding begins at the last but one place where a piece ended: the tokens from there settle how later ones read.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.begin, self.end = 0, 0  # tokens: the last two places where all characters were complete
        self.given = 0  # characters given out of the text from `begin` on

    def piece(self, token_ids):
        """The text of `token_ids` beyond what has been given out, as far as its characters are complete."""
        text = self.text(token_ids[self.begin :])
        tail = text[-MOST_INCOMPLETE:]
        complete = len(text) - (len(tail) - len(tail.rstrip("\ufffd")))
        piece, self.given = text[self.given : complete], max(self.given, complete)
        if piece and complete == len(text):
            self.begin, self.end = self.end, len(token_ids)
            self.given = len(self.text(token_ids[self.begin :]))
        return piece

    def finish(self, token_ids):
        """All that is left, incomplete characters as replacement characters."""
        text = self.text(token_ids[self.begin :])
        piece, self.given = text[self.given :], len(text)
        return piece

    def text(self, token_ids):
        return self.tokenizer.decode([token_ids], skip_special_tokens=True)[0]
