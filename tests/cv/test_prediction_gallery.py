"""The callback writes what a model predicts, epoch after epoch, and never stops a training."""

import glob
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_cv.callbacks import PredictionGallery
from keras_cv.callbacks.prediction_gallery import caption, classes_of, label_name
from keras_cv.images import image_folder

once = pytest.mark.once


@pytest.fixture
def data():
    """Dark images of class 0 and bright ones of class 1."""
    images = np.concatenate([np.full((4, 8, 8, 3), 30, "uint8"), np.full((4, 8, 8, 3), 220, "uint8")])
    return images, np.repeat([0, 1], 4)


def classifier(units=2, **options):
    layers = keras.layers
    model = keras.Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(units, **options)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss)
    return model


def test_a_picture_for_each_epoch_and_the_training_goes_on(data, tmp_path):
    """Predicting in the middle of `fit` changes nothing about what is learnt."""

    def losses(*callbacks):
        keras.utils.set_random_seed(0)
        model = classifier()
        return model.fit(*data, epochs=4, batch_size=4, shuffle=False, verbose=0, callbacks=callbacks).history["loss"]

    gallery = PredictionGallery(data, every=2, folder=tmp_path / "a" / "b", class_names=["dark", "bright"], rows=2)
    np.testing.assert_allclose(losses(gallery), losses(), rtol=1e-5)
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert names == ["predictions_0002.png", "predictions_0004.png"]
    assert Image.open(tmp_path / "a" / "b" / names[0]).width > 300
    shown = [text.get_text().split()[1] for text in gallery.draw(4).texts if text.get_text()[0] in "✓✗"]
    assert shown == [["dark", "bright"][i] for i in gallery.model.predict(data[0][:6], verbose=0).argmax(-1)]


@once
def test_captions_say_what_was_wrong():
    assert caption(("cat", 0.871), "cat") == ("✓ cat 0.87", "#0072b2")
    assert caption(("cat", 0.5), "dog")[0] == "✗ cat 0.50\ntrue: dog"
    assert caption(("cat", 0.5), None) == "cat 0.50"
    assert classes_of([{"class_names": ["cat", "dog"], "probabilities": {}}, {"class_names": []}], None) == [
        ("cat, dog", None),
        ("none", None),
    ]
    assert label_name(np.array([1, 0, 1]), ["cat", "cow", "dog"]) == "cat, dog"
    assert caption(("cat, dog", None), "cat, dog")[0] == "✓ cat, dog"


@once
@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[0.1, 0.9]], ("b", 0.9)),  # probabilities
        ([[2.0, 0.0]], ("a", 0.881)),  # logits
        ([[0.2]], ("a", 0.8)),  # one probability, of the second class
        ([[3.0]], ("b", 0.953)),  # one logit
        ([{"class_name": "b", "probability": 0.7, "probabilities": {}}], ("b", 0.7)),
    ],
)
def test_every_form_of_scores(scores, expected):
    ((name, probability),) = classes_of(np.float32(scores) if isinstance(scores[0], list) else scores, ["a", "b"])
    assert name == expected[0] and probability == pytest.approx(expected[1], abs=1e-3)


@once
def test_forms_of_labels(data, tmp_path):
    images, labels = data
    for truth in (labels, np.eye(2)[labels], labels[:, None], ["dark"] * 4 + ["bright"] * 4):
        gallery = PredictionGallery((images, truth), folder=tmp_path, class_names=["dark", "bright"])
        gallery.set_model(classifier())
        assert gallery.labels() == ["dark"] * 4 + ["bright"] * 4
    gallery = PredictionGallery(images, folder=tmp_path)
    gallery.set_model(classifier())
    assert gallery.labels() == [None] * 8 and not any("✓" in text.get_text() for text in gallery.draw(1).texts)


@once
def test_a_data_set_brings_its_names(tmp_path):
    for name, value in (("bright", 220), ("dark", 20)):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / name / f"{i}.png")
    data = image_folder(tmp_path, (8, 8), batch_size=2, shuffle=False)
    gallery = PredictionGallery(data, folder=tmp_path / "out", rows=2, cols=2)
    classifier().fit(data, epochs=1, verbose=0, callbacks=[gallery])
    assert gallery.labels() == ["bright"] * 3 + ["dark"] and (tmp_path / "out/predictions_0001.png").exists()


