"""How good a model's predictions are: of tokens, inside `compile`, and of written texts."""

from keras_nlp.metrics.bleu import Bleu
from keras_nlp.metrics.edit_distance import EditDistance
from keras_nlp.metrics.perplexity import Perplexity
from keras_nlp.metrics.rouge import RougeL, RougeN

__all__ = ["Bleu", "EditDistance", "Perplexity", "RougeL", "RougeN"]
