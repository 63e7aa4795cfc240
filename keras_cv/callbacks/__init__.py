"""Callbacks for training on images."""

from keras_cv.callbacks.close_mosaic import CloseMosaic
from keras_cv.callbacks.prediction_gallery import PredictionGallery
from keras_cv.callbacks.pycoco_callback import PyCOCOCallback
from keras_zoo.averaging import WeightsEMA

__all__ = ["CloseMosaic", "PredictionGallery", "PyCOCOCallback", "WeightsEMA"]
