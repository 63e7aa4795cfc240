"""Folders of ResNets with something wrong in them: a word that names both sides, and nothing followed or built."""

import re

import h5py
import numpy as np
import pytest
from resnet_golden import copied, edit

from keras_cv.models import Backbone, ImageClassifier, Preprocessor, ResNetImageClassifier, Task
from keras_nlp.models import Tokenizer
from keras_zoo import PresetError

pytestmark = pytest.mark.once
HUB, CV = "keras_hub/resnet_vd", "keras_cv/resnet_v2_classifier"


@pytest.fixture
def folder_of(tmp_path):
    return lambda case: copied(case, tmp_path)


def named(name):
    return lambda d: d.update(registered_name=name)


def setting(**settings):
    return lambda d: d["config"].update(settings)


def inside(change):
    """A change of the backbone in KerasCV's task."""
    return lambda d: change(d["config"]["backbone"])


FUNCTION = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
HUB_JSON = {
    "an unknown backbone": ("config", named("keras_hub>VGGBackbone"), "'VGGBackbone'.*are known: .*ResNetBackbone"),
    "an unknown task": (
        "task",
        named("keras_hub>ResNetSegmenter"),
        r"task\.json names the class 'ResNetSegmenter'.*expected: ResNetImageClassifier\.",
    ),
    "another package": (
        "task",
        named("os>system"),
        r"task\.json must hold a registered_name.*got the name 'os>system'",
    ),
    "an unknown preprocessor": (
        "preprocessor",
        named("keras_hub>Mine"),
        r"preprocessor\.json names the class 'Mine'.*expected: ResNetImageClassifierPreprocessor\.",
    ),
    "an unknown converter": (
        "image_converter",
        named("keras_hub>SAMImageConverter"),
        r"image_converter\.json names the class 'SAMImageConverter'.*expected: ResNetImageConverter\.",
    ),
    "an unknown setting": (
        "config",
        setting(groups=32),
        r"config\.json.*express: groups=32\. It expresses input_",
    ),
    "an unknown setting of the pixels": ("image_converter", setting(gamma=2.2), "not express: gamma=2.2.*image_size"),
    "an unknown block": ("config", setting(block_type="dense"), "does not fit ResNetBackbone: block_type.*'dense'"),
    "sizes that are none": ("config", setting(stackwise_num_filters=[3, "wide"]), "does not fit ResNetBackbone"),
    "lists of two lengths": (
        "config",
        setting(stackwise_num_strides=[1]),
        r"_num_strides=\[1\] must be lists",
    ),
    "a function": ("task", setting(activation=FUNCTION), "activation must be a name"),
    "an unknown pooling": ("task", setting(pooling="median"), "does not fit ResNetImageClassifier: pooling.*'median'"),
    "an unknown interpolation": (
        "image_converter",
        setting(interpolation="area"),
        "does not fit ResNetImageClassifierPreprocessor: interpolation.*'area'",
    ),
    "statistics that are none": (
        "image_converter",
        setting(mean=1, variance=2),
        r"image_converter\.json holds values of a wrong type",
    ),
    "endless depth": (
        "config",
        setting(stackwise_num_blocks=[1, 10**9]),
        "configuration has 1000000001 layers, its weights .* tensors in all",
    ),
    "another width": (
        "config",
        setting(stackwise_num_filters=[3, 4]),
        r"of another shape:\n.*/batch_normalization_10/vars/0: the file has \(8,\), expected \(16,\)",
    ),
    "another depth": (
        "config",
        setting(stackwise_num_blocks=[1, 1]),
        r"(?s)in the file but not in the model:.*batch_normalization_13",
    ),
    "another version": ("config", setting(use_pre_activation=True), r"(?s)The weights do not fit.*of another shape"),
}


@pytest.mark.parametrize("case", HUB_JSON)
def test_configurations_of_keras_hub(folder_of, case):
    folder = folder_of(HUB)
    name, change, message = HUB_JSON[case]
    edit(folder / f"{name}.json", change)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


