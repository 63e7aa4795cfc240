"""Classifiers of images: what they take and give, training, labels, presets."""

import io
import json
import pickle

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

from keras_cv.layers import ImageConverter
from keras_cv.models import (
    ImageClassifier,
    ImageClassifierPreprocessor,
    ResNetBackbone,
    ResNetImageClassifier,
    ResNetImageClassifierPreprocessor,
)
from keras_cv.models.resnet import FAMILY
from keras_zoo import PresetError, Task

NAMES = ["cat", "coffee", "rocket"]


def photographs():
    """Three photographs of different sizes, uint8."""
    images = skimage.data.chelsea()[::4, ::4], skimage.data.coffee()[::5, ::5], skimage.data.rocket()[::6, ::7]
    return [np.ascontiguousarray(image) for image in images]


def preprocessor(**options):
    return ResNetImageClassifierPreprocessor((32, 32), scale=1 / 255, antialias=True, resize_to=36, **options)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), None, preprocessor(), class_names=NAMES)


@pytest.fixture(scope="module")
def logits(model):
    """What the network gives for the photographs, image by image."""
    pixels = [model.preprocessor(image) for image in photographs()]
    return np.concatenate([keras.ops.convert_to_numpy(model(x[None], training=False)) for x in pixels])


def encoded(image, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def test_predict_takes_images_of_every_sort(model, logits, tmp_path):
    images = photographs()
    for i, image in enumerate(images):
        (tmp_path / f"{i}.png").write_bytes(encoded(image))
    paths = sorted(tmp_path.iterdir())
    pictures = [Image.fromarray(image) for image in images]
    for given in (images, tuple(images), paths, [str(path) for path in paths], pictures, tmp_path, str(tmp_path)):
        np.testing.assert_allclose(model.predict(given), logits, atol=1e-5)
    mixed = [encoded(images[0]), paths[1], images[2].astype("float32")]
    np.testing.assert_allclose(model.predict(mixed), logits, atol=0.02)  # floats are not rounded
    for given in (images[0], pictures[0], paths[0], str(paths[0]), encoded(images[0]), images[0][None]):
        np.testing.assert_allclose(model.predict(given), logits[:1], atol=1e-5)
    np.testing.assert_allclose(model.predict({"images": images}), logits, atol=1e-5)
    grey = np.arange(2 * 40 * 50, dtype="uint8").reshape(2, 40, 50)
    np.testing.assert_allclose(model.predict(grey)[1], model.predict(np.stack([grey[1]] * 3, -1))[0], atol=1e-5)


def test_batches_do_not_matter(model, logits):
    many = photographs() * 5
    for size in (None, 1, 4, 100):
        np.testing.assert_allclose(model.predict(many, size, verbose=0), np.tile(logits, (5, 1)), atol=1e-5)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        model.predict(many, 0)


def test_names_and_probabilities(model, logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities = powers / powers.sum(-1, keepdims=True)
    found = model.predict(photographs(), return_classes=True)
    best = model.top_k(photographs(), k=2)
    for one, top, row in zip(found, best, probabilities, strict=True):
        order = np.argsort(-row)
        assert one["class_name"] == NAMES[order[0]] and list(one["probabilities"]) == NAMES
        np.testing.assert_allclose(list(one["probabilities"].values()), row, atol=1e-5)
        assert [entry["class_name"] for entry in top] == [NAMES[i] for i in order[:2]]
        np.testing.assert_allclose([entry["probability"] for entry in top], row[order[:2]], atol=1e-5)
    for k in (0, 4, True, "2"):
        with pytest.raises(ValueError, match=r"k must be a whole number from 1 to 3 \(num_classes\); got"):
            model.top_k(photographs(), k=k)
    unnamed = ResNetImageClassifier(model.backbone, 3, model.preprocessor, activation="softmax")
    assert len(model.top_k(photographs()[0])[0]) == 3  # all there are, of the usual five
    top = unnamed.top_k(photographs()[0], k=3)[0]
    assert sorted(entry["class_name"] for entry in top) == [0, 1, 2]
    assert sum(entry["probability"] for entry in top) == pytest.approx(1)


def test_presets_keep_names_and_preprocessing(model, logits, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    for cls in (Task, ImageClassifier, ResNetImageClassifier):
        again = cls.from_preset(tmp_path / "preset")
        assert again.class_names == NAMES and again.preprocessor.get_config() == model.preprocessor.get_config()
        np.testing.assert_allclose(again.predict(photographs()), logits, atol=1e-5)
    for cls in (ImageConverter, ImageClassifierPreprocessor, ResNetImageClassifierPreprocessor):
        converter = cls.from_preset(tmp_path / "preset", image_size=(16, 16))
        assert converter(photographs()).shape == (3, 16, 16, 3)
    path = tmp_path / "model.keras"
    model.save(path)
    np.testing.assert_allclose(keras.saving.load_model(path).predict(photographs()), logits, atol=1e-5)


def test_a_shared_class_on_a_backbone_is_saved(tmp_path):
    """`ImageClassifier(backbone, …)`, as code written for KerasCV makes it."""
    backbone = ResNetBackbone(**FAMILY.tiny)
    shared = ImageClassifierPreprocessor((32, 32), scale=1 / 255)
    model = ImageClassifier(backbone=backbone, num_classes=2, preprocessor=shared)
    images = np.full((1, 40, 40, 3), 90, "uint8")
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for again in (ImageClassifier.from_preset(tmp_path / "preset"), keras.saving.load_model(tmp_path / "model.keras")):
        assert isinstance(again, ImageClassifier)
        np.testing.assert_allclose(again.predict(images), model.predict(images), atol=1e-6)


def test_transformers_processor_is_read_and_written(model, tmp_path):
    model.save_to_preset(tmp_path, format="transformers")
    again = Task.from_preset(tmp_path)
    assert again.class_names == NAMES
    mine, other = model.preprocessor(photographs()), again.preprocessor(photographs())
    np.testing.assert_allclose(other, mine, atol=1e-6)


def sources(images, labels):
    """The same batches of two, in every sort of data set."""
    import tensorflow as tf
    import torch

    def batches():
        return ((images[i : i + 2], labels[i : i + 2]) for i in range(0, len(images), 2))

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return len(images) // 2

        def __getitem__(self, i):
            return images[2 * i : 2 * i + 2], labels[2 * i : 2 * i + 2]

    tensors = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    dicts = tf.data.Dataset.from_tensor_slices({"images": images, "labels": labels})
    yield "arrays", lambda: (images, labels)
    yield "tf", lambda: (tf.data.Dataset.from_tensor_slices((images, labels)).batch(2), None)
    yield "dictionaries", lambda: (dicts.batch(2), None)
    yield "torch", lambda: (torch.utils.data.DataLoader(tensors, batch_size=2), None)
    yield "keras", lambda: (Dataset(), None)
    yield "generator", lambda: (batches(), None)


@pytest.mark.compiles_much
def test_every_source_trains_alike():
    images = np.random.default_rng(0).integers(0, 256, (4, 40, 44, 3), dtype="uint8")
    losses = {}
    for name, make in sources(images, np.array([0, 2, 1, 1])):
        keras.utils.set_random_seed(1)
        model = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), 3, preprocessor())
        x, y = make()
        history = model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0)
        losses[name] = history.history["loss"][0]
    assert np.ptp(list(losses.values())) < 1e-5, losses


