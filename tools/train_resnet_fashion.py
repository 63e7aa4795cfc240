"""Trains the embedded preset `resnet_tiny_fashion_mnist`: a small ResNet that names a piece of clothing.

Usage: KERAS_BACKEND=jax python tools/train_resnet_fashion.py WORK_FOLDER

Takes Fashion-MNIST from the Debian package `dataset-fashion-mnist`, which it fetches into WORK_FOLDER unless it is
installed. Trains on 55,000 of its 60,000 training images, with 5,000 to choose by, and reads the 10,000 test images
once, at the end. Two minutes on a large GPU, some hours on two processors; the weights are kept in WORK_FOLDER, and a
second run starts from them. It needs torch under every backend, for the processes that read ahead.
Writes presets/embedded/resnet_tiny_fashion_mnist with weights in float16, the test accuracy in its card.
"""

import json
import math
import sys
from pathlib import Path

import keras
import numpy as np
from fashion_mnist import CLASSES, PACKAGE, read

from keras_cv.layers import Augmenter, RandomAffine, RandomErasing, RandomFlip, RandomInvert
from keras_cv.models import ResNetBackbone, ResNetImageClassifier, ResNetImageClassifierPreprocessor
from keras_zoo import WarmUpDecay

NAME = "resnet_tiny_fashion_mnist"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
SIZE, VALIDATION = 56, 5000  # twice the images' size, since the network's stem shrinks them by four
MEAN, DEVIATION = 0.286, 0.353  # of the pixels in 0-1
NETWORK = {
    "input_conv_filters": [16, 32, 48],
    "input_conv_kernel_sizes": [3, 3, 3],
    "stackwise_num_filters": [48, 96, 160],
    "stackwise_num_blocks": [2, 2, 2],
    "stackwise_num_strides": [1, 2, 2],
    "block_type": "basic_block_vd",
}
EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 10, 256, 2e-3, 0.05, 0.1
INVERTED = 0.2  # how many are seen as negatives, since most photographs of clothes have a light background
WORKERS = 3


def augmenter(inverted):
    chance = (inverted, inverted)
    return Augmenter(
        [
            RandomFlip(),
            RandomAffine(0.02, 0.08, 0.1, fill_mode="constant"),
            RandomErasing(0.5, scale=(0.02, 0.25)),
            RandomInvert(chance),
        ]
    )


class Drawn:
    """A torch data set of augmented batches `(images, one-hot labels)`, what the network takes."""

    def __init__(self, images, labels, inverted):
        self.images, self.labels = images, np.eye(len(CLASSES), dtype="float32")[labels]
        self.augment = augmenter(inverted)

    def __len__(self):
        return len(self.images)

    def __getitems__(self, rows):
        pixels = np.repeat(self.augment(self.images[rows]), 3, -1).astype("float32")
        return preprocessor()(pixels), self.labels[rows]


def as_tensors(batch):
    import torch

    return tuple(map(torch.from_numpy, batch))


def preprocessor():
    scale, offset = 1 / 255 / DEVIATION, -MEAN / DEVIATION
    return ResNetImageClassifierPreprocessor((SIZE, SIZE), scale, offset, antialias=True)


def enlarged(images):
    """Grey images as the preprocessor resizes them, uint8 `(N, SIZE, SIZE, 1)`."""
    resize = preprocessor().resized
    return np.stack([resize(image)[..., :1] for image in images])


def split(work):
    """The training images in two parts, to train on and to choose by."""
    images, labels = read(work, "train")
    order = np.random.default_rng(0).permutation(len(images))
    return {
        "train": (images[order[VALIDATION:]], labels[order[VALIDATION:]]),
        "validation": (images[order[:VALIDATION]], labels[order[:VALIDATION]]),
    }


def classifier():
    return ResNetImageClassifier(
        ResNetBackbone(**NETWORK), preprocessor=preprocessor(), dropout=0.1, class_names=CLASSES
    )


