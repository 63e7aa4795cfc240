"""Tokenizers: strings to token ids and back, eagerly and inside tf.data."""

from keras_nlp.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp.tokenizers.tokenizer import Tokenizer
from keras_nlp.tokenizers.word_piece_tokenizer import WordPieceTokenizer

__all__ = ["BytePairTokenizer", "Tokenizer", "WordPieceTokenizer"]
