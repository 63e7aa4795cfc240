"""A torchvision ResNet-18 with a Keras head, trained by `fit`: torch modules are layers like any other.

    python docs/guides/torch_module_in_keras.py

The trunk is torchvision's, with random weights, and wants images normalised and channels first; that is mapped over a
tf.data.Dataset, or done in a torch DataLoader where TensorFlow is not installed. Head, optimizer, metrics, progress and
files are Keras'. The images are pieces of three photographs of scikit-image.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported: torch modules run on no other backend

import keras
import numpy as np

import keras_zoo
from keras_cv.layers import ImageConverter

SURFACES = ("brick", "grass", "gravel")
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # what torchvision's networks take
SIZE, BATCH = 48, 8
normalise = ImageConverter((SIZE, SIZE), scale=(1 / 255 / DEVIATION).tolist(), offset=(-MEAN / DEVIATION).tolist())


@keras.saving.register_keras_serializable("guide")
def trunk(name="resnet18"):
    """What a saved model names: the function that makes the module. `(B, 3, H, W)` -> `(B, 512)`."""
    import torch

    module = torchvision().models.get_model(name, weights=None)
    module.fc = torch.nn.Identity()
    return module


def main(argv=None):
    """Trains, saves and loads again; returns the model and its accuracy on held-out images."""
    args = parse(argv)
    keras.utils.set_random_seed(0)
    training, held_out = (batches(*part, args.loader) for part in surfaces())

    images = keras.Input((3, SIZE, SIZE))
    features = keras_zoo.TorchModule(trunk, {"name": "resnet18"}, name="trunk")(images)
    outputs = keras.layers.Dense(len(SURFACES), activation="softmax", name="head")(features)
    model = keras.Model(images, outputs)
    model.summary()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(training, validation_data=held_out, epochs=args.epochs, shuffle=False, verbose=args.verbose)

    path = args.save or Path(tempfile.mkdtemp()) / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path)  # in safe mode: the file holds numbers and the name of `trunk`, no code
    same = np.array_equal(again.predict(held_out, verbose=0), model.predict(held_out, verbose=0))
    print(f"Saved to {path}; loaded again it predicts {'the same' if same else 'something else'}.")
    accuracy = again.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]
    print(f"{accuracy:.1%} of the held-out images are named rightly.")
    return model, accuracy


def batches(images, labels, loader):
    """Batches of normalised images `(B, 3, SIZE, SIZE)` and labels `(B,)`, from uint8 `(N, 64, 64, 3)`."""
    if loader == "torch" or not importlib.util.find_spec("tensorflow"):
        from torch.utils.data import DataLoader

        def collate(rows):
            pixels, numbers = zip(*rows, strict=True)
            return normalise(np.stack(pixels)).transpose(0, 3, 1, 2), np.array(numbers)

        return DataLoader(list(zip(images, labels, strict=True)), BATCH, collate_fn=collate)

    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)
    return dataset.map(lambda x, y: (tf.transpose(normalise(x), (0, 3, 1, 2)), y)).prefetch(2)


def surfaces():
    """`((images, labels), (images, labels))`, to train on and held out: pieces of 64 x 64 pixels, in random order."""
    from skimage import data

    pieces = []
    for name in SURFACES:
        photograph = getattr(data, name)().reshape(8, 64, 8, 64)  # grey, 512 x 512
        pieces.append(photograph.swapaxes(1, 2).reshape(64, 64, 64, 1).repeat(3, -1))
    order = np.random.default_rng(0).permutation(64 * len(SURFACES))
    images, labels = np.concatenate(pieces)[order], np.repeat(np.arange(len(SURFACES)), 64)[order]
    return (images[48:], labels[48:]), (images[:48], labels[:48])


def torchvision():
    """The package; without its compiled operators, of which networks need none, where it cannot load them."""
    try:
        import torchvision
    except RuntimeError:  # "operator torchvision::nms does not exist": made for another torch
        sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
        import torchvision
    return torchvision


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loader", choices=("tf", "torch"), default="tf", help="tf.data, or a torch DataLoader")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--save", help="the .keras file to write; by default a temporary one")
    parser.add_argument("--verbose", type=int, default=1, help="0 for no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
