"""What is wrong with a data set for detection is named: file, line or object, value, and what is accepted."""

import json

import numpy as np
import pytest
from detection_files import NAMES, annotation, coco, pictures, save, tfds_examples, write_coco, write_voc, write_yolo

from keras_cv import layers
from keras_cv.callbacks import CloseMosaic
from keras_cv.datasets import load_arrays, load_coco, load_pascal_voc, load_tfds, load_yolo

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def scenes():
    return pictures()


@pytest.fixture
def yolo(scenes, tmp_path):
    return write_yolo(tmp_path, *scenes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4 0.5 0.5 0.2 0.2", "line 2 has the class 4; there are 4 classes, 0 to 3"),
        ("-1 0.5 0.5 0.2 0.2", "line 2 has the class -1; there are 4 classes"),
        ("1.5 0.5 0.5 0.2 0.2", r"line 2 has the class 1\.5; there are 4 classes"),
        ("1 0.5 0.5 0 0.2", r"line 2: .* has no area"),
        ("1 0.5 0.5 -0.2 0.2", "numbers must lie in 0-1"),
        ("1 320 240 64 64", "line 2: '1 320 240 64 64' is not in parts of the image: the numbers must lie in 0-1"),
        ("cat 0.5 0.5 0.2 0.2", "line 2: 'cat 0.5 0.5 0.2 0.2' is not a class and four finite numbers"),
        ("1 0.5 nan 0.2 0.2", "not a class and four finite numbers"),
        ("1 0.5 0.5 0.2", "not a class and four finite numbers"),
        ("1 0.5 0.5 0.2 0.2 0.9", "not a class and four finite numbers"),
    ],
)
def test_lines_of_yolo(yolo, line, message):
    (yolo / "labels/train/001.txt").write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    with pytest.raises(ValueError, match=rf"(?s)on_error='skip'.*001\.txt.*{message}"):
        load_yolo(yolo)
    with pytest.warns(UserWarning, match="1 of 6 images were skipped"):
        dataset = load_yolo(yolo, on_error="skip")
    assert len(dataset.examples) == 5 and "001.txt" in dataset.skipped[0]


def test_images_that_are_missing_or_broken(yolo):
    whole = (yolo / "images/train/003.png").read_bytes()
    (yolo / "images/train/003.png").write_bytes(whole[: len(whole) // 2])
    (yolo / "images/train/004.png").write_bytes(b"<html>")
    (yolo / "list.txt").write_text("".join(f"images/train/{i:03}.png\n" for i in (1, 3, 4, 77)))
    (yolo / "data.yaml").write_text(f"train: list.txt\nnames: {json.dumps(NAMES)}\n")
    with pytest.raises(ValueError, match=r"(?s)003\.png.*truncated.*004\.png.*web page.*077\.png' does not exist"):
        load_yolo(yolo)
    with pytest.warns(UserWarning, match="3 of 4 images were skipped"):
        assert len(load_yolo(yolo, on_error="skip").examples) == 1
    (yolo / "list.txt").write_text("images/train/003.png\nimages/train/000.png\n")
    (yolo / "images/train/000.png").unlink()
    with pytest.raises(ValueError, match="no images that can be read"):
        load_yolo(yolo, on_error="skip")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images/train\n", "lacks names: a list"),
        ("train: images/train\nnames: []\n", "lacks names: a list"),
        ("train: images/train\nnames: [a, b]\nnc: 4\n", "has nc: 4 and 2 names"),
        ("train: images/train\nnames: [a, b]\n", "has the class 3; there are 2 classes"),
        ("train: images/train\nnames: {1: a, 2: b}\n", "the keys of names must be 0 to 1"),
        ("train: images/train\nnames: [[a], b]\n", "names must be texts; one is of type list"),
        ("val: images/train\nnames: [a, b]\n", "has no split 'train'; it has val"),
        ("train: images/val\nnames: [a, b]\n", r"there is no '.*images/val'"),
        ("train: 7\nnames: [a, b]\n", "must be a path or a list of paths; got int"),
        ("train: data.yaml\nnames: [a, b]\n", "must be a folder or a .txt file"),
        ("just a text", "is no data.yaml: it must have the keys"),
        ("train: [images/train\nnames: [a, b]\n", "cannot be read as yaml"),
    ],
)
def test_data_yaml(yolo, yaml, message):
    (yolo / "data.yaml").write_text(yaml)
    with pytest.raises(ValueError, match=message):
        load_yolo(yolo)


def test_yaml_runs_no_code(yolo, tmp_path):
    mark = tmp_path / "ran"
    (yolo / "data.yaml").write_text(f'train: images/train\nnames: !!python/object/apply:os.mkdir ["{mark}"]\n')
    with pytest.raises(ValueError, match=r"yaml of plain values: could not determine a constructor .*python/object"):
        load_yolo(yolo)
    assert not mark.exists()
    bomb = "a: &a [x, x]\n" + "".join(f"{y}: &{y} [*{x}, *{x}]\n" for x, y in zip("abcdefghij" * 1, "bcdefghijk"))
    (yolo / "data.yaml").write_text(f"{bomb}train: images/train\nnames: *k\n")
    with pytest.raises(ValueError, match="names must be texts; one is of type list"):
        load_yolo(yolo)


