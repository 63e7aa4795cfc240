"""What training a detector wants besides a loss."""

from keras_cv.training.optimizer import detection_optimizer

__all__ = ["detection_optimizer"]
