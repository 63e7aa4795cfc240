"""A torchvision network inside a Keras model: a ResNet-18 trunk, a Keras head, trained with `fit` on the torch backend.

    KERAS_BACKEND=torch python docs/guides/torch_module_in_keras.py

Needs torch and torchvision. The images are pieces of two photographs of scikit-image, so that no network is needed, and
the trunk starts from random weights; `weights="DEFAULT"` in `trunk` fetches torchvision's own.
"""

import sys
import tempfile
import types
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from keras_cv.layers import ImageConverter
from keras_cv.layers.image_converter import from_mean_and_std
from keras_zoo import TorchModule

NAMES = ("brick", "grass")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # what torchvision's weights expect


@keras.saving.register_keras_serializable("guides")
def trunk(weights=None):
    """torchvision's ResNet-18 without its head: `(B, 3, H, W)` -> `(B, 512)`."""
    # A torchvision whose compiled operators do not fit this torch still has its models.
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("stub"))
    import torch
    import torchvision

    module = torchvision.models.resnet18(weights=weights)
    module.fc = torch.nn.Identity()
    return module


def main(steps=30, size=48):
    """Trains, saves, loads; returns the accuracy, and how far the loaded model's outputs are from the saved one's."""
    keras.utils.set_random_seed(0)
    images = keras.Input((3, size, size))
    features = TorchModule(trunk, name="trunk")(images)
    model = keras.Model(images, keras.layers.Dense(len(NAMES), name="head")(features))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])

    prepare = Prepare(size)
    model.fit(batches(steps, size, prepare), verbose=2)
    pixels, labels = pieces(np.random.default_rng(1), 32, size)
    inputs = prepare(pixels)
    logits = model.predict(inputs, verbose=0)
    accuracy = float((logits.argmax(1) == labels).mean())
    print(f"{accuracy:.0%} of new pieces are named rightly.")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)  # names the function `trunk`; holds no code
        again = keras.saving.load_model(path)
    difference = float(np.abs(again.predict(inputs, verbose=0) - logits).max())
    print(f"Saved and loaded: the largest difference is {difference:.1g}.")
    return accuracy, difference


class Prepare:
    """uint8 `(B, H, W, 3)` to what the trunk takes: mean and standard deviation, channels first."""

    def __init__(self, size):
        self.convert = ImageConverter((size, size), **from_mean_and_std(**IMAGENET))

    def __call__(self, pixels):
        if isinstance(pixels, np.ndarray):
            return np.moveaxis(self.convert(pixels), -1, 1)
        import tensorflow as tf

        return tf.transpose(self.convert(pixels), (0, 3, 1, 2))


def batches(steps, size, prepare, batch_size=16):
    """Training data, prepared inside tf.data where TensorFlow is installed and by a generator where it is not."""
    random = np.random.default_rng(0)
    found = [pieces(random, batch_size, size) for _ in range(steps)]
    if find_spec("tensorflow") is None:
        return ((prepare(pixels), labels) for pixels, labels in found)
    import tensorflow as tf

    pixels, labels = map(np.concatenate, zip(*found, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(batch_size)
    return dataset.map(lambda x, y: (prepare(x), y), num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def pieces(random, count, size):
    """Squares cut out of the photographs, with the number of the photograph: uint8 `(count, size, size, 3)`."""
    import skimage.data

    photographs = [np.stack([getattr(skimage.data, name)()] * 3, -1) for name in NAMES]
    labels = random.integers(0, len(NAMES), count)
    places = random.integers(0, 512 - size, (count, 2))
    return np.stack(
        [photographs[n][y : y + size, x : x + size] for n, (y, x) in zip(labels, places, strict=True)]
    ), labels


if __name__ == "__main__":
    if keras.backend.backend() == "torch":
        main()
    else:
        print("A torch module needs the torch backend: KERAS_BACKEND=torch")
