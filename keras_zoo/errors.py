"""The one error type of everything that reads or writes presets."""

LONGEST_MESSAGE = 10_000  # characters


class PresetError(ValueError):
    """A preset cannot be found, read, understood or written; the message says which, why and what is accepted.

    Messages quote names and values from files, so control characters in them are escaped, and they have an end.
    """

    def __init__(self, message=""):
        super().__init__(printable(str(message)))


def printable(text):
    """`text` without anything that a terminal obeys; line breaks stay."""
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[:LONGEST_MESSAGE]} … (and {len(text) - LONGEST_MESSAGE} characters more)"
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
