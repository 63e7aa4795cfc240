"""Callbacks for training on images."""
