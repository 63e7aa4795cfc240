"""Callbacks for training on images."""

from keras_cv.callbacks.prediction_gallery import PredictionGallery
from keras_cv.callbacks.pycoco_callback import PyCOCOCallback

__all__ = ["PredictionGallery", "PyCOCOCallback"]