@pytest.mark.compiles_much
def test_training_on_paths_and_names_learns(tmp_path):
    """Two sorts of images, by path, with labels by name: after a few epochs every one is told apart."""
    random, paths, labels = np.random.default_rng(0), [], []
    for i in range(16):
        image = random.integers(0, 90, (40, 48, 3), dtype="uint8")
        image[..., 0 if i % 2 else 2] += 120
        paths.append(tmp_path / f"{i}.png")
        paths[-1].write_bytes(encoded(image))
        labels.append("red" if i % 2 else "blue")
    keras.utils.set_random_seed(0)
    backbone = ResNetBackbone(**FAMILY.tiny, momentum=0.5)
    model = ResNetImageClassifier(backbone, None, preprocessor(), class_names=["blue", "red"], dropout=0.1)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(paths, labels, batch_size=8, epochs=8, verbose=0, class_weight={"red": 1.0, "blue": 1.0})
    assert [found["class_name"] for found in model.predict(paths, return_classes=True)] == labels
    assert model.evaluate(paths, labels, verbose=0)[1] == 1


def test_several_labels_and_regression():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype="uint8")
    several = ResNetImageClassifier(
        ResNetBackbone(**FAMILY.tiny), None, preprocessor(), problem="multi_label", class_names=NAMES
    )
    several.fit(images, np.array([[1, 0, 1], [0, 0, 0]]), verbose=0)
    found = several.predict(images, return_classes=True)[0]
    assert found["class_names"] == [name for name, p in found["probabilities"].items() if p > 0.5]
    number = ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), None, preprocessor(), problem="regression")
    number.fit(images, [0.5, -1.0], verbose=0)
    assert number.predict(images).shape == (2, 1)
    with pytest.raises(ValueError, match="A regression has no classes; call predict"):
        number.top_k(images, k=1)


