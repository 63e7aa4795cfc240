"""Callbacks for training on images."""

from keras_cv.callbacks.prediction_gallery import PredictionGallery

__all__ = ["PredictionGallery"]
