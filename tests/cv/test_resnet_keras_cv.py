"""ResNets that KerasCV saved: the same features and outputs as KerasCV's own, on every backend."""

import keras
import numpy as np
import pytest
from resnet_golden import copied, edit, golden, images

from keras_cv.models import Backbone, ImageClassifier, ResNetBackbone, ResNetImageClassifier, Task

CLASSIFIERS = ["resnet_classifier", "resnet_v2_classifier"]
CASES = [*CLASSIFIERS, "resnet_basic", "resnet_v2_basic"]


@pytest.fixture
def folder_of(tmp_path):
    """`folder_of(case)` is a copy of a folder that KerasCV saved."""
    return lambda case: copied(f"keras_cv/{case}", tmp_path)


def close(ours, theirs):
    assert np.abs(theirs).max() > 0.2
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours), theirs, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_features(folder_of, case):
    """Version 1 and 2, plain and bottleneck, from a backbone's folder and from a task's; every level too."""
    expected = golden(f"keras_cv/{case}")
    backbone = Backbone.from_preset(folder_of(case))
    assert type(backbone) is ResNetBackbone
    batch = images(f"keras_cv/{case}", backbone)
    close(backbone.predict(batch, verbose=0), expected["features"])
    for level, features in backbone.feature_pyramid().predict(batch, verbose=0).items():
        close(features, expected[level])


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_classifier(folder_of, case):
    """A task takes tensors, as there: KerasCV's folders hold no preprocessing."""
    task = ImageClassifier.from_preset(folder_of(case))
    assert type(task) is ResNetImageClassifier and task.preprocessor is None
    batch = images(f"keras_cv/{case}", task.backbone)
    close(task.predict(batch, verbose=0), golden(f"keras_cv/{case}")["outputs"])


@pytest.mark.once
def test_settings(folder_of):
    task = Task.from_preset(folder_of("resnet_classifier"))
    assert (task.num_classes, task.pooling, task.activation, task.dropout) == (5, "avg", "softmax", 0.0)
    v1 = task.backbone
    assert (v1.include_rescaling, v1.use_pre_activation, v1.padding, v1.epsilon) == (True, False, "same", 1.001e-5)
    v2 = Task.from_preset(folder_of("resnet_v2_classifier")).backbone
    assert (v2.include_rescaling, v2.use_pre_activation, v2.image_shape) == (False, True, (37, 50, 3))


@pytest.mark.once
def test_older_package(folder_of):
    folder = folder_of("resnet_classifier")
    path = folder / "config.json"
    path.write_text(path.read_text().replace("keras_cv>", "keras_cv.models>"))
    edit(path, lambda d: d["config"]["backbone"]["config"].pop("block_type"))  # older still
    assert type(Task.from_preset(folder)) is ResNetImageClassifier


@pytest.mark.once
def test_without_weights(folder_of):
    """Presets of architectures alone."""
    folder = folder_of("resnet_basic")
    edit(folder / "config.json", lambda d: d.update(weights=None))
    backbone = Backbone.from_preset(folder, load_weights=False)
    assert backbone.stackwise_num_filters == [64, 4]


@pytest.mark.once
def test_another_head(folder_of):
    """On a backbone's folder a new head; the optimizer's state that Keras may have written is left out."""
    import h5py

    folder = folder_of("resnet_v2_basic")
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file.create_dataset("optimizer/vars/0", data=np.ones(3, "float32"))
    task = ImageClassifier.from_preset(folder, class_names=["cat", "dog"])
    assert task.num_classes == 2 and task.backbone.use_bias


@pytest.mark.once
def test_saved_as_ones_own(folder_of, tmp_path):
    expected = golden("keras_cv/resnet_v2_classifier")
    task = ImageClassifier.from_preset(folder_of("resnet_v2_classifier"))
    task.save_to_preset(tmp_path / "native")
    again = ImageClassifier.from_preset(tmp_path / "native")
    batch = images("keras_cv/resnet_v2_classifier", again.backbone)
    close(again.predict(batch, verbose=0), expected["outputs"])