def test_channels_first(model, logits):
    turned = ResNetBackbone(**FAMILY.tiny, data_format="channels_first")
    turned.set_weights(model.backbone.get_weights())
    assert turned.image_shape == (3, None, None)
    other = ResNetImageClassifier(turned, 3, preprocessor(), class_names=NAMES)
    other.output_dense.set_weights(model.output_dense.get_weights())
    np.testing.assert_allclose(other.predict(photographs()), logits, atol=1e-5)
    import tensorflow as tf

    images = np.stack([photographs()[0]] * 2)
    dataset = tf.data.Dataset.from_tensor_slices((images, ["cat", "rocket"])).batch(2)
    assert np.isfinite(other.evaluate(dataset, verbose=0)[0])


def test_paths_inside_tf_data(model, logits, tmp_path):
    import tensorflow as tf

    for i, image in enumerate(photographs()):
        (tmp_path / f"{i}.png").write_bytes(encoded(image))
    paths = sorted(str(path) for path in tmp_path.iterdir())
    dataset = tf.data.Dataset.from_tensor_slices((paths, NAMES)).batch(3)
    np.testing.assert_allclose(model.predict(dataset.map(lambda x, y: x)), logits, atol=1e-5)
    loss = model.evaluate(dataset, verbose=0)[0]
    np.testing.assert_allclose(loss, model.evaluate(photographs(), NAMES, verbose=0)[0], atol=1e-5)
    contents = tf.data.Dataset.from_tensor_slices([encoded(image) for image in photographs()]).batch(3)
    np.testing.assert_allclose(model.predict(contents), logits, atol=1e-5)


@pytest.mark.once
def test_ragged_batches_of_tf_data(model, logits):
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, 3), "uint8")
    dataset = tf.data.Dataset.from_generator(photographs, output_signature=spec).ragged_batch(3)
    np.testing.assert_allclose(model.predict(dataset), logits, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 32, 32, 3), "uint8"), [0, 3], r"Labels must lie in \[0, 3\) for 3 classes; got \[3\]"),
        (np.zeros((2, 32, 32, 3), "uint8"), ["cat", "dog"], r"Unknown class names \['dog'\]; the task has"),
        (np.zeros((2, 32, 32, 3), "uint8"), [0], r"must have the same number of rows; got \[1, 2\]"),
        (np.zeros((2, 32, 32, 3), "uint8"), None, "trains on labels: give y"),
        (np.zeros((32, 32, 2), "uint8"), [0], r"shape \(32, 32, 2\) is no image: those have 1, 3 or 4 channels"),
        (np.full((2, 32, 32, 3), np.nan, "float32"), [0, 1], "not finite"),
        (np.zeros((2, 32, 32, 5), "uint8"), [0, 1], "an image is .* with 1, 3 or 4 channels"),
        (np.zeros((2, 3, 32, 32), "uint8"), [0, 1], "Channels come last"),
        (["nowhere.png", "nowhere.png"], [0, 1], "'nowhere.png' does not exist"),
        ([b"no image", b"no image"], [0, 1], "bytes"),
        ([], [], "The data has no rows"),
    ],
)
def test_bad_data(model, x, y, message):
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)


