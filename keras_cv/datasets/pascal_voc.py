"""Pascal VOC's xml: a file of boxes for each image."""

import xml.parsers.expat
from pathlib import Path
from xml.etree.ElementTree import TreeBuilder

import numpy as np

from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.examples import LONGEST_TEXT, Example, check_flag, flagged, gather, read_text
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import EXTENSIONS, check_on_error

DEEPEST = 32  # elements in each other; VOC has 5
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def load_pascal_voc(
    path,
    split=None,
    class_names=None,
    difficult="skip",
    first_pixel=1,
    on_error="raise",
    max_pixels=MAX_PIXELS,
    **options,
):
    """A `DetectionDataset` of Pascal VOC files.

    `path` is a folder like VOC2007, with `Annotations/NAME.xml` and `JPEGImages/NAME.jpg`; or one in which, at any
    depth, the xml files lie beside the images, as labelling programs write them.

    Args:
        path: the folder.
        split: `"train"`, `"val"` …: only the images named in `ImageSets/Main/SPLIT.txt`.
        class_names: the names to read, in the order of their classes; by default all that are found, in alphabetical
            order. Give a validation set those of the training set: it may lack one.
        difficult: what is done with objects marked as `difficult`: `"skip"` leaves them out; `"flag"` keeps them and
            adds `"is_difficult"`, `(B, N)`, to the bounding boxes; `"keep"` treats them as any other.
        first_pixel: 1 where the image's first pixel has the number 1 and a box's last one belongs to it, as in VOC;
            0 for programs that count from the corner.
        on_error: `"raise"`, or `"skip"` to leave out images that cannot be read or have wrong annotations.
        max_pixels: as for `load_image`.
        **options: see `DetectionDataset`.

    Raises:
        ValueError: a folder that has no such files; with `on_error="raise"` what is wrong with images and annotations.
            Files with entities, of more than 10 MiB or nested deeply are refused.
    """
    check_on_error(on_error)
    check_flag(difficult, "difficult")
    if first_pixel not in (0, 1):
        raise ValueError(f"first_pixel must be 0 or 1; got {first_pixel!r}.")
    files = annotation_files(Path(path), split)
    found = [record(file, first_pixel) for file in files]
    there = sorted({name for _, names, *_ in found for name in names})
    names = there if class_names is None else list(class_names)
    if not set(names) & set(there):
        raise ValueError(f"No object in {str(path)!r} has a name among {names}; there are {there}.")
    numbers = {name: place for place, name in enumerate(names)}
    examples = gather((example(*x, numbers, difficult) for x in found), names, on_error, max_pixels)
    return DetectionDataset(examples, on_error=on_error, max_pixels=max_pixels, **options)


def annotation_files(path, split):
    if not path.is_dir():
        raise ValueError(f"{str(path)!r} is not a folder.")
    folder = path / "Annotations"
    if split is not None:
        listed = path / "ImageSets" / "Main" / f"{split}.txt"
        stems = [line.split()[0] for line in read_text(listed).splitlines() if line.strip()]
        files = [folder / f"{stem}.xml" for stem in stems]
    else:
        files = sorted(folder.glob("*.xml") if folder.is_dir() else path.rglob("*.xml"))
    if not files:
        raise ValueError(f"{str(path)!r} has no xml files, neither in Annotations nor below it.")
    return files


def record(file, first_pixel):
    """`(image, names, boxes, difficult, size, file, problem)` of an annotation."""
    image = file.with_suffix(".jpg")
    try:
        root = parse(file)
        image = image_of(file, root)
        objects = root.findall("object")
        names = [text(x, "name", file) for x in objects]
        boxes = [[number(x.find("bndbox"), corner, file) for corner in CORNERS] for x in objects]
        boxes = np.reshape(boxes, (-1, 4)) - [first_pixel, first_pixel, 0, 0]
        difficult = [(x.findtext("difficult") or "0").strip() == "1" for x in objects]
        size = root.find("size")
        size = None if size is None else tuple(int(number(size, side, file)) for side in ("height", "width"))
        return image, names, boxes, difficult, size if size and all(size) else None, file, ""
    except ValueError as error:
        return image, [], np.zeros((0, 4)), [], None, file, str(error)


def example(image, names, boxes, difficult, size, file, problem, numbers, how):
    rows = [i for i, name in enumerate(names) if name in numbers]
    kept, flags = flagged([difficult[i] for i in rows], how, "is_difficult")
    rows = [rows[i] for i in kept]
    places = [f"{str(file)!r}, object {i} ({names[i]})" for i in rows]
    return Example(image, boxes[rows], [numbers[names[i]] for i in rows], "xyxy", flags, places, size, problem)


def image_of(file, root):
    """The image of an annotation: called as it says, or else as the annotation is; beside it or in JPEGImages."""
    said = (root.findtext("filename") or "").replace("\\", "/").rsplit("/", 1)[-1].strip()
    folders = [file.parent.parent / "JPEGImages"] if file.parent.name == "Annotations" else [file.parent]
    for folder in folders:
        for name in [said] * bool(said) + [file.stem + extension for extension in EXTENSIONS]:
            if (folder / name).is_file():
                return folder / name
    return folders[0] / (said or f"{file.stem}.jpg")


def parse(path):
    """The root element of a small xml file without entities."""
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist.")
    if path.stat().st_size > LONGEST_TEXT:
        raise ValueError(f"{str(path)!r} has {path.stat().st_size:,} bytes; annotations have up to {LONGEST_TEXT:,}.")
    builder, depth = TreeBuilder(), 0

    def start(name, attributes):
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"{str(path)!r} has elements nested deeper than {DEEPEST}.")
        builder.start(name, attributes)

    def end(name):
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(name, *_):
        raise ValueError(f"{str(path)!r} declares the entity {name!r}; entities are refused, a few fill the memory.")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except xml.parsers.expat.ExpatError as error:
        raise ValueError(f"{str(path)!r} is not xml: {error}.") from error
    root = builder.close()
    if root.tag != "annotation":
        raise ValueError(f"{str(path)!r} is no annotation of Pascal VOC: its root is <{root.tag[:40]}>.")
    return root


def text(element, tag, file):
    found = None if element is None else element.findtext(tag)
    if not (found or "").strip():
        raise ValueError(f"{str(file)!r}: <object> or its <bndbox> lacks <{tag}>.")
    return found.strip()


def number(element, tag, file):
    found = text(element, tag, file)
    try:
        return float(found)
    except ValueError:
        raise ValueError(f"{str(file)!r}: <{tag}> must be a number; got {found[:40]!r}.") from None