CV_JSON = {
    "an unknown backbone": (
        inside(named("keras_cv>MiTBackbone")),
        r"The backbone in .*config\.json names the class 'MiTBackbone'; of KerasCV's backbones are known: .*ResNetV2",
    ),
    "an unknown task": (
        named("keras_cv>RetinaNet"),
        r"config\.json names the class 'RetinaNet'.*expected: ImageClassifier\.",
    ),
    "a task alone": (
        lambda d: d["config"].pop("backbone"),
        "the class 'ImageClassifier'; of KerasCV's backbones",
    ),
    "a backbone of another package": (inside(named("os>system")), r"must hold a registered_name.*got the name 'os>sys"),
    "a backbone that is none": (lambda d: d["config"].update(backbone="resnet"), "must hold a registered_name"),
    "an unknown setting": (
        inside(setting(groups=32)),
        "not express: groups=32. It expresses include_rescaling, block_type, stackwise_filters",
    ),
    "dilations": (inside(setting(stackwise_dilations=[1, 2])), r"not express: stackwise_dilations=\[1, 2\]"),
    "dilations that are none": (inside(setting(stackwise_dilations=7)), r"values of a wrong type"),
    "an input that is a tensor": (inside(setting(input_tensor={})), "not express: input_tensor={}"),
    "an unknown block": (inside(setting(block_type="dense")), "does not fit ResNetBackbone: block_type.*'dense'"),
    "a block that is none": (inside(setting(block_type=[1])), "values of a wrong type|does not fit ResNetBackbone"),
    "a function": (setting(activation=FUNCTION), "activation must be a name"),
    "no number of classes": (lambda d: d["config"].pop("num_classes"), "does not fit ResNetImageClassifier"),
    "endless depth": (inside(setting(stackwise_blocks=[2, 10**9])), "has 1000000002 layers, its weights"),
    "the other version": (
        inside(lambda d: [named("keras_cv>ResNetBackbone")(d), d["config"].pop("stackwise_dilations")]),
        r"(?s)missing from the file:.*layers/res_net_backbone/layers/.*not in the model:.*layers/res_net_v2_backbone",
    ),
    "no weights": (lambda d: d.update(weights=None), "no weights were saved; load_weights=False gives random ones"),
    "other weights": (lambda d: d.update(weights="other.h5"), "names the weights 'other.h5', which is not a file"),
    "weights elsewhere": (lambda d: d.update(weights="../../etc/passwd"), "is not a file beside it"),
    "weights that are no name": (lambda d: d.update(weights=["model.weights.h5"]), "is not a file beside it"),
}


@pytest.mark.parametrize("case", CV_JSON)
def test_configurations_of_keras_cv(folder_of, case):
    folder = folder_of(CV)
    change, message = CV_JSON[case]
    edit(folder / "config.json", change)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


def drop(name):
    return lambda file: file.pop(name)


def put(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


KERNEL = "layers/res_net_v2_backbone/layers/conv2d_1/vars/0"
BAD_FILES = {
    "missing": (drop(KERNEL), rf"1 missing from the file:\n    {KERNEL}$"),
    "a missing head": (drop("layers/dense"), r"2 missing from the file:\n    layers/dense/vars/0"),
    "turned": (
        put(KERNEL, np.zeros((3, 64, 1, 1), "float32")),
        r"the file has \(3, 64, 1, 1\), expected \(1, 1, 64, 3\)",
    ),
    "another size": (put("layers/dense/vars/1", np.zeros(7, "float32")), r"the file has \(7,\), expected \(4,\)"),
    "a link": (put(KERNEL, h5py.ExternalLink("/etc/passwd", "x")), "is a group with links as Keras makes none"),
    "unknown": (
        lambda file: file.create_dataset("layers/dense_1/vars/0", data=np.ones(3, "float32")),
        r"1 in the file but not in the model:\n    layers/dense_1/vars/0",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_weight_files(folder_of, case):
    folder = folder_of(CV)
    change, message = BAD_FILES[case]
    with h5py.File(folder / "model.weights.h5", "a") as file:
        change(file)
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)


@pytest.mark.parametrize("case", [HUB, CV])
def test_truncated_files(folder_of, case):
    path = folder_of(case) / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PresetError, match=r"model\.weights\.h5 is not a whole HDF5 file"):
        ImageClassifier.from_preset(path.parent)


def test_no_weights_of_keras_hub(folder_of):
    folder = folder_of(HUB)
    (folder / "task.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"2 missing from the file:\n    task\.weights/layers/dense/vars/0"):
        Task.from_preset(folder)
    (folder / "model.weights.h5").unlink()
    with pytest.raises(PresetError, match=r"expected model\.weights\.h5 or model\.weights\.json"):
        Backbone.from_preset(folder)


def test_no_tokenizer(folder_of):
    folder = folder_of(HUB)
    with pytest.raises(PresetError, match="of the family 'resnet', which has no tokenizer"):
        Tokenizer.from_preset(folder)
    edit(folder / "image_converter.json", named("keras_hub>ResNetImageConverter"))
    (folder / "tokenizer.json").write_text((folder / "preprocessor.json").read_text())
    with pytest.raises(PresetError, match="expected: none, the family has no such part"):
        Preprocessor.from_preset(folder)


@pytest.mark.parametrize("case", [HUB, CV])
def test_modules_in_files_are_not_looked_at(folder_of, case):
    folder = folder_of(case)
    for path in folder.glob("*.json"):
        path.write_text(re.sub(r'"(module|class_name)": "[^"]*"', r'"\1": "antigravity"', path.read_text()))
    for name in ("config", "image_converter", "preprocessor", "task"):  # a policy is told by its class
        if (path := folder / f"{name}.json").is_file():
            path.write_text(path.read_text().replace('"class_name": "antigravity"', '"class_name": "DTypePolicy"'))
    assert type(Task.from_preset(folder)) is ResNetImageClassifier