def test_other_files_of_yolo(yolo, tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        load_yolo(tmp_path / "nowhere.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has no data.yaml; it has \[\]"):
        load_yolo(tmp_path / "empty")
    (yolo / "labels/train/001.txt").write_bytes(b"\xff\xfe0 0.5")
    with pytest.raises(ValueError, match=r"001\.txt' is not a text in UTF-8"):
        load_yolo(yolo)
    (yolo / "labels/train/001.txt").write_bytes(b" " * (11 << 20))
    with pytest.raises(ValueError, match="has 11,534,336 bytes; no more than"):
        load_yolo(yolo)
    for file in (yolo / "labels/train").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"None of the 6 images has a file of labels, such as .*labels/train/000\.txt"):
        load_yolo(yolo)


def changed(part, place, **entries):
    def change(content):
        content[part][place] = {**content[part][place], **entries}

    return change


def without(part):
    return lambda content: content.pop(part)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("images"), "is no COCO json: it lacks the lists images"),
        (without("categories"), "lacks the lists categories"),
        (changed("images", 1, file_name=None), r"images\[1\] needs id and file_name"),
        (changed("images", 1, id=100), "two images of one id"),
        (changed("images", 1, file_name="gone.png"), r"gone\.png' does not exist"),
        (changed("images", 0, width=640), "pixels wide and .* its labels say 640 and"),
        (changed("categories", 1, id=3), "two categories of one id"),
        (changed("annotations", 2, category_id=44), "Annotation 2 has the category 44, which is not among"),
        (changed("annotations", 2, image_id=7), "Annotation 2 is of image 7, which is not there"),
        (changed("annotations", 2, bbox=[1, 2, 3]), r"Annotation 2: bbox must be .* got \[1, 2, 3\]"),
        (changed("annotations", 2, bbox=[1, 2, "3", 4]), "Annotation 2: bbox must be"),
        (
            changed("annotations", 2, bbox=[9, 9, 0, 4]),
            r"Annotation 2 of .*\[9\.0, .*\] as xywh has no area",
        ),
        (changed("annotations", 2, bbox=[9, 9, -3, 4]), "Annotation 2 of .* ends before it begins"),
        (changed("annotations", 2, bbox=[900, 9, 3, 4]), "Annotation 2 of .* lies outside of its image"),
        (changed("annotations", 2, bbox=[9, 9, float("nan"), 4]), "is not made of finite numbers"),
    ],
)
def test_coco(scenes, tmp_path, change, message):
    save(scenes[0], tmp_path)
    content = coco(*scenes)
    change(content)
    with pytest.raises(ValueError, match=message):
        load_coco(write_coco(tmp_path, content))


def test_other_files_of_coco(scenes, tmp_path):
    path = write_coco(tmp_path, coco(*scenes))
    with pytest.raises(ValueError, match="images must be a folder"):
        load_coco(path, tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no categories \['cow'\]; it has \['cat', 'cup & saucer', 'dog', 'rock"):
        load_coco(path, class_names=["cow"])
    with pytest.raises(ValueError, match="crowd must be one of"):
        load_coco(path, crowd=True)
    with pytest.raises(ValueError, match="does not exist"):
        load_coco(tmp_path / "nowhere.json")
    for text, message in {"[1, 2": "is not json", "[1, 2]": "is no COCO json", "[" * 100_000: "is not json"}.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            load_coco(path)


BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
NAMED = f"<annotation><object><name>a</name>{BOX}</object></annotation>"


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY e "x">]><annotation>&e;</annotation>', "declares the entity 'e'; entities are refused"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>', "declares the entity"),
        ("<annotation>" + "<a>" * 40 + "</a>" * 40 + "</annotation>", "nested deeper than 32"),
        ("<annotation><object>", "is not xml: no element found"),
        ("<svg/>", "its root is <svg>"),
        (f"<annotation><object>{BOX}</object></annotation>", "lacks <name>"),
        ("<annotation><object><name>a</name></object></annotation>", "lacks <xmin>"),
        (
            f"<annotation><object><name>a</name>{BOX.replace('9', 'x', 1)}</object></annotation>",
            "must be a number; got 'x'",
        ),
        (
            f"<annotation><object><name>a</name>{BOX.replace('9', '0', 1)}</object></annotation>",
            r"object 0 \(a\).* no area",
        ),
        (
            f"<annotation><object><name>a</name>{BOX.replace('9', '-3', 1)}</object></annotation>",
            "ends before it begins",
        ),
        ("<annotation><filename>gone.jpg</filename></annotation>", r"gone\.jpg' does not exist"),
    ],
)
def test_pascal_voc(scenes, tmp_path, xml, message):
    folder = write_voc(tmp_path, *scenes)
    if "gone" in message:
        (folder / "JPEGImages/001.png").unlink()
    (folder / "Annotations/001.xml").write_text(xml)
    with pytest.raises(ValueError, match=rf"(?s)on_error='skip'.*{message}"):
        load_pascal_voc(folder)
    with pytest.warns(UserWarning, match="1 of 6 images were skipped"):
        assert len(load_pascal_voc(folder, on_error="skip").examples) == 5


