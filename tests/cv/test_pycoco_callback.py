"""The callback evaluates a detector while it trains, and other callbacks act on its numbers."""

import keras
import numpy as np
import pytest

from keras_cv.callbacks import PyCOCOCallback
from keras_cv.metrics import BoxCOCOMetrics, evaluate_boxes

once = pytest.mark.once
NAMES = [f"val_AP{x}" for x in ("", "50", "75", "s", "m", "l")]
NAMES += [f"val_AR{x}" for x in ("max1", "max10", "max100", "s", "m", "l")]
CORNERS = np.float32([[4, 6, 20, 30], [30, 10, 50, 60]])


class Detector(keras.Model):
    """Learns two boxes, xyxy in pixels, the same for all images, and finds them by `predict`."""

    def __init__(self, bounding_box_format=None):
        super().__init__()
        if bounding_box_format is not None:
            self.bounding_box_format = bounding_box_format
        self.corners = self.add_weight(shape=(2, 4), initializer="zeros", name="corners")

    def call(self, images):
        return keras.ops.broadcast_to(self.corners[None], (keras.ops.shape(images)[0], 2, 4))

    def predict(self, images, **options):
        boxes = np.asarray(super().predict(images, **options))
        if getattr(self, "bounding_box_format", "xyxy") == "rel_xyxy":
            boxes = boxes / 64
        count = len(boxes)
        padding = np.full((count, 1), -1)
        return {
            "boxes": np.concatenate([boxes, np.full((count, 1, 4), -1.0)], 1),
            "confidence": np.concatenate([np.tile([[0.9, 0.8]], (count, 1)), padding], 1).astype("float32"),
            "classes": np.concatenate([np.tile([[0, 1]], (count, 1)), padding], 1).astype("int32"),
            "num_detections": np.full(count, 2, "int32"),
        }


@pytest.fixture
def data(random):
    """Six images of 64 x 64 and their two boxes, with a row of padding."""
    boxes = np.concatenate([np.tile(CORNERS, (6, 1, 1)), np.full((6, 1, 4), -1, "float32")], 1)
    images = random.integers(0, 255, (6, 64, 64, 3)).astype("float32")
    return images, {"boxes": boxes, "classes": np.tile(np.float32([0, 1, -1]), (6, 1))}


def trained(data, *callbacks, epochs=20, detector=None):
    detector = detector or Detector()
    detector.compile(keras.optimizers.SGD(0.8), "mse")
    targets = np.tile(CORNERS, (6, 1, 1))
    return detector, detector.fit(
        data[0], targets, batch_size=3, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


def evaluated(detector, data, bounding_box_format="xyxy", **options):
    callback = PyCOCOCallback(data, bounding_box_format, **options)
    callback.set_model(detector)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert list(logs) == NAMES
    return callback, logs


def test_numbers_rise_and_others_act_on_them(data, tmp_path):
    stop = keras.callbacks.EarlyStopping("val_AP", mode="max", patience=8, restore_best_weights=True)
    keep = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "best.weights.h5"), "val_AP50", mode="max", save_best_only=True, save_weights_only=True
    )
    callback = PyCOCOCallback(data, "xyxy", class_names=["cat", "dog"])
    detector, history = trained(data, callback, stop, keep, epochs=60)
    history = history.history
    assert set(NAMES) <= set(history) and history["val_AP"][0] == 0 and max(history["val_AP"]) > 0.9
    assert 0 < stop.stopped_epoch < 59 and (tmp_path / "best.weights.h5").exists()
    expected = evaluate_boxes(data[1], detector.predict(data[0], verbose=0), "xyxy")
    assert max(history["val_AP"]) == pytest.approx(expected.numbers["MaP"])  # the best weights are back
    assert list(callback.scores.classes) == ["cat", "dog"]
    assert callback.scores.numbers["Recall@[max_detections=1]"] == history["val_ARmax1"][-1]


def test_training_goes_on_as_without_it(data):
    losses = [trained(data, *some)[1].history["loss"] for some in ([], [PyCOCOCallback(data, "xyxy")])]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@once
