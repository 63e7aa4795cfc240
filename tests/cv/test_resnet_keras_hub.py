"""ResNets that KerasHub saved: the same features, outputs and pixels as KerasHub's own, on every backend."""

import json

import keras
import numpy as np
import pytest
from resnet_golden import copied, edit, golden, images

from keras_cv.models import (
    Backbone,
    ImageClassifier,
    Preprocessor,
    ResNetBackbone,
    ResNetImageClassifier,
    ResNetImageClassifierPreprocessor,
    Task,
)
from keras_zoo import PresetError
from keras_zoo.formats import hdf5_file

CLASSIFIERS = ["resnet_basic", "resnet_bottleneck", "resnet_v2", "resnet_vd"]
CASES = [*CLASSIFIERS, "resnet_v2_basic", "resnet_vd_basic_sharded"]
CONVERTERS = [name.removesuffix("_config") for name in golden("keras_hub/resnet_image_converters") if "_config" in name]


@pytest.fixture
def folder_of(tmp_path):
    """`folder_of(case)` is a copy of a folder that KerasHub saved."""
    return lambda case: copied(f"keras_hub/{case}", tmp_path)


def close(ours, theirs):
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), theirs, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_features(folder_of, case):
    """Plain, bottleneck, version 2 and D, in one file and in shards; every level of the pyramid too."""
    expected = golden(f"keras_hub/{case}")
    backbone = Backbone.from_preset(folder_of(case))
    assert type(backbone) is ResNetBackbone
    batch = images(f"keras_hub/{case}", backbone)
    close(backbone.predict(batch, verbose=0), expected["features"])
    for level, features in backbone.feature_pyramid().predict(batch, verbose=0).items():
        close(features, expected[level])


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_classifier(folder_of, case):
    """With its preprocessor on a photograph, and without."""
    expected = golden(f"keras_hub/{case}")
    folder = folder_of(case)
    task = ImageClassifier.from_preset(folder)
    assert type(task) is ResNetImageClassifier and type(task.preprocessor) is ResNetImageClassifierPreprocessor
    photograph = golden("keras_hub/resnet_image_converters")["photograph"]
    found = task.predict(photograph, verbose=0)
    np.testing.assert_allclose(found, expected["predictions"], atol=0.02)  # resizing may round to another grey level
    bare = ImageClassifier.from_preset(folder, preprocessor=None)
    close(bare.predict(images(f"keras_hub/{case}", bare.backbone), verbose=0), expected["outputs"])


@pytest.mark.once
def test_settings_of_the_task(folder_of):
    task = Task.from_preset(folder_of("resnet_basic"))
    assert (task.num_classes, task.pooling, task.activation, task.dropout) == (5, "max", "softmax", 0.2)
    assert task.preprocessor.image_size == (24, 20) and task.preprocessor.crop_to_aspect_ratio


@pytest.mark.once
@pytest.mark.parametrize("name", CONVERTERS)
def test_pixels(folder_of, name):
    """Each way of resizing and scaling, on a photograph: KerasHub's pixels, but where a rounding is a tie."""
    expected = golden("keras_hub/resnet_image_converters")
    config = json.loads(str(expected[f"{name}_config"]))
    folder = folder_of("resnet_basic")
    edit(folder / "image_converter.json", lambda d: d.update(config=config))
    preprocessor = Preprocessor.from_preset(folder)
    found = preprocessor(expected["photograph"])
    level = 1.0 if config["scale"] is None else np.asarray(config["scale"])
    off = np.abs(found - expected[name].astype("float32")) / level
    assert found.shape == expected[name].shape and off.max() < 1.01  # of 255
    assert (off > 0.01).mean() < (0.2 if config["antialias"] else 0.01)  # Pillow smooths in 8 bits


@pytest.mark.once
def test_older_image_converters(folder_of):
    """Sizes and statistics apart, and only inside preprocessor.json."""
    folder = folder_of("resnet_basic")
    inner = json.loads((folder / "image_converter.json").read_text())
    new = Preprocessor.from_preset(folder)
    for name in ("image_size", "scale", "offset", "antialias", "pad_to_aspect_ratio"):
        del inner["config"][name]
    mean, std = (0.485, 0.456, 0.406), np.array((0.229, 0.224, 0.225))
    inner["config"] |= {"height": 24, "width": 20, "scale": 1 / 255, "mean": mean, "variance": list(std**2)}
    (folder / "image_converter.json").unlink()
    edit(folder / "preprocessor.json", lambda d: d["config"].update(image_converter=inner))
    old = Preprocessor.from_preset(folder)
    photograph = golden("keras_hub/resnet_image_converters")["photograph"]
    np.testing.assert_allclose(old(photograph), new(photograph), atol=1e-5)
    assert type(old) is ResNetImageClassifierPreprocessor


@pytest.mark.once
def test_parts_alone(folder_of):
    """A preprocessor without a model, one without a converter, and a folder without either."""
    folder = folder_of("resnet_bottleneck")
    for path in (*folder.glob("*.h5"), folder / "config.json", folder / "task.json"):
        path.unlink()
    assert Preprocessor.from_preset(folder).image_size == (24, 20)
    assert Preprocessor.from_preset(folder, image_size=(8, 9)).image_size == (8, 9)
    with pytest.raises(PresetError, match=r"holds no model: it has no config\.json"):
        Backbone.from_preset(folder)
    (folder / "image_converter.json").unlink()
    edit(folder / "preprocessor.json", lambda d: d["config"].update(image_converter=None))
    pixels = np.arange(18, dtype="float32").reshape(2, 3, 3)
    np.testing.assert_array_equal(Preprocessor.from_preset(folder)(pixels), pixels)
    task = ImageClassifier.from_preset(folder_of("resnet_v2_basic"), num_classes=3)
    assert task.preprocessor is None and task.num_classes == 3


@pytest.mark.once
def test_a_new_head(folder_of):
    """The backbone's weights are kept; a head of another size is asked for outright."""
    folder = folder_of("resnet_vd")
    with pytest.raises(PresetError, match=r"made for num_classes=5; got num_classes=2"):
        ImageClassifier.from_preset(folder, num_classes=2)
    backbone = Backbone.from_preset(folder)
    task = ResNetImageClassifier(backbone, num_classes=2)
    assert task.output_dense.kernel.shape == (8, 2)


@pytest.mark.once
def test_one_layer_in_two_shards(folder_of):
    """The sharded case has a normalisation of which a part is in one shard and the rest in the next."""
    folder = folder_of("resnet_vd_basic_sharded")
    places = {name: tensor.path.name for name, tensor in hdf5_file.open_tensors(folder).items()}
    layers = {name.rpartition("/")[0] for name in places}
    assert any(len({place for name, place in places.items() if name.startswith(f"{layer}/")}) == 2 for layer in layers)


@pytest.mark.once
def test_saved_as_ones_own(folder_of, tmp_path):
    expected = golden("keras_hub/resnet_v2")
    task = ImageClassifier.from_preset(folder_of("resnet_v2"))
    task.save_to_preset(tmp_path / "native")
    again = ImageClassifier.from_preset(tmp_path / "native")
    assert again.preprocessor.get_config() == task.preprocessor.get_config()
    features = again.backbone.predict(images("keras_hub/resnet_v2", again.backbone), verbose=0)
    close(features, expected["features"])
