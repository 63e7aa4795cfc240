"""Layers that language models are built from."""

from keras_nlp.layers.positions import CausalPositions, PositionEmbedding
from keras_nlp.layers.self_attention import SelfAttention
from keras_nlp.layers.turned import Dense, ReversibleEmbedding

__all__ = ["CausalPositions", "Dense", "PositionEmbedding", "ReversibleEmbedding", "SelfAttention"]
