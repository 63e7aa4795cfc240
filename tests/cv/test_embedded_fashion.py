"""The embedded image classifier: it loads by its name, is small, takes any picture, and is right where it is clear."""

import gzip
from pathlib import Path

import keras
import numpy as np
import pytest
from photographs import photographs

from keras_cv.images import load_image
from keras_cv.models import ImageClassifier, ResNetImageClassifier
from keras_zoo.registry import presets_folder

PRESET = "resnet_tiny_fashion_mnist"
FOLDER = presets_folder() / "embedded" / PRESET
EXAMPLE = FOLDER / "example.png"
DATA = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package puts it


@pytest.fixture(scope="module")
def classifier():
    return ImageClassifier.from_preset(PRESET)


def pictures():
    """The example as a file and as what else it can be."""
    from PIL import Image

    grey = load_image(EXAMPLE, channels=1)[..., 0]
    white = Image.new("RGBA", (28, 28), (0, 0, 0, 255))
    white.putalpha(Image.fromarray(255 - grey))  # what is transparent is laid on white
    return {
        "path": EXAMPLE,
        "bytes": EXAMPLE.read_bytes(),
        "grey": grey,
        "colour": np.repeat(grey[..., None], 3, -1),
        "float": np.repeat(grey[..., None], 3, -1).astype("float32"),
        "16 bits": grey.astype("uint16") * 257,
        "large": np.kron(grey, np.ones((10, 10), "uint8")),
        "negative": 255 - grey,
        "mirrored": grey[:, ::-1],
        "transparent": white,
    }


@pytest.mark.parametrize("name", pictures())
def test_example(classifier, name):
    """However it comes it is the same boot, on every backend with the same probability."""
    assert type(classifier) is ResNetImageClassifier
    found = classifier.predict([pictures()[name]], return_classes=True, verbose=0)[0]
    assert found["class_name"] == "Ankle boot"
    assert found["probability"] == pytest.approx(0.906, abs=0.005 if name in ("path", "bytes", "grey") else 0.2)


def test_any_photograph(classifier):
    photos = [*photographs(), photographs()[0][:, :9], np.zeros((1, 1, 3), "uint8")]
    outputs = classifier.predict(photos, verbose=0)
    assert outputs.shape == (6, 10) and np.isfinite(outputs).all()
    alone = np.concatenate([classifier.predict(photo, verbose=0) for photo in photos])
    np.testing.assert_allclose(outputs, alone, atol=1e-4)


def test_it_learns_on(classifier):
    """Two steps on a picture with the name of another class change the answer that way."""
    fresh = ImageClassifier.from_preset(PRESET, dropout=0.0)
    fresh.compile(keras.optimizers.Adam(1e-3))
    fresh.fit([EXAMPLE] * 4, ["Sneaker"] * 4, epochs=2, verbose=0)
    before, after = (model.predict(EXAMPLE, verbose=0)[0] for model in (classifier, fresh))
    sneaker = classifier.class_names.index("Sneaker")
    assert after[sneaker] - before[sneaker] > 0.1


def test_stated_accuracy(classifier):
    """On the first 2,000 test images, where they are installed, as the card says of all of them."""
    if not DATA.is_dir():
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    images = gzip.decompress((DATA / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA / "t10k-labels-idx1-ubyte.gz").read_bytes())
    images = np.frombuffer(images, "uint8", offset=16).reshape(-1, 28, 28)[:2000]
    labels = np.frombuffer(labels, "uint8", offset=8)[:2000]
    assert (classifier.predict(images, batch_size=250, verbose=0).argmax(1) == labels).mean() > 0.91


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 3e6
