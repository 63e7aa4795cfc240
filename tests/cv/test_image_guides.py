"""The guides that take arguments, on little data."""

import importlib.util
from pathlib import Path

import keras
import pytest
from photographs import photographs

from keras_cv.images import load_image
from keras_cv.models import ImageClassifier, ObjectDetector

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def guide(name):
    spec = importlib.util.spec_from_file_location(name, GUIDES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_finetune_image_classifier(tmp_path, capsys):
    """On pieces of three photographs; what it saves is the classifier that it has measured."""
    module = guide("finetune_image_classifier")
    files = {"--save": tmp_path / "mine", "--picture": tmp_path / "seen.png"}
    arguments = [str(x) for pair in files.items() for x in pair]
    accuracy = module.main([*arguments, "--verbose", "0"])
    assert accuracy > 0.8
    printed = capsys.readouterr().out
    assert "of the held-out images" in printed and printed.count("%)") == 2
    picture = load_image(tmp_path / "seen.png")
    assert picture.shape[1] > 1.5 * picture.shape[0] > 300 and picture.std() > 30
    _, held_out, class_names = module.load(module.parse([]), (56, 56))
    again = ImageClassifier.from_preset(tmp_path / "mine")
    assert again.class_names == class_names == ["brick", "grass", "gravel"]
    again.compile()
    found = again.evaluate(held_out, verbose=0, return_dict=True)["sparse_categorical_accuracy"]
    assert found == pytest.approx(accuracy)


@pytest.mark.once
def test_finetune_image_classifier_on_a_folder(tmp_path, capsys):
    """Two photographs, of a cat and of a cup, cut to pieces; a broken file is left out; two new pictures."""
    for name, picture in zip(("cup", "cat"), photographs((128, 160))[1:3], strict=True):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            left, top = 8 * (i % 5), 8 * (i // 5)
            piece = picture[top : top + 96, left : left + 120]
            keras.utils.save_img(tmp_path / "photos" / name / f"{i}.png", piece, scale=False)
    (tmp_path / "photos" / "cat" / "broken.png").write_bytes(b"\x89PNG")
    new = [str(tmp_path / "photos" / name / "7.png") for name in ("cat", "cup")]
    arguments = ["--folder", str(tmp_path / "photos"), "--new", *new, "--picture", str(tmp_path / "seen.png")]
    with pytest.warns(UserWarning, match=r"broken\.png"):
        accuracy = guide("finetune_image_classifier").main([*arguments, "--verbose", "0"])
    assert accuracy > 0.9
    assert "cat (" in capsys.readouterr().out.split(" · ")[0]


def test_finetune_detector(tmp_path, capsys):
    """Coins that it has not seen are found after some epochs; what it saves finds the same."""
    module = guide("finetune_detector")
    files = {"--save": tmp_path / "mine", "--picture": tmp_path / "found.png"}
    arguments = [str(x) for pair in files.items() for x in pair]
    numbers = module.main([*arguments, "--verbose", "0", "--epochs", "8", "--image-size", "128"])
    assert numbers["MaP@[IoU=50]"] > 0.3
    assert "coin" in capsys.readouterr().out and load_image(tmp_path / "found.png").ndim == 3
    held_out = module.load(module.parse(["--image-size", "128"]))[1]
    again = ObjectDetector.from_preset(tmp_path / "mine", bounding_box_format="xyxy")
    assert again.class_names == ["coin"]
    assert module.evaluate(again, held_out).numbers == pytest.approx(numbers, abs=1e-3)