def test_every_sort_of_data(data):
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    images, boxes = data
    detector, _ = trained(data, epochs=12)
    expected = evaluate_boxes(boxes, detector.predict(images, verbose=0), "xyxy").numbers
    assert 0 < expected["MaP"] <= 1

    def batches():
        for some in (slice(0, 4), slice(4, 6)):
            yield images[some], {key: x[some] for key, x in boxes.items()}

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return list(batches())[index]

    rows = [(image, {key: x[i] for key, x in boxes.items()}) for i, image in enumerate(images)]
    sets = tf.data.Dataset.from_tensor_slices((images, boxes)).shuffle(6).batch(4)
    ragged = sets.map(lambda x, y: (x, {key: tf.RaggedTensor.from_tensor(value) for key, value in y.items()}))
    unequal = tf.data.Dataset.from_tensor_slices((tf.ragged.stack(list(images)), boxes)).batch(6)
    keyed = {"boxes": boxes["boxes"], "labels": boxes["classes"]}
    whole = {"images": images, "bounding_boxes": keyed}
    for some in (
        *(data, whole, [whole], (images, {"bounding_boxes": keyed}), list(batches()), batches()),
        *(Batches(), sets, ragged, torch.utils.data.DataLoader(rows, batch_size=4)),
    ):
        _, logs = evaluated(detector, some)
        assert list(logs.values()) == pytest.approx(list(expected.values()), abs=1e-9)
    asked = []
    detector.predict = lambda x, **_: asked.append(x) or Detector.predict(detector, np.stack(x), verbose=0)
    _, logs = evaluated(detector, unequal)
    assert list(logs.values()) == pytest.approx(list(expected.values())) and asked[0][0].shape == (64, 64, 3)


@once
def test_batches_are_kept_unless_they_are_not(data):
    asked = []

    class Batches(keras.utils.PyDataset):
        class_names = ["cat", "dog"]

        def __len__(self):
            return 2

        def __getitem__(self, index):
            asked.append(index)
            return data

    for cache, expected in ((True, [0, 1]), (False, [0, 1] * 3)):
        asked.clear()
        callback = PyCOCOCallback(Batches(), "xyxy", cache=cache)
        trained(data, callback, epochs=3)
        assert asked == expected and list(callback.scores.classes) == ["cat", "dog"]
    with pytest.raises(ValueError, match="A generator yields its batches once: give cache=True"):
        PyCOCOCallback((batch for batch in [data]), "xyxy", cache=False)


@once
def test_the_model_may_have_a_format_of_its_own(data):
    images, boxes = data
    relative = {**boxes, "boxes": np.where(boxes["boxes"] == -1, -1, boxes["boxes"] / 64)}
    detector, _ = trained(data, epochs=12, detector=Detector("rel_xyxy"))
    expected = evaluate_boxes(relative, detector.predict(images, verbose=0), "rel_xyxy", image_shape=(64, 64)).numbers
    for truth, name in ((boxes, "xyxy"), (relative, "rel_xyxy")):
        _, logs = evaluated(detector, (images, truth), name)
        assert list(logs.values()) == pytest.approx(list(expected.values()), abs=1e-6)
    detector.predict = lambda images, **_: Detector.predict(detector, data[0], verbose=0)
    with pytest.raises(ValueError, match="images must be arrays whose size can be told; got str"):
        evaluated(detector, (["a.png"] * 6, boxes))


@once
def test_bad_data_are_named(data):
    detector = Detector()
    for some in (data[0], [data[0]], {"images": data[0]}, (*data, data[0])):
        with pytest.raises(ValueError, match=r"must have \(images, boxes\) or a dictionary of both"):
            evaluated(detector, some)
    with pytest.raises(ValueError, match="bounding_box_format must be one of"):
        PyCOCOCallback(data, "corners")
    detector.predict = lambda images, **_: np.zeros((6, 4))
    with pytest.raises(ValueError, match=r"predict must give a dictionary of boxes; got <class 'numpy.ndarray'>"):
        evaluated(detector, data)
    detector.predict = lambda images, **_: {"boxes": np.zeros((6, 1, 4)), "classes": np.zeros((6, 1))}
    with pytest.raises(ValueError, match="y_pred lacks confidence"):
        evaluated(detector, data)


def test_a_callback_of_ones_own_as_keras_cv_has_it(data):
    """The one in KerasCV's guides: a metric that is asked at the end of an epoch."""

    class EvaluateCOCOMetricsCallback(keras.callbacks.Callback):
        def __init__(self, data):
            super().__init__()
            self.data = data
            self.metrics = BoxCOCOMetrics(bounding_box_format="xyxy", evaluate_freq=1e9)
            self.best_map = -1.0

        def on_epoch_end(self, epoch, logs):
            self.metrics.reset_state()
            for images, y_true in self.data:
                self.metrics.update_state(y_true, self.model.predict(images, verbose=0))
            metrics = self.metrics.result(force=True)
            logs.update(metrics)
            self.best_map = max(self.best_map, metrics["MaP"])
            return logs

    callback = EvaluateCOCOMetricsCallback([data, data])
    _, history = trained(data, callback)
    assert history.history["MaP"][-1] == pytest.approx(max(history.history["MaP"]), abs=0.5)
    assert callback.best_map == max(history.history["MaP"]) > 0.5
