"""Layers that language models and their preprocessing are built from."""

from keras_nlp.layers.dropout import Dropout
from keras_nlp.layers.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_nlp.layers.multi_segment_packer import MultiSegmentPacker
from keras_nlp.layers.positions import CausalPositions, PositionEmbedding
from keras_nlp.layers.self_attention import SelfAttention
from keras_nlp.layers.start_end_packer import StartEndPacker
from keras_nlp.layers.turned import Dense, ReversibleEmbedding

__all__ = [
    "CausalPositions",
    "Dense",
    "Dropout",
    "MaskedLMMaskGenerator",
    "MultiSegmentPacker",
    "PositionEmbedding",
    "ReversibleEmbedding",
    "SelfAttention",
    "StartEndPacker",
]
