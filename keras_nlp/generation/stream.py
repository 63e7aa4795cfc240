"""Text pieces out of tokens, cut only where a character is complete."""


class TextStream:
    """Turns a growing row of token ids into pieces of text.

    A byte-level token may hold a part of a character; what is not yet complete is held back until `finish`.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.shown = ""

    def piece(self, token_ids):
        """The text of `token_ids` beyond what has been given out, as far as its characters are complete."""
        return self.advance(self.text(token_ids).rstrip("\ufffd"))

    def finish(self, token_ids):
        """All that is left, incomplete characters as replacement characters."""
        return self.advance(self.text(token_ids))

    def text(self, token_ids):
        return self.tokenizer.decode([token_ids], skip_special_tokens=True)[0]

    def advance(self, text):
        piece, self.shown = text[len(self.shown) :], max(text, self.shown, key=len)
        return piece