@pytest.mark.once
def test_data_sets_that_are_not_batched(model):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((2, 32, 32, 3), "uint8"), [0, 1]))
    with pytest.raises(ValueError, match="not batched"):
        model.fit(dataset, verbose=0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs num_classes or class_names"),
        ({"num_classes": 2, "class_names": NAMES}, "class_names must be 2 different names"),
        ({"class_names": ["a", "a"]}, "class_names must be 2 different names"),
        ({"num_classes": 2, "pooling": "sum"}, r"pooling must be one of \('avg', 'max'\); got 'sum'"),
        ({"num_classes": 2, "problem": "ranking"}, "problem must be one of"),
        ({"num_classes": 2, "preprocessor": "x"}, "must be a ResNetImageClassifierPreprocessor or None; got str"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ResNetImageClassifier(ResNetBackbone(**FAMILY.tiny), **options)


@pytest.mark.once
def test_channels_the_preprocessor_does_not_give():
    backbone = ResNetBackbone(**FAMILY.tiny, image_shape=(None, None, 1))
    with pytest.raises(ValueError, match=r"gives images of 3 channels, the backbone takes 1 \(image_shape\)"):
        ResNetImageClassifier(backbone, 2, preprocessor())
    assert ResNetImageClassifier(backbone, 2)(np.zeros((1, 28, 28, 1))).shape == (1, 2)


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": {"shortest_edge": 224}, "resample": 5}, "resample is one of"),
        ({"size": {"longest_edge": 224}}, "preprocessor_config.json holds values of a wrong type: KeyError"),
        ({"do_center_crop": True, "crop_size": 100, "size": 224}, "crop_size .* is not the size"),
        ({"image_std": [0, 0, 0], "size": 224}, "std must be above 0"),
        ({"size": "large"}, "preprocessor_config.json holds values of a wrong type"),
    ],
)
def test_image_processors_refused(model, settings, message, tmp_path):
    model.save_to_preset(tmp_path, format="transformers")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(PresetError, match=message):
        Task.from_preset(tmp_path)


@pytest.mark.once
def test_processors_that_transformers_has_not(model, tmp_path):
    keras_style = ResNetImageClassifierPreprocessor((32, 32), 1 / 255)
    task = ResNetImageClassifier(model.backbone, 3, keras_style)
    with pytest.raises(PresetError, match=r"resizes the shorter side, .*=\(32, 32\), resize_to=None"):
        task.save_to_preset(tmp_path / "preset", format="transformers")


def test_a_classifier_is_tuned_head_first(model):
    """A frozen backbone stays as it is, its statistics included."""
    backbone = ResNetBackbone(**FAMILY.tiny)
    task = ResNetImageClassifier(backbone, None, preprocessor(), class_names=NAMES)
    backbone.trainable = False
    task.compile()
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in backbone.weights]
    head = keras.ops.convert_to_numpy(task.output_dense.kernel).copy()
    task.fit(photographs(), NAMES, verbose=0)
    for weight, value in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    assert abs(keras.ops.convert_to_numpy(task.output_dense.kernel) - head).max() > 0


@pytest.mark.once
def test_converters_are_pickled_for_workers():
    converter = preprocessor()
    again = pickle.loads(pickle.dumps(converter))
    np.testing.assert_array_equal(again(photographs()), converter(photographs()))
