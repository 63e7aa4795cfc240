"""Folders as YOLO trains on: a `data.yaml`, images, and a text file of boxes for each."""

import math
from pathlib import Path

import numpy as np

from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.examples import Example, gather, read_text
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import check_on_error, image_files

TOLERANCE = 1e-4  # by which rounded numbers may leave 0-1


def load_yolo(data, split="train", on_error="raise", max_pixels=MAX_PIXELS, **options):
    """A `DetectionDataset` of a YOLO folder.

    `data.yaml` has `names`, a list or a dictionary from numbers, and for each split a folder, a list of folders, or a
    text file of images' paths; relative to its `path` where it has one, otherwise to itself. The boxes of
    `…/images/a/b.jpg` are in `…/labels/a/b.txt`, a line each: the class and, in parts of the image's width and height,
    the centre's x and y, width and height; or the class and the corners of a polygon, around which the box is. An image
    without such a file has no boxes.

    Args:
        data: the yaml file, or the folder it is in.
        split: `"train"`, `"val"` or `"test"`.
        on_error: `"raise"`, or `"skip"` to leave out images that cannot be read or have wrong labels.
        max_pixels: as for `load_image`.
        **options: `image_size`, `batch_size`, `bounding_box_format`, `augmentation` …, see `DetectionDataset`.

    Raises:
        ValueError: a yaml file that is none, names that are missing or of another number than `nc`, a split that is
            not there; with `on_error="raise"` what is wrong with images and labels, with file and line.
    """
    check_on_error(on_error)
    path = yaml_file(Path(data))
    content = read_yaml(path)
    names = names_of(content, path)
    images = images_of(content, split, path)
    labels = [label_file(image) for image in images]
    if not any(label.is_file() for label in labels):
        raise ValueError(f"None of the {len(images)} images has a file of labels, such as {str(labels[0])!r}.")
    found = (example(image, label, len(names)) for image, label in zip(images, labels))
    examples = gather(found, names, on_error, max_pixels)
    return DetectionDataset(examples, on_error=on_error, max_pixels=max_pixels, **options)


def yaml_file(path):
    if not path.is_dir():
        return path
    found = [path / "data.yaml"] if (path / "data.yaml").is_file() else sorted(path.glob("*.y*ml"))
    if len(found) != 1:
        raise ValueError(f"{str(path)!r} has no data.yaml; it has {[x.name for x in found]}.")
    return found[0]


def read_yaml(path):
    """The dictionary in a yaml file. Plain values only: a tag that would make an object is an error."""
    try:
        import yaml
    except ImportError:
        raise ImportError("Reading data.yaml needs PyYAML: pip install 'keras-zoo[cv]'.") from None
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{str(path)!r} cannot be read as yaml of plain values: {reason}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(path)!r} is no data.yaml: it must have the keys train, val and names.")
    return content


def names_of(content, path):
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise ValueError(f"{str(path)!r}: the keys of names must be 0 to {len(names) - 1}, each once.")
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(
            f"{str(path)!r} lacks names: a list of the classes' names, or a dictionary from their numbers."
        )
    if wrong := [type(name).__name__ for name in names if not isinstance(name, str | int | float)]:
        raise ValueError(f"{str(path)!r}: names must be texts; one is of type {wrong[0]}.")
    count = content.get("nc", len(names))
    if count != len(names):
        raise ValueError(f"{str(path)!r} has nc: {count!r} and {len(names)} names.")
    return list(map(str, names))


def images_of(content, split, path):
    """The paths of a split's images."""
    places = content.get(split)
    if not places:
        there = [key for key in ("train", "val", "test") if content.get(key)]
        raise ValueError(f"{str(path)!r} has no split {split!r}; it has {', '.join(there) or 'none'}.")
    if not isinstance(places, str | list) or not all(isinstance(x, str) for x in places):
        raise ValueError(f"{str(path)!r}: {split} must be a path or a list of paths; got {type(places).__name__}.")
    root = path.parent / str(content.get("path") or "")
    return [file for place in ([places] if isinstance(places, str) else places) for file in files_of(place, root, path)]


def files_of(place, root, path):
    # Roboflow writes ../train/images where train/images is meant.
    tried = [root / place, path.parent / place, root / place.removeprefix("../")]
    there = next((x for x in tried if x.exists()), None)
    if there is None:
        raise ValueError(f"{str(path)!r}: there is no {str(tried[0])!r}.")
    if there.is_dir():
        return image_files(there)
    if there.suffix != ".txt":
        raise ValueError(f"{str(path)!r}: {place!r} must be a folder or a .txt file of images' paths.")
    lines = [line.strip() for line in read_text(there).splitlines()]
    return [first_there(there.parent / line, root / line) for line in lines if line]


def first_there(first, second):
    return second if not first.exists() and second.exists() else first


def label_file(image):
    """`…/labels/a/b.txt` of `…/images/a/b.jpg`; beside the image where no folder is called images."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def example(image, label, num_classes):
    classes, boxes, places, problem = [], [], [], ""
    try:
        lines = read_text(label).splitlines() if label.exists() else []
        for number, line in enumerate(lines, 1):
            if line.strip():
                place = f"{str(label)!r} line {number}"
                kind, box = parse(line, place, num_classes)
                classes.append(kind)
                boxes.append(box)
                places.append(place)
    except ValueError as error:
        problem = str(error)
    return Example(image, boxes, classes, "rel_center_xywh", places=places, problem=problem)


def parse(line, place, num_classes):
    """`(class, box)` of a line."""
    fields = line.split()
    polygon = len(fields) >= 7 and len(fields) % 2 == 1
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = []
    if not numbers or not (len(fields) == 5 or polygon) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{place}: {line[:80]!r} is not a class and four finite numbers, or those of a polygon.")
    kind, numbers = numbers[0], numbers[1:]
    if kind != int(kind) or not 0 <= kind < num_classes:
        raise ValueError(f"{place} has the class {fields[0]}; there are {num_classes} classes, 0 to {num_classes - 1}.")
    if not all(-TOLERANCE <= x <= 1 + TOLERANCE for x in numbers):
        raise ValueError(f"{place}: {line[:80]!r} is not in parts of the image: the numbers must lie in 0-1.")
    if polygon:
        corners = np.reshape(numbers, (-1, 2))
        low, high = corners.min(0), corners.max(0)
        numbers = [*(low + high) / 2, *high - low]
    return int(kind), numbers
