"""This project's ResNet, on the backend that KERAS_BACKEND names, with random weights."""

import keras

from keras_cv.models import ResNetBackbone, ResNetImageClassifier
from sides import RESNET_50, run_images, train_images
from sides.ours import forget  # noqa: F401  called by the worker


def load(folder, dtype, int8):
    classifier = ResNetImageClassifier(ResNetBackbone(**RESNET_50, dtype=dtype), num_classes=1000)
    classifier.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    return classifier


def train(classifier, work):
    return train_images(classifier, work)


def predict_images(classifier, work):
    """Of the fused copy, which is made once."""
    if not hasattr(classifier, "for_inference"):
        object.__setattr__(classifier, "for_inference", classifier.fuse())
    return run_images(lambda x: classifier.for_inference.predict(x, batch_size=len(x), verbose=0), work)
