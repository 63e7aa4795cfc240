"""What every reader gives: images that have been looked at, with boxes that have been checked."""

import dataclasses
import io
import os
import warnings

import numpy as np

from keras_cv.images.decode import check_file, open_header, upright_size
from keras_cv.images.load import name_of
from keras_cv.ops.boxes import convert_format

FLAGS = ("skip", "keep", "flag")
LONGEST_TEXT = 10 << 20  # bytes of one file of labels or settings, of which real ones have a thousandth


@dataclasses.dataclass
class Example:
    """An image with its boxes, as a reader found them.

    Attributes:
        image: what `load_image` takes.
        boxes: `(n, 4)` in `source_format`.
        classes: `(n,)`, whole numbers.
        flags: a dictionary of more for each box, `(n,)`.
        places: for each box what an error calls it: `"labels/1.txt line 3"`.
        size: `(height, width)` as the labels declare them, or None.
        problem: what is wrong with its labels, or "".
    """

    image: object
    boxes: np.ndarray
    classes: np.ndarray
    source_format: str
    flags: dict = dataclasses.field(default_factory=dict)
    places: list = None
    size: tuple = None
    problem: str = ""


@dataclasses.dataclass
class Examples:
    """Images and boxes, ready to be read.

    Attributes:
        images: a sequence of what `load_image` takes.
        boxes: for each image `(n, 4)` float32, xyxy in pixels of the upright image, inside of it.
        classes: for each image `(n,)` int32, places in `class_names`.
        flags: names such as `"is_crowd"`, each with `(n,)` int32 for each image.
        class_names: a list.
        skipped: messages about what was left out.
    """

    images: object
    boxes: list
    classes: list
    flags: dict
    class_names: list
    skipped: list

    def __len__(self):
        return len(self.boxes)

    @property
    def most_boxes(self):
        return max(map(len, self.boxes), default=0)


def gather(found, class_names, on_error, max_pixels, problems=(), images=None):
    """The `Examples` that an iterable of `Example` gives.

    Args:
        class_names: a list, or None for the numbers there are.
        on_error: `"raise"`, or `"skip"` to leave out images that are broken themselves or in their labels.
        problems: what is wrong besides.
        images: a sequence to read the images from later on, for those of which `found` is only a first look.
    """
    problems, kept, count = list(problems), [], 0
    for row, example in enumerate(found):
        count += 1
        try:
            if example.problem:
                raise ValueError(example.problem)
            boxes, classes = checked(example, class_names and len(class_names), max_pixels)
        except (ValueError, OSError) as error:
            problems.append(str(error))
            continue
        image = example.image if images is None else row
        kept.append((image, boxes, classes, {k: np.asarray(x, "int32") for k, x in example.flags.items()}))
    if problems and on_error == "raise":
        raise ValueError(f"on_error='skip' leaves out what is wrong:\n  {shown(problems)}")
    if not kept:
        raise ValueError(f"The data set has no images that can be read:\n  {shown(problems or ['it is empty'])}")
    if problems:
        warnings.warn(f"{count - len(kept)} of {count} images were skipped:\n  {shown(problems)}", stacklevel=4)
    taken, boxes, classes, flags = map(list, zip(*kept))
    if class_names is None:
        class_names = list(map(str, range(1 + max((int(x.max()) for x in classes if len(x)), default=0))))
    flags = {key: [row[key] for row in flags] for key in flags[0]}
    return Examples(taken if images is None else Selected(images, taken), boxes, classes, flags, class_names, problems)


def shown(problems):
    return "\n  ".join(problems[:10]) + (f"\n  … and {len(problems) - 10} more" if len(problems) > 10 else "")


class Selected:
    """Some rows of a sequence, as a sequence."""

    def __init__(self, sequence, rows):
        self.sequence, self.rows = sequence, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.sequence[self.rows[index]]


def checked(example, num_classes, max_pixels):
    """`(boxes, classes)` of an example: xyxy in pixels, float32, cut at the edges; and int32. Or a `ValueError`."""
    size = size_of(example.image, max_pixels)
    if example.size is not None and tuple(example.size) != size:
        raise ValueError(
            f"{name_of(example.image)} is {size[1]} pixels wide and {size[0]} high, upright; its labels say "
            f"{example.size[1]} and {example.size[0]}, so boxes in pixels would lie elsewhere."
        )
    given = np.asarray(example.boxes, "float64").reshape(-1, 4)
    classes = np.asarray(example.classes).reshape(-1)
    with np.errstate(invalid="ignore"):
        boxes = convert_format(given, example.source_format, "xyxy", image_shape=size, dtype="float64")
    inside = np.clip(boxes, 0, [size[1], size[0], size[1], size[0]])
    for n in range(len(boxes)):
        if wrong := problem_of(boxes[n], inside[n], classes[n], num_classes):
            place = example.places[n] if example.places else f"{name_of(example.image)}, box {n}"
            raise ValueError(f"{place}: {given[n].tolist()} as {example.source_format} {wrong}.")
    return inside.astype("float32"), classes.astype("int32")


def problem_of(box, inside, label, num_classes):
    """What is wrong with a box, xyxy in pixels, `inside` being it cut at the edges; or None."""
    if not np.isfinite(box).all():
        return "is not made of finite numbers"
    if box[2] < box[0] or box[3] < box[1]:
        return "ends before it begins"
    if box[2] == box[0] or box[3] == box[1]:
        return "has no area"
    if inside[2] - inside[0] < 1e-3 or inside[3] - inside[1] < 1e-3:
        return "lies outside of its image, or is thinner than a thousandth of a pixel"
    if label != int(label) or label < 0:
        return f"has the class {label}; classes are whole numbers from 0"
    if num_classes is not None and label >= num_classes:
        return f"has the class {int(label)}; there are {num_classes} classes, 0 to {num_classes - 1}"
    return None


def size_of(image, max_pixels):
    """`(height, width)` of what `load_image` takes, upright; of files and bytes only the header is read."""
    if isinstance(image, str | os.PathLike):
        if not os.path.isfile(image):
            raise ValueError(f"{name_of(image)} does not exist.")
        return check_file(image, max_pixels)
    if isinstance(image, bytes):
        return upright_size(open_header(io.BytesIO(image), name_of(image), max_pixels))
    return tuple(np.shape(image)[:2])


def read_text(path):
    """The text of a small file, UTF-8."""
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist.")
    if path.stat().st_size > LONGEST_TEXT:
        raise ValueError(
            f"{str(path)!r} has {path.stat().st_size:,} bytes; no more than {LONGEST_TEXT:,} are read of such a file."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not a text in UTF-8: {error.reason} at byte {error.start}.") from error


def check_flag(value, name):
    if value not in FLAGS:
        raise ValueError(f"{name} must be one of {FLAGS}; got {value!r}.")


def flagged(flags, how, name):
    """`(rows, more)`: which boxes stay of those with `flags`, `(n,)`, and the dictionary that goes with them."""
    flags = np.asarray(flags, bool).reshape(-1)
    rows = np.flatnonzero(~flags) if how == "skip" else np.arange(len(flags))
    return rows, {name: flags[rows].astype("int32")} if how == "flag" else {}