def train(parts, checkpoint, inverted=INVERTED, epochs=EPOCHS, workers=WORKERS, callbacks=()):
    """A classifier trained on augmented images; its weights go to `checkpoint`, or come from there."""
    from torch.utils.data import DataLoader

    model = classifier()
    if checkpoint.exists():
        model.load_weights(checkpoint)
        return model
    images, labels = parts["train"]
    loader = DataLoader(
        Drawn(enlarged(images), labels, inverted),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        collate_fn=as_tensors,
        multiprocessing_context="spawn",
        persistent_workers=True,
    )
    steps = epochs * len(loader)
    optimizer = keras.optimizers.AdamW(WarmUpDecay(RATE, steps + 1, steps // 10, "cosine"), DECAY, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.preprocessor = None  # the batches are ready
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(loader, epochs=epochs, verbose=2, shuffle=False, callbacks=list(callbacks))
    model.preprocessor = preprocessor()
    model.compile()
    model.save_weights(checkpoint)
    return model


def accuracy(model, images, labels):
    return float((model.predict(images, BATCH, verbose=0).argmax(1) == labels).mean())


def report(model, name, images, labels):
    """The accuracy on these images, and on the same as negatives."""
    found = accuracy(model, images, labels), accuracy(model, 255 - images, labels)
    print(f"{name}: {found[0]:.4f}, as negatives {found[1]:.4f}", flush=True)
    return found


def rounded(model):
    """The classifier with the float16 weights that are stored, so that what is measured is what is loaded."""
    for weight in model.weights:
        weight.assign(keras.ops.convert_to_numpy(weight).astype("float16").astype("float32"))
    return model


def card(model, found, negatives, sizes):
    error = 1.96 * math.sqrt(found * (1 - found) / sizes["test"])
    return f"""# {NAME}

A ResNet of {model.count_params():,} parameters that names a piece of clothing: {", ".join(CLASSES[:5])},
{", ".join(CLASSES[5:])}. It is here so that everything works without a network.

```python
import keras_cv

classifier = keras_cv.models.ImageClassifier.from_preset("{NAME}")
classifier.predict("shoe.png", return_classes=True)
```

- **Test accuracy**: {100 * found:.1f} % ± {100 * error:.1f} on the {sizes["test"]:,} test images of Fashion-MNIST;
  {100 * negatives:.1f} % on the same as negatives, dark on white.
- **Training**: {EPOCHS} epochs on {sizes["train"]:,} of the 60,000 training images, with {sizes["validation"]:,} to
  choose by, by `tools/train_resnet_fashion.py`: mirrored, shifted, turned and scaled a little, half of them partly
  erased, one in {round(1 / INVERTED)} a negative.
- **Input**: images of any size and sort. They are cut to a square in the middle and become {SIZE} × {SIZE} pixels.
- **Limits**: it has seen grey pictures of 28 × 28 pixels, each of one item from the front, in the middle, on plain
  black or white. Colours say nothing to it, and anything else gets one of the ten names too.
- **Weights**: float16, Apache-2.0. The data are Fashion-MNIST, © 2017 Zalando SE, under the MIT licence, from the
  Debian package `{PACKAGE}`. One of its test images is here as `example.png`, see `LICENSE`.
"""


def main():
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    parts = split(work)
    model = rounded(train(parts, work / "fashion.weights.h5"))
    report(model, "validation", *parts["validation"])
    parts["test"] = read(work, "t10k")
    found, negatives = report(model, "test", *parts["test"])
    record = {
        "description": "A small ResNet that names a piece of clothing; embedded, needs no network.",
        "family": "resnet",
        "class_name": "ResNetImageClassifier",
        "parameters": model.count_params(),
        "license": "Apache-2.0",
        "metrics": {"test_accuracy": round(found, 4)},
    }
    model.save_to_preset(TARGET, weights_dtype="float16", record=record)
    sizes = {name: len(labels) for name, (_, labels) in parts.items()}
    (TARGET / "README.md").write_text(card(model, found, negatives, sizes), encoding="utf-8")
    keras.utils.save_img(TARGET / "example.png", parts["test"][0][0][..., None], scale=False)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
