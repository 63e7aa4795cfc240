"""Vision models on Keras 3: boxes, augmentation, classifiers, detectors and pictures of what they say."""

from keras_zoo import __version__, download_preset, list_presets, upload_preset  # isort: skip  first, for the backend
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
    "download_preset",
    "images",
    "layers",
    "list_presets",
    "losses",
    "metrics",
    "models",
    "training",
    "upload_preset",
    "visualization",
]
