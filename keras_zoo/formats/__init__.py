"""The on-disk layouts a preset can come in: a module for each, and `opening`, which tells them apart."""
