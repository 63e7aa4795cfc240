"""`keras-zoo detect` and `export` on the command line, with a small detector of random weights."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from test_detector_export import SIZE, new_detector, run, some_images

from keras_cv.datasets import load_coco
from keras_cv.images import load_image
from keras_cv.models import ImageClassifier, YOLOV8DetectorPreprocessor
from keras_zoo.cli import main
from keras_zoo.registry import records

BACKEND = keras.backend.backend()
NAMES = ["coat", "boot", "bag of straw"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "finder"
    preprocessor = YOLOV8DetectorPreprocessor(SIZE, interpolation="nearest")
    new_detector(preprocessor=preprocessor, class_names=NAMES).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with two pictures, one of them deeper."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "deep").mkdir()
    for image, name in zip(some_images(2).astype("uint8"), ["b.png", "deep/a.png"], strict=True):
        Image.fromarray(image).resize((192, 128), Image.Resampling.NEAREST).save(folder / name)
    return folder


def test_table(preset, photos, capsys):
    assert main(["detect", str(photos), "--preset", preset]) == 0
    head, *lines = capsys.readouterr().out.rstrip().split("\n")
    assert head.split() == ["FILE", "CLASS", "CONF", "LEFT", "TOP", "RIGHT", "BOTTOM"]
    assert {line.index("  ", len(str(photos))) for line in lines} and len(lines) > 20
    expected = new_detector("xyxy", YOLOV8DetectorPreprocessor(SIZE, interpolation="nearest"), class_names=NAMES)
    found = expected.predict([load_image(photos / "b.png"), load_image(photos / "deep/a.png")])
    assert len(lines) == found["num_detections"].sum()
    assert lines[0].startswith(f"{photos / 'b.png'} ") and lines[-1].startswith(f"{photos / 'deep/a.png'} ")
    cells = lines[0].removeprefix(str(photos / "b.png")).split()
    assert " ".join(cells[:-5]) == NAMES[found["classes"][0, 0]]
    np.testing.assert_allclose(np.float64(cells[-5:-4]), found["confidence"][0, :1], atol=0.006)
    np.testing.assert_allclose(np.float64(cells[-4:]), found["boxes"][0, 0], atol=0.06)


def test_files(preset, photos, tmp_path, capsys):
    """The three formats say the same, and pictures are drawn."""
    out, options = tmp_path / "out", ["--preset", preset, "--confidence", "0.6", "--max-detections", "9"]
    for name in ("json", "csv", "coco"):
        assert main(["detect", str(photos), *options, "--out", str(out), "--format", name]) == 0
    images = json.loads((out / "detections.json").read_text())
    assert [Path(image["file"]).name for image in images] == ["b.png", "a.png"]
    assert all((image["width"], image["height"]) == (192, 128) for image in images)
    objects = [(image["file"], x) for image in images for x in image["objects"]]
    assert 4 < len(objects) <= 18 and all(x["confidence"] > 0.6 for _, x in objects)
    rows = list(csv.DictReader((out / "detections.csv").open()))
    assert [(row["file"], row["class"], float(row["left"])) for row in rows] == [
        (file, x["class"], x["box"][0]) for file, x in objects
    ]
    truth = load_coco(out / "detections_coco.json", photos.parent, image_size=(128, 192), shuffle=False)
    assert truth.class_names == NAMES
    boxes = truth[0]["bounding_boxes"]
    count = len(images[0]["objects"])
    expected = np.asarray([x["box"] for x in images[0]["objects"]])
    np.testing.assert_allclose(boxes["boxes"][0, :count], expected, atol=0.11)
    assert capsys.readouterr().out.count("FILE") == 3  # the table is printed beside the files

    assert main(["detect", str(photos), str(photos / "b.png"), *options, "--out", str(out), "--save-images"]) == 0
    drawn = [load_image(out / name) for name in ("b.png", "a.png", "b_2.png")]
    assert (drawn[0] != load_image(photos / "b.png")).any(-1).sum() > 100 and (drawn[0] == drawn[2]).all()
    yellow = np.abs(drawn[0].astype(int) - [255, 235, 59]).sum(-1) < 30
    left, top, _, bottom = images[0]["objects"][0]["box"]
    assert yellow[round(top) + 1 : round(bottom) - 1, round(left) : round(left) + 1].mean() > 0.5


def test_in_a_pipe(preset, photos):
    """Only data on standard output, of an image that comes in by a pipe."""
    command = [sys.executable, "-m", "keras_zoo.cli", "detect", "-", "--preset", preset, "--format", "json"]
    result = subprocess.run(command, input=(photos / "b.png").read_bytes(), capture_output=True, check=True)
    (image,) = json.loads(result.stdout)
    assert image["file"] == "stdin" and len(image["objects"]) > 10
    assert b"Traceback" not in result.stderr and b"%|" not in result.stderr


def test_video(preset, tmp_path, capsys):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, SIZE[::-1])
    for image in some_images(3):
        writer.write(image.astype("uint8")[..., ::-1].copy())
    writer.release()
    given = ["detect", str(tmp_path / "clip.avi"), "--preset", preset, "--every", "2", "--out", str(tmp_path / "out")]
    assert main([*given, "--save-images"]) == 0
    frames = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [frame["file"] for frame in frames] == [f"{tmp_path / 'clip.avi'}#{i}" for i in (0, 2)]
    assert sorted(x.name for x in (tmp_path / "out").glob("*.png")) == ["clip.avi_0.png", "clip.avi_2.png"]


def test_broken_image_among_others(preset, photos, tmp_path, capsys):
    """The others are done; the message and the status say that one was not."""
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "a.png").write_text("no picture")
    assert main(["detect", str(tmp_path / "photos"), "--preset", preset, "--format", "csv"]) == 1
    said = capsys.readouterr()
    assert "a.png' is not an image" in said.err and len(said.out.split("\n")) > 20


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["nothing.png"], "'nothing.png' does not exist"),
        (["{empty}"], "has no image files below it"),
        (["{empty}/clip.mp4"], "clip.mp4' cannot be opened as a video"),
        (["{photo}", "--confidence", "3"], "confidence_threshold must be from 0 to 1; got 3.0"),
        (["{photo}", "--preset", "resnet_tiny_fashion_mnist"], "ResNetImageClassifier"),
        (["{photo}", "--preset", "yolo_v8_nothing"], "There is no preset and no folder called 'yolo_v8_nothing'"),
    ],
)
def test_refused(preset, photos, tmp_path, capsys, inputs, message):
    if "clip" in inputs[0]:
        (tmp_path / "clip.mp4").write_text("no film")
    given = [x.format(empty=tmp_path, photo=photos / "b.png") for x in inputs]
    assert main(["detect", "--preset", preset, *given]) == 1
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err


def test_wrong_usage(preset, photos, capsys):
    with pytest.raises(SystemExit) as left:
        main(["detect", str(photos), "--preset", preset, "--save-images"])
    assert left.value.code == 2 and "--save-images needs --out FOLDER" in capsys.readouterr().err


@pytest.mark.skipif(BACKEND == "jax", reason="begins again as a process under another backend")
def test_export_command(preset, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "finder.onnx"
    assert main(["export", preset, "--to", "onnx", "--out", str(path), "--confidence", "0.5"]) == 0
    assert capsys.readouterr().out.strip().endswith(str(path))
    images = some_images()
    found = run(path, "onnx", images)
    expected = new_detector().predict(images, confidence_threshold=0.5)
    assert (found["num_detections"] == expected["num_detections"]).all() and found["num_detections"].min() > 3


@pytest.mark.once
def test_export_classifier_under_another_backend(tmp_path):
    """JAX leaves it to TensorFlow or torch, by beginning again."""
    ort = pytest.importorskip("onnxruntime")
    command = [sys.executable, "-m", "keras_zoo.cli", "export", "resnet_tiny_fashion_mnist", "--to", "onnx"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.strip().endswith("resnet_tiny_fashion_mnist.onnx"), result.stderr
    session = ort.InferenceSession(tmp_path / "resnet_tiny_fashion_mnist.onnx", providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert taken.shape[1:] == [56, 56, 3]
    classifier = ImageClassifier.from_preset("resnet_tiny_fashion_mnist")
    example = Path(records()["resnet_tiny_fashion_mnist"]["folder"]) / "example.png"
    (found,) = session.run(None, {taken.name: np.asarray(classifier.preprocessor([example, example]))})
    np.testing.assert_allclose(found, classifier.predict([example, example]), atol=1e-3)


@pytest.mark.once
def test_export_refused(tmp_path, capsys):
    command = [sys.executable, "-m", "keras_zoo.cli", "export", "gpt2_tiny_en_prose", "--to", "onnx"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and "GPT2CausalLM; detectors and image classifiers are exported" in result.stderr
