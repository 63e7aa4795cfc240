"""Losses of boxes, distances and classes."""

from keras_cv.losses.distribution_focal import DistributionFocalLoss
from keras_cv.losses.focal import FocalLoss, SmoothL1Loss
from keras_cv.losses.overlap import CIoULoss, GIoULoss, IoULoss

__all__ = ["CIoULoss", "DistributionFocalLoss", "FocalLoss", "GIoULoss", "IoULoss", "SmoothL1Loss"]
