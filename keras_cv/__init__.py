"""Vision models on Keras 3: boxes, augmentation, classifiers, detectors and pictures of what they say."""

from keras_zoo import __version__  # isort: skip  first, since it settles the backend before Keras is imported
from keras_cv import (
    bounding_box,
    callbacks,
    core,
    datasets,
    images,
    layers,
    losses,
    metrics,
    models,
    training,
    visualization,
)

__all__ = [
    "__version__",
    "bounding_box",
    "callbacks",
    "core",
    "datasets",
    "images",
    "layers",
    "losses",
    "metrics",
    "models",
    "training",
    "visualization",
]