def test_other_files_of_pascal_voc(scenes, tmp_path):
    folder = write_voc(tmp_path, *scenes)
    (folder / "Annotations/001.xml").write_text(annotation("001.png", np.zeros((9, 9, 3)), [], []))
    with pytest.raises(ValueError, match="its labels say 9 and 9"):
        load_pascal_voc(folder)
    (folder / "Annotations/001.xml").write_bytes(b" " * (11 << 20))
    with pytest.raises(ValueError, match=r"001\.xml' has 11,534,336 bytes"):
        load_pascal_voc(folder)
    with pytest.raises(ValueError, match=r"No object in .* has a name among \['cow'\]; there are \['cat'"):
        load_pascal_voc(folder, class_names=["cow"])
    with pytest.raises(ValueError, match=r"ImageSets/Main/train\.txt' does not exist"):
        load_pascal_voc(folder, "train")
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("000 1\n777 -1\n")
    with pytest.raises(ValueError, match=r"777\.xml' does not exist"):
        load_pascal_voc(folder, "train")
    with pytest.raises(ValueError, match="is not a folder"):
        load_pascal_voc(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no xml files"):
        load_pascal_voc(tmp_path / "empty")
    with pytest.raises(ValueError, match="first_pixel must be 0 or 1"):
        load_pascal_voc(folder, first_pixel=2)
    with pytest.raises(ValueError, match="difficult must be one of"):
        load_pascal_voc(folder, difficult=None)


def test_tfds_and_arrays(scenes):
    rows = tfds_examples(*scenes)
    rows[1]["objects"]["bbox"][0] = [0.5, 0.5, 0.4, 0.6]
    with pytest.raises(ValueError, match=r"Example 1, object 0: .* as rel_yxyx ends before it begins"):
        load_tfds(rows)
    with pytest.raises(ValueError, match="example 0 is: image, label"):
        load_tfds([{"image": 1, "label": 2}])
    with pytest.raises(ValueError, match=r"has the class 3; there are 2 classes, 0 to 1"):
        load_tfds(tfds_examples(*scenes), class_names=["a", "b"])
    images, boxes, classes = scenes
    with pytest.raises(ValueError, match="got 6 images, boxes of 6 and classes of 5"):
        load_arrays(images, boxes, classes[:5])
    with pytest.raises(ValueError, match=r"Image 1: boxes must be \(n, 4\) .* got shapes \(2, 3\)"):
        load_arrays(images, [boxes[0], boxes[1][:, :3], *boxes[2:]], classes)
    with pytest.raises(ValueError, match=r"Image 0, box 0: .* has the class -2\.?0?; classes are whole numbers"):
        load_arrays(images, boxes, [classes[0] * 0 - 2, *classes[1:]])
    with pytest.raises(ValueError, match="source_format must be one of"):
        load_arrays(images, boxes, classes, source_format="corners")
    with pytest.raises(ValueError, match="no images that can be read:\n  it is empty"):
        load_arrays([], [], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": (0, 4)}, r"image_size must be \(height, width\) in pixels.* got \(0, 4\)"),
        ({"image_size": "large"}, "image_size must be"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"bounding_box_format": "corners"}, "bounding_box_format must be one of"),
        ({"augmentation": [layers.RandomFlip(bounding_box_format="xyxy"), 3]}, "must be layers or functions; got int"),
        ({"multi_scale": [32, 50]}, r"different multiples of 32; got \[32, 50\]"),
        ({"multi_scale": 64}, "two or more different multiples of 32"),
        ({"max_boxes": 0}, "max_boxes must be a whole number"),
        ({"drop_remainder": True}, "leaves no batch of 16 of 6 images"),
        ({"dtype": "float16"}, "dtype must be 'uint8' or 'float32'; got 'float16'"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip'"),
    ],
)
def test_options(scenes, options, message):
    with pytest.raises(ValueError, match=message):
        load_arrays(*scenes, **options)


def test_other_mistakes(scenes):
    dataset = load_arrays(*scenes, image_size=32)
    with pytest.raises(IndexError, match="has 1 batches; there is no batch 1"):
        dataset[1]
    flip = load_arrays(*scenes, image_size=32, augmentation=layers.RandomFlip())
    with pytest.raises(ValueError, match="RandomFlip was given boxes; say in which format"):
        flip[0]
    with pytest.raises(ValueError, match="dataset must be a DetectionDataset; got list"):
        CloseMosaic([])
    with pytest.raises(ValueError, match="last_epochs must be a whole number"):
        CloseMosaic(dataset, -1)
