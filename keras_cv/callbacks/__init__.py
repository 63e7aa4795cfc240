"""Callbacks for training on images."""

from keras_cv.callbacks.prediction_gallery import PredictionGallery
from keras_zoo.averaging import WeightsEMA

__all__ = ["PredictionGallery", "WeightsEMA"]
