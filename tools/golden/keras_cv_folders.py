"""Makes the folders in tests/golden/keras_cv with KerasCV itself: tiny presets, and what KerasCV computes with them.

keras-cv owns one of our import names; so it runs in an environment of its own:

    python -m venv peers && peers/bin/pip install 'keras-cv==0.9.*' tensorflow
    KERAS_BACKEND=tensorflow peers/bin/python tools/golden/keras_cv_folders.py

`<case>/` is as KerasCV saved it, but that HDF5 files are compressed; `<case>.npz` holds the outputs for the images in
`resnet_images.npz`, which a network without rescaling gets divided by 255. The weights are random, the statistics of
batch normalisation too, and images have odd sizes, so that a wrong padding, epsilon, stride or order of layers shows
in the outputs. KerasCV's stem has 64 filters; kernels have few different values, so that they can be compressed.
"""

import gzip
import shutil
from pathlib import Path

import keras
import numpy as np
from keras_cv.src.utils.preset_utils import save_to_preset  # its public classes lack the method

import keras_cv
from keras_cv.models import ImageClassifier, ResNetBackbone, ResNetV2Backbone

FOLDER = Path(__file__).parent.parent.parent / "tests" / "golden" / "keras_cv"


def network(cls, *filters, rescaling=False, **settings):
    """Two stages, the second of which halves the image."""
    return cls(stackwise_filters=filters, stackwise_strides=[1, 2], include_rescaling=rescaling, **settings)


def scaled(model, seed, levels=3):
    """Random values in every variable, such that the activations keep their size; statistics away from 0 and 1.

    Kernels have `levels` values from one standard deviation to the next.
    """
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(0, 1, weight.shape)
        if weight.name == "kernel":
            value = np.round(value * levels) / levels * np.sqrt(2 / np.prod(weight.shape[:-1]))
        elif weight.name == "moving_variance":
            value = np.exp(value / 2)
        else:
            value = value / 3 + (weight.name == "gamma")
        weight.assign(value.astype("float32"))
    return model


def images():
    return np.random.default_rng(8).integers(0, 256, (2, 37, 50, 3), dtype="uint8")


def saved(case, thing):
    """`thing` as a preset; features and, of a task, outputs beside it."""
    folder = FOLDER / case
    shutil.rmtree(folder, ignore_errors=True)
    save_to_preset(thing, str(folder))
    backbone = getattr(thing, "backbone", thing)
    batch = images().astype("float32") / (1 if backbone.include_rescaling else 255)
    levels = {name: backbone.get_layer(layer).output for name, layer in backbone.pyramid_level_inputs.items()}
    arrays = keras.Model(backbone.inputs, levels).predict(batch, verbose=0)
    arrays |= {"features": backbone.predict(batch, verbose=0), "outputs": thing.predict(batch, verbose=0)}
    np.savez_compressed(FOLDER / f"{case}.npz", **arrays)
    compress(folder)


def compress(folder):
    """Every HDF5 file of a folder."""
    for path in folder.glob("*.h5"):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def main():
    v1 = network(ResNetBackbone, 3, 2, stackwise_blocks=[1, 2], rescaling=True)
    saved("resnet_classifier", scaled(ImageClassifier(v1, num_classes=5), seed=1))
    v2 = network(ResNetV2Backbone, 3, 2, stackwise_blocks=[2, 3], input_shape=(37, 50, 3))
    saved("resnet_v2_classifier", scaled(ImageClassifier(v2, 4, pooling="max", activation=None), seed=2))
    basic = network(ResNetBackbone, 64, 4, stackwise_blocks=[1, 2], block_type="basic_block")
    saved("resnet_basic", scaled(basic, seed=3))
    basic = network(ResNetV2Backbone, 64, 4, stackwise_blocks=[2, 2], block_type="basic_block", rescaling=True)
    saved("resnet_v2_basic", scaled(basic, seed=4))
    np.savez_compressed(FOLDER / "resnet_images.npz", images=images())


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    main()
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{total:,} bytes by keras-cv {keras_cv.__version__} and keras {keras.__version__}")
