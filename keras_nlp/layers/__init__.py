"""Layers that language models are built from."""

from keras_nlp.layers.positions import CausalPositions, PositionEmbedding
from keras_nlp.layers.self_attention import SelfAttention

__all__ = ["CausalPositions", "PositionEmbedding", "SelfAttention"]
