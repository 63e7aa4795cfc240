"""COCO's json: one file with the boxes of all images."""

import json
from pathlib import Path

import numpy as np

from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.examples import Example, check_flag, flagged, gather
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import check_on_error

PARTS = ("images", "annotations", "categories")


def load_coco(
    annotations,
    images=None,
    class_names=None,
    crowd="skip",
    on_error="raise",
    max_pixels=MAX_PIXELS,
    **options,
):
    """A `DetectionDataset` of a COCO json file, such as `instances_val2017.json`.

    Classes are the categories in the order of their ids, without the gaps that ids may have; the data set's
    `category_ids` has the id of each, for results to be written with.

    Args:
        annotations: the json file.
        images: the folder to which the images' `file_name` is relative; by default that of the json file.
        class_names: the categories to read, in the order of their classes; by default all.
        crowd: what is done with boxes around crowds (`iscrowd`): `"skip"` leaves them out; `"flag"` keeps them and
            adds `"is_crowd"`, `(B, N)`, to the bounding boxes; `"keep"` treats them as any other.
        on_error: `"raise"`, or `"skip"` to leave out images that cannot be read or have wrong annotations.
        max_pixels: as for `load_image`.
        **options: see `DetectionDataset`.

    Raises:
        ValueError: a file that is no COCO json, categories that are not there; with `on_error="raise"` what is wrong
            with images and annotations, with its id.
    """
    check_on_error(on_error)
    check_flag(crowd, "crowd")
    path = Path(annotations)
    folder = path.parent if images is None else Path(images)
    if not folder.is_dir():
        raise ValueError(f"images must be a folder; {str(folder)!r} is none.")
    content = read_json(path)
    ids, names = categories_of(content, class_names, path)
    rows, problems = by_image(content, path)
    found = (example(image, rows[image["id"]], ids, crowd, folder) for image in content["images"])
    gathered = gather(found, names, on_error, max_pixels, problems)
    dataset = DetectionDataset(gathered, on_error=on_error, max_pixels=max_pixels, **options)
    dataset.category_ids = sorted((number for number, place in ids.items() if place is not None), key=ids.get)
    return dataset


def read_json(path):
    """The dictionary in a COCO json file, with its three lists."""
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist.")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not json: {error}.") from error
    lists = [key for key in PARTS if isinstance(content, dict) and isinstance(content.get(key), list)]
    if missing := [key for key in PARTS if key not in lists]:
        raise ValueError(f"{str(path)!r} is no COCO json: it lacks the lists {', '.join(missing)}.")
    needed = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ("image_id",)}
    for part, keys in needed.items():
        for place, entry in enumerate(content[part]):
            if not isinstance(entry, dict) or not all(isinstance(entry.get(key), int | str) for key in keys):
                raise ValueError(f"{str(path)!r} is no COCO json: {part}[{place}] needs {' and '.join(keys)}.")
    return content


def categories_of(content, class_names, path):
    """`(ids, names)`: from a category's id to its class, None for what is not read; and the classes' names."""
    there = {entry["id"]: entry["name"] for entry in content["categories"]}
    names = [there[number] for number in sorted(there)]
    if len(set(names)) < len(names) or len(there) < len(content["categories"]):
        raise ValueError(f"{str(path)!r} has two categories of one id or of one name.")
    wanted = names if class_names is None else list(class_names)
    if missing := [name for name in wanted if name not in names]:
        raise ValueError(f"{str(path)!r} has no categories {missing}; it has {names}.")
    return {number: wanted.index(name) if name in wanted else None for number, name in there.items()}, wanted


def by_image(content, path):
    """`(annotations by image id, problems)`."""
    rows = {entry["id"]: [] for entry in content["images"]}
    if len(rows) < len(content["images"]):
        raise ValueError(f"{str(path)!r} has two images of one id.")
    lost = [entry for entry in content["annotations"] if entry["image_id"] not in rows]
    for entry in content["annotations"]:
        if entry["image_id"] in rows:
            rows[entry["image_id"]].append(entry)
    problems = [f"{called(entry)} is of image {entry['image_id']!r}, which is not there." for entry in lost]
    return rows, problems


def called(entry):
    return f"Annotation {entry.get('id', '?')!r}"


def example(image, rows, ids, crowd, folder):
    path, problem = folder / str(image["file_name"]), ""
    try:
        rows = [entry for entry in rows if class_of(entry, ids) is not None]
        boxes = [box_of(entry) for entry in rows]
    except ValueError as error:
        boxes, rows, problem = [], [], str(error)
    kept, flags = flagged([bool(entry.get("iscrowd", 0)) for entry in rows], crowd, "is_crowd")
    rows = [rows[i] for i in kept]
    size = (image.get("height"), image.get("width"))
    return Example(
        path,
        np.reshape(boxes, (-1, 4))[kept],
        [class_of(entry, ids) for entry in rows],
        "xywh",
        flags,
        [f"{called(entry)} of {str(path)!r}" for entry in rows],
        size if all(isinstance(n, int) and n > 0 for n in size) else None,
        problem,
    )


def class_of(entry, ids):
    number = entry.get("category_id")
    if not isinstance(number, int | str) or number not in ids:
        raise ValueError(f"{called(entry)} has the category {number!r}, which is not among the categories.")
    return ids[number]


def box_of(entry):
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(x, int | float) for x in box):
        raise ValueError(f"{called(entry)}: bbox must be left, top, width and height; got {str(box)[:80]}.")
    return box
