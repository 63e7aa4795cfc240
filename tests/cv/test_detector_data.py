"""Detectors on data sets: flagged boxes, several sizes, and metrics of what is flagged."""

import numpy as np
import pytest
from detection_files import NAMES, coco, pictures, save, write_coco

from keras_cv.bounding_box import to_ragged
from keras_cv.callbacks import PyCOCOCallback
from keras_cv.datasets import load_arrays, load_coco
from keras_cv.metrics import evaluate_boxes
from keras_cv.models import YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_cv.tasks.detector_inputs import DetectorInputs

once = pytest.mark.once


@pytest.fixture(scope="module")
def scenes():
    return pictures()


def new_detector(image_shape=(None, None, 3), **options):
    backbone = YOLOV8Backbone([4, 6, 8, 10], [1, 1, 1, 1], image_shape=image_shape)
    return YOLOV8Detector(backbone, class_names=NAMES, bounding_box_format="xyxy", fpn_depth=1, **options)


def with_crowd(scenes, folder, crowd):
    """The scenes, of which the first box of the first image is a crowd's, as large as the image."""
    content = coco(*scenes)
    content["annotations"][0]["bbox"] = [0, 0, *scenes[0][0].shape[1::-1]]
    save(scenes[0], folder)
    content["annotations"][0]["iscrowd"] = 1
    path = write_coco(folder, content)
    return load_coco(path, crowd=crowd, image_size=(64, 64), batch_size=3, shuffle=False, max_boxes=8)


@pytest.mark.parametrize("preprocessor", [None, YOLOV8DetectorPreprocessor((64, 64))])
def test_flagged_crowds_are_not_learnt(scenes, tmp_path, preprocessor):
    detector = new_detector(preprocessor=preprocessor)
    loss = {how: detector.evaluate(with_crowd(scenes, tmp_path, how), verbose=0) for how in ("skip", "flag", "keep")}
    np.testing.assert_allclose(loss["flag"], loss["skip"], rtol=1e-5)
    assert loss["keep"] != pytest.approx(loss["skip"], rel=1e-4)


@once
@pytest.mark.parametrize("key", ["is_crowd", "is_difficult"])
def test_flags_in_every_form(key):
    boxes = np.tile(np.array([[1.0, 2, 30, 40], [5, 6, 20, 30], [-1, -1, -1, -1]], "float32"), (2, 1, 1))
    dense = {"boxes": boxes, "classes": np.array([[0, 2, -1], [1, 3, -1]]), key: np.array([[0, 1, -1], [1, 0, -1]])}
    images = np.zeros((2, 64, 64, 3), "uint8")
    ragged = to_ragged(dense)
    assert [row.tolist() for row in ragged[key]] == [[0, 1], [1, 0]]
    forms = [dense, dense | {key: dense[key] == 1}, ragged, ragged | {key: [row == 1 for row in ragged[key]]}]
    for preprocessor in (None, YOLOV8DetectorPreprocessor((32, 32))):
        inputs = DetectorInputs(preprocessor, "xyxy", 4)
        for form in forms:
            classes = inputs({"images": images, "bounding_boxes": form})[1]["classes"]
            assert classes[:, :3].tolist() == [[0, -1, -1], [-1, 3, -1]]
    with pytest.raises(ValueError, match=r"Flags go row by row with classes; got \(2, 2\) for \(2, 3\)"):
        inputs(images, dense | {key: np.zeros((2, 2))})


def test_flagged_crowds_are_neither_right_nor_wrong(scenes, tmp_path):
    """A detector that has found everything is perfect with the crowd and without, one that knows of none too."""
    dataset = with_crowd(scenes, tmp_path, "flag")
    batches = [dataset[i]["bounding_boxes"] for i in range(len(dataset))]

    class Knows:
        bounding_box_format = "xyxy"

        def __init__(self, crowds):
            self.found = iter(batches)
            self.crowds = crowds

        def predict(self, images, verbose):
            boxes = next(self.found)
            unknown = boxes["is_crowd"] == 1 if not self.crowds else np.zeros(boxes["classes"].shape, bool)
            classes = np.where(unknown, -1, boxes["classes"])
            return {"boxes": boxes["boxes"], "classes": classes, "confidence": np.ones(classes.shape, "float32")}

    for crowds in (True, False):
        callback = PyCOCOCallback(dataset, "xyxy")
        callback.set_model(Knows(crowds))
        scores = callback.evaluate()
        assert scores.numbers["MaP"] == pytest.approx(1)
        assert sum(row["boxes"] for row in scores.classes.values()) == sum(map(len, scenes[1])) - 1


@once
def test_difficult_objects_are_neither_right_nor_wrong():
    truth = {"boxes": np.array([[[0.0, 0, 50, 50], [60, 60, 99, 99]]]), "classes": np.array([[0, 0]])}
    flagged = truth | {"is_difficult": np.array([[1, 0]])}
    found = {"boxes": np.array([[[1.0, 0, 50, 50], [60, 60, 99, 99]]]), "classes": np.array([[0, 0]])}
    found["confidence"] = np.array([[0.9, 0.8]])
    missed = {key: x[:, 1:] for key, x in found.items()}
    assert evaluate_boxes(truth, missed, "xyxy").numbers["MaP"] < 0.6
    for detections in (found, missed):
        assert evaluate_boxes(flagged, detections, "xyxy").numbers["MaP"] == pytest.approx(1)
    # a difficult object is found by its overlap, not by a detection's part in it as a crowd is, and once
    inside = {
        key: np.concatenate([x[:, :1] if key != "boxes" else [[[0.0, 0, 10, 10]]], x], 1) for key, x in found.items()
    }
    twice = {key: np.concatenate([x[:, :1], x], 1) for key, x in found.items()}
    for detections in (inside, twice):
        assert evaluate_boxes(flagged, detections, "xyxy").numbers["MaP"] == pytest.approx(0.5, abs=0.01)
        crowd = truth | {"is_crowd": flagged["is_difficult"]}
        assert evaluate_boxes(crowd, detections, "xyxy").numbers["MaP"] == pytest.approx(1)


@once
@pytest.mark.parametrize("preprocessor", [None, YOLOV8DetectorPreprocessor((64, 64), scale=0.5)])
def test_several_sizes_reach_the_network(scenes, preprocessor):
    options = {"class_names": NAMES, "image_size": 64, "batch_size": 2, "shuffle": False}
    dataset = load_arrays(*scenes, multi_scale=[32, 96], **options)
    detector = new_detector(preprocessor=preprocessor)
    batches = detector.prepare(dataset)
    found = {batches[i][0].shape[1:3] for i in range(len(dataset))}
    assert found == {(32, 32), (96, 96)}
    images, truth = batches[0]
    np.testing.assert_array_equal(images, dataset[0]["images"] * (1 if preprocessor is None else 0.5))
    np.testing.assert_array_equal(truth["boxes"][:, :4], dataset[0]["bounding_boxes"]["boxes"][:, :4])
    if preprocessor is not None:
        assert detector.prepare(load_arrays(*scenes, **options | {"image_size": 96}))[0][0].shape[1:3] == (64, 64)


@once
def test_several_sizes_and_a_backbone_of_one(scenes):
    dataset = load_arrays(*scenes, class_names=NAMES, image_size=64, batch_size=2, multi_scale=[32, 96])
    detector = new_detector((64, 64, 3), preprocessor=YOLOV8DetectorPreprocessor((64, 64)))
    with pytest.raises(ValueError, match=r"of the sides \[32, 96\]; the backbone takes images of \(64, 64\) alone"):
        detector.fit(dataset, verbose=0)
