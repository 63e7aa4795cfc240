"""The distributions from which augmentations draw how strong they are, where KerasCV has them."""

from keras_cv.layers.factors import ConstantFactorSampler, FactorSampler, NormalFactorSampler, UniformFactorSampler

__all__ = ["ConstantFactorSampler", "FactorSampler", "NormalFactorSampler", "UniformFactorSampler"]
