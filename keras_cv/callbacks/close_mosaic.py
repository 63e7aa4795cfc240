"""A callback that ends the mixing of images before training ends."""

import keras

from keras_cv.datasets import DetectionDataset
from keras_cv.layers import Augmenter
from keras_cv.layers.mixing import Mixing


class CloseMosaic(keras.callbacks.Callback):
    """Trains the last epochs without `Mosaic`, `MixUp`, `CutMix` and `CopyPaste`, on pictures as they are met later.

    Other augmentation goes on. What holds one of these layers, such as `RandomApply(Mosaic())`, is left out as a whole;
    of an `Augmenter` the other layers stay. When training ends the data set has its augmentation again.

    ```python
    detector.fit(dataset, epochs=100, callbacks=[CloseMosaic(dataset, last_epochs=10)])
    ```

    Args:
        dataset: the `DetectionDataset` that is trained on.
        last_epochs: how many epochs; 0 for none.
    """

    def __init__(self, dataset, last_epochs=10):
        super().__init__()
        if not isinstance(dataset, DetectionDataset):
            raise ValueError(f"dataset must be a DetectionDataset; got {type(dataset).__name__}.")
        if not isinstance(last_epochs, int) or last_epochs < 0:
            raise ValueError(f"last_epochs must be a whole number of at least 0; got {last_epochs!r}.")
        self.dataset, self.last_epochs = dataset, last_epochs
        self.before = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.before is None and epoch >= self.params["epochs"] - self.last_epochs:
            self.before = self.dataset.augmentation
            self.dataset.augmentation = without_mixing(self.before)

    def on_train_end(self, logs=None):
        if self.before is not None:
            self.dataset.augmentation, self.before = self.before, None


def without_mixing(layers):
    """The layers of a list that do not mix images."""
    kept = []
    for layer in layers:
        if isinstance(layer, Augmenter):
            inner = without_mixing(layer.layers)
            kept += [Augmenter(inner, bounding_box_format=layer.bounding_box_format)] if inner else []
        elif not mixes(layer):
            kept.append(layer)
    return kept


def mixes(layer):
    return isinstance(layer, Mixing) or any(map(mixes, getattr(layer, "parts", [])))
