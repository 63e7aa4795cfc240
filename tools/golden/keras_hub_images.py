"""Makes the folders of ResNets in tests/golden/keras_hub with KerasHub itself, and what KerasHub computes with them.

In the environment of `keras_hub_folders.py`, with one package more for a photograph:

    peers/bin/pip install scikit-image
    KERAS_BACKEND=jax peers/bin/python tools/golden/keras_hub_images.py

`<case>/` is as KerasHub saved it, but that HDF5 files, which are mostly empty, are compressed; `<case>.npz` holds the
outputs for the images in `resnet_images.npz`, divided by 255. The weights are random, the statistics of batch
normalisation too, and images have odd sizes, so that a wrong padding, epsilon, stride or order of layers shows in the
outputs. `resnet_image_converters.npz` holds a photograph and what converters of several settings make of it.
"""

import gzip
import json
import shutil
from pathlib import Path

import keras
import keras_hub
import numpy as np
import skimage.data

FOLDER = Path(__file__).parent.parent.parent / "tests" / "golden" / "keras_hub"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = {
    "scale": [1 / 255 / std for std in STD],
    "offset": [-mean / std for mean, std in zip(MEAN, STD, strict=True)],
}
CONVERTERS = {
    "crop": {"image_size": (24, 20)},
    "crop_up": {"image_size": (52, 40)},
    "pad_odd": {"image_size": (20, 26), "crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True},
    "stretch": {"image_size": (20, 30), "crop_to_aspect_ratio": False},
    "pad": {"image_size": (23, 24), "crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True},
    "antialias": {"image_size": (14, 18), "antialias": True},
    "bicubic": {"image_size": (24, 20), "interpolation": "bicubic"},
    "bicubic_antialias": {"image_size": (14, 18), "interpolation": "bicubic", "antialias": True},
    "nearest": {"image_size": (24, 20), "interpolation": "nearest"},
    "as_it_is": {"image_size": None},
    "one_scale": {"image_size": (24, 20), "scale": 1 / 127.5, "offset": -1.0},
    "plain": {"image_size": (24, 20), "scale": None, "offset": None},
}


class FirstFilters(int):
    """A number that KerasHub, which insists on 64 filters in the first stage, takes for 64: folders stay small."""

    def __ne__(self, other):
        return other != 64 and int(self) != other

    __hash__ = int.__hash__


def backbone(first, *filters, **settings):
    """Two stages, the second of which halves the image."""
    return keras_hub.models.ResNetBackbone(
        stackwise_num_filters=[FirstFilters(first), *filters], stackwise_num_strides=[1, 2], **settings
    )


def scaled(model, seed):
    """Random values in every variable, such that the activations keep their size; statistics away from 0 and 1."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(0, 1, weight.shape)
        if weight.name == "kernel":
            value *= np.sqrt(2 / np.prod(weight.shape[:-1]))
        elif weight.name == "moving_variance":
            value = np.exp(value / 2)
        else:
            value = value / 3 + (weight.name == "gamma")
        weight.assign(value.astype("float32"))
    return model


def images():
    return np.random.default_rng(7).integers(0, 256, (2, 37, 50, 3), dtype="uint8")


def batch():
    return images().astype("float32") / 255


def saved(case, thing, **arrays):
    """`thing` as a preset; features and outputs beside it."""
    shutil.rmtree(FOLDER / case, ignore_errors=True)
    thing.save_to_preset(FOLDER / case)
    model = getattr(thing, "backbone", thing)
    arrays |= {"features": model.predict(batch(), verbose=0)}
    pyramid = keras.Model(model.inputs, dict(model.pyramid_outputs)).predict(batch(), verbose=0)
    np.savez_compressed(FOLDER / f"{case}.npz", **arrays, **pyramid)


def classifier(case, network, seed, **settings):
    converter = keras_hub.layers.ResNetImageConverter(**(CONVERTERS["crop"] | IMAGENET))
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(converter)
    task = keras_hub.models.ResNetImageClassifier(network, num_classes=5, preprocessor=preprocessor, **settings)
    scaled(task, seed)
    bare = keras.Model(task.inputs, task.outputs)
    predictions = task.predict(photograph()[None], verbose=0)
    saved(case, task, outputs=bare.predict(batch(), verbose=0), predictions=predictions)


def photograph():
    """The cat's face, at a fifth of its size: uint8 (46, 56, 3)."""
    return np.ascontiguousarray(skimage.data.chelsea()[20:250:5, 90:370:5])


def image_converters():
    """Settings as KerasHub saves them, and their outputs for the photograph, by name."""
    found = {"photograph": photograph()}
    for name, settings in CONVERTERS.items():
        converter = keras_hub.layers.ResNetImageConverter(**(IMAGENET | settings))
        found[name] = np.asarray(converter(photograph()[None])[0])
        found[f"{name}_config"] = json.dumps(converter.get_config())
    np.savez_compressed(FOLDER / "resnet_image_converters.npz", **found)


def compress(folder):
    for path in folder.glob("*.h5"):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def sharded(case, network):
    """The network alone, in two files, of which the first ends inside a normalisation."""
    saved(case, network)
    (FOLDER / case / "model.weights.h5").unlink()
    size = sum(weight.value.nbytes for weight in network.weights)
    network.save_weights(FOLDER / case / "model.weights.json", max_shard_size=size * 0.648 / 2**30)


def main():
    stem = {"input_conv_filters": [4], "input_conv_kernel_sizes": [7]}
    basic = backbone(4, 6, stackwise_num_blocks=[1, 2], block_type="basic_block", **stem)
    classifier("resnet_basic", basic, seed=1, pooling="max", activation="softmax", dropout=0.2)
    bottleneck = backbone(3, 2, stackwise_num_blocks=[1, 2], block_type="bottleneck_block", **stem)
    classifier("resnet_bottleneck", bottleneck, seed=2)
    settings = {"block_type": "bottleneck_block", "use_pre_activation": True, **stem}
    classifier("resnet_v2", backbone(3, 2, stackwise_num_blocks=[2, 1], **settings), seed=3)
    settings = {"block_type": "basic_block", "use_pre_activation": True, "image_shape": (37, 50, 3), **stem}
    saved("resnet_v2_basic", scaled(backbone(4, 6, stackwise_num_blocks=[2, 1], **settings), seed=4))
    deep = {"input_conv_filters": [3, 4, 5], "input_conv_kernel_sizes": [3, 3, 3]}
    vd = backbone(3, 2, stackwise_num_blocks=[1, 2], block_type="bottleneck_block_vd", **deep)
    classifier("resnet_vd", vd, seed=5)
    vd_basic = backbone(5, 4, stackwise_num_blocks=[2, 1], block_type="basic_block_vd", **deep)
    sharded("resnet_vd_basic_sharded", scaled(vd_basic, seed=6))
    image_converters()
    np.savez_compressed(FOLDER / "resnet_images.npz", images=images())
    for folder in FOLDER.glob("resnet*/"):
        compress(folder)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    main()
    total = sum(path.stat().st_size for path in FOLDER.rglob("resnet*/**/*") if path.is_file())
    total += sum(path.stat().st_size for path in FOLDER.glob("resnet*.npz"))
    print(f"{total:,} bytes by keras-hub {keras_hub.__version__} and keras {keras.__version__}")
