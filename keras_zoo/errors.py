"""The one error type of everything that reads or writes presets."""


class PresetError(ValueError):
    """A preset cannot be found, read, understood or written; the message says which, why and what is accepted."""
