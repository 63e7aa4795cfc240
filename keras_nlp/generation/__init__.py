"""Writing text: the cache, the compiled loop and what goes in and out of it."""

from keras_nlp.generation.cache import KeyValueCache
from keras_nlp.generation.loop import Loop, State
from keras_nlp.generation.request import Request
from keras_nlp.generation.session import Session

__all__ = ["KeyValueCache", "Loop", "Request", "Session", "State"]
