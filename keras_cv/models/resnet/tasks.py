"""ResNet's preprocessor and task: the shared ones."""

from keras_cv import tasks


class ResNetImageClassifierPreprocessor(tasks.ImageClassifierPreprocessor):
    """Images to ResNet's input."""


class ResNetImageClassifier(tasks.ImageClassifier):
    """ResNet with its feature map pooled and a dense layer."""

    preprocessor_class = ResNetImageClassifierPreprocessor
