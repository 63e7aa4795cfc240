"""KerasHub's ResNet, on the backend that KERAS_BACKEND names, with random weights."""

import keras
import keras_hub

from sides import RESNET_50, train_images
from sides.keras_hub import forget  # noqa: F401  called by the worker


def load(folder, dtype, int8):
    backbone = keras_hub.models.ResNetBackbone(**RESNET_50, dtype=dtype)
    classifier = keras_hub.models.ResNetImageClassifier(backbone, num_classes=1000, preprocessor=None)
    classifier.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    return classifier


def train(classifier, work):
    return train_images(classifier, work)