class Detector(keras.Model):
    """Finds one box in every image, where it was told."""

    bounding_box_format = "xywh"
    class_names = ["thing"]

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, images):
        batch = keras.ops.shape(images)[0]
        ones = keras.ops.ones((batch, 3)) * self.scale
        boxes = keras.ops.tile(keras.ops.convert_to_tensor([[[1.0, 1, 4, 4]]]), (batch, 3, 1))
        return {"boxes": boxes, "confidence": ones, "classes": ones * 0, "num_detections": ones[:, 0]}


def test_a_detector(data, tmp_path):
    images, _ = data
    truth = {"boxes": np.tile(np.float32([2, 2, 4, 4]), (8, 1, 1)), "classes": np.zeros((8, 1))}
    gallery = PredictionGallery((images, truth), folder=tmp_path, rows=2, cols=2)
    gallery.set_model(Detector())
    figure = gallery.draw(1)
    pixels = figure.axes[0].images[0].get_array().reshape(-1, 3)
    assert {(0, 188, 212), (255, 235, 59)} <= set(map(tuple, pixels))
    assert figure.legends


@once
def test_masks(data, tmp_path):
    images, _ = data
    masks = np.zeros((8, 8, 8, 1), "int32")
    gallery = PredictionGallery({"images": images, "segmentation_masks": masks}, folder=tmp_path, rows=2, cols=1)
    gallery.set_model(keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 1)]))
    assert len(gallery.draw(1).axes) == 6


@once
def test_a_failing_picture_is_a_warning(data, tmp_path):
    model = classifier(kernel_initializer=keras.initializers.Constant(float("nan")))
    gallery = PredictionGallery(data, folder=tmp_path)
    with pytest.warns(UserWarning, match="no picture of epoch 1. ValueError: the model's predictions are not finite"):
        model.fit(*data, epochs=1, verbose=0, callbacks=[gallery])
    assert not list(tmp_path.iterdir())


@once
def test_bad_arguments_are_named(data, tmp_path):
    with pytest.raises(ValueError, match="nowhere to put its pictures; give folder"):
        PredictionGallery(data)
    with pytest.raises(ValueError, match="every must be an int of at least 1"):
        PredictionGallery(data, every=0, folder=tmp_path)
    with pytest.raises(ValueError, match=r"does not know \['colour'\]"):
        PredictionGallery(data, folder=tmp_path, colour="red")
    with pytest.raises(ValueError, match=r"\(images, labels\) or \(images, boxes\); got a tuple of 3"):
        PredictionGallery((*data, data[1]), folder=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot be made"):
        PredictionGallery(data, folder=tmp_path / "file")


@once
def test_wandb_is_asked_for_only_where_it_is(data):
    try:
        import wandb  # noqa: F401
    except ImportError:
        message = "wandb is not installed: pip install wandb"
    else:
        message = "True once wandb.init"
    with pytest.raises(ValueError, match=message):
        PredictionGallery(data, wandb=True)


def test_wandb_gets_the_pictures(data, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = wandb.init(dir=tmp_path, project="test")
    classifier().fit(*data, epochs=2, verbose=0, callbacks=[PredictionGallery(data, wandb=run)])
    run.finish()
    assert len(glob.glob(f"{tmp_path}/wandb/offline-run*/files/media/images/*.png")) == 2


def test_tensorboard_gets_the_pictures(data, tmp_path):
    """The events are read back from the file, whichever library wrote them."""
    tf = pytest.importorskip("tensorflow")
    gallery = PredictionGallery(data, tensorboard_dir=tmp_path, name="samples")
    model = classifier()
    model.fit(*data, epochs=2, verbose=0, callbacks=[gallery])
    model.fit(*data, initial_epoch=2, epochs=3, verbose=0, callbacks=[gallery])
    found = {}
    for file in glob.glob(f"{tmp_path}/**/events*", recursive=True):
        for record in tf.data.TFRecordDataset(file):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                png = value.tensor.string_val[2] if value.tensor.string_val else value.image.encoded_image_string
                found[event.step] = value.tag, tf.io.decode_png(png).shape
    assert sorted(found) == [1, 2, 3] and found[1][0] == "samples" and found[1][1][0] > 100


@once
def test_without_a_writer_tensorboard_says_what_to_install(data, tmp_path, monkeypatch):
    for name in ("tensorflow", "tensorboard", "tensorboardX"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [x for x in sys.meta_path if "Editable" not in str(x)])
    with pytest.raises(ValueError, match="pip install tensorboardX"):
        PredictionGallery(data, tensorboard_dir=tmp_path)
