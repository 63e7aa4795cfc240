"""Boxes: formats, overlap, padding; pure functions on arrays of any backend and inside tf.data."""
