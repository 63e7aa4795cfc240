"""Families of vision models, one folder each, and the base classes that find them."""
