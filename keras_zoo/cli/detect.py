"""`keras-zoo detect`: what is in images and videos, and where."""

import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from keras_zoo.cli.detections import FORMATS, Table
from keras_zoo.cli.loading import PRESET, add_command, add_model_options, options

BATCH = 8


def add(commands):
    command = add_command(
        commands,
        "detect",
        "find objects in images and videos",
        "Finds objects. Prints a line for each: file, class, confidence, and the box in pixels of the image, left, "
        "top, right and bottom.",
        (
            "keras-zoo detect street.jpg photos/ --preset yolo_v8_m_pascalvoc --out found --save-images",
            "keras-zoo detect clip.mp4 --preset my_detector --format csv > clip.csv",
            "curl -s $URL | keras-zoo detect - --preset my_detector --json",
        ),
    )
    command.add_argument("inputs", nargs="+", metavar="input", help="images, folders of images, videos; - for a pipe")
    command.add_argument("--preset", required=True, help=f"the detector: {PRESET}")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="write the detections there, too")
    command.add_argument("--format", choices=tuple(FORMATS), help="of the file in --out (default: json), or else of "
                         "what is printed (default: a table)")  # fmt: skip
    command.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    command.add_argument("--save-images", action="store_true", help="draw the boxes, into --out")
    command.add_argument("--confidence", type=float, metavar="0-1", help="the least confidence")
    command.add_argument("--iou", type=float, metavar="0-1", help="the most overlap of two objects of a class")
    command.add_argument("--max-detections", type=int, metavar="N", help="the most objects in an image")
    command.add_argument("--image-size", type=int, nargs=2, metavar=("H", "W"), help="what images are fitted into")
    command.add_argument("--every", type=int, default=1, metavar="N", help="each N-th frame of a video (default: 1)")
    add_model_options(command)
    command.set_defaults(run=run, usage=command)


@dataclass
class Seen:
    """An image, what it is called, and the objects in it; boxes are left, top, right and bottom in its pixels."""

    name: str
    image: object
    objects: list

    @property
    def size(self):
        """Width and height."""
        return self.image.shape[1], self.image.shape[0]


def run(arguments):
    if arguments.save_images and arguments.out is None:
        arguments.usage.error("--save-images needs --out FOLDER")
    from tqdm.auto import tqdm

    sources = list(sources_of(arguments.inputs))  # what is missing is said before a model is loaded
    detector = load_detector(arguments, arguments.preset, arguments.image_size)
    limits = {
        "confidence_threshold": arguments.confidence,
        "iou_threshold": arguments.iou,
        "max_detections": arguments.max_detections,
    }
    names = [name for name, _ in sources]
    outputs, problems = [], []
    if arguments.out is not None or arguments.format is None:
        outputs.append(Table(names, detector.class_names))
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        outputs.append(FORMATS[arguments.format or "json"](arguments.out, detector.class_names))
    elif arguments.format is not None:
        outputs.append(FORMATS[arguments.format](None, detector.class_names))
    videos = any(is_video(source) for _, source in sources)
    images = images_of(sources, arguments.every, problems)
    with tqdm(total=None if videos else len(sources), unit="image", disable=None, leave=False) as bar:
        for seen in seen_in(detector, images, limits):
            for output in outputs:
                with bar.external_write_mode(file=sys.stdout):
                    output.write(seen)
            if arguments.save_images:
                annotated(seen, detector).save(picture_path(arguments.out, seen.name))
            bar.update()
    for output in outputs:
        output.close()
    for problem in problems:
        print(f"keras-zoo: {problem}", file=sys.stderr)
    return 1 if problems else 0


def load_detector(arguments, preset, image_size=None):
    """The preset's detector, whose boxes are left, top, right and bottom in pixels."""
    from keras_cv.models import ObjectDetector

    detector = ObjectDetector.from_preset(preset, **options(arguments), bounding_box_format="xyxy")
    if image_size is not None:
        detector.preprocessor = detector.preprocessor_class(tuple(image_size))
    elif detector.preprocessor is None:
        raise ValueError(f"{preset!r} does not say what images are fitted into: give --image-size HEIGHT WIDTH.")
    return detector


def sources_of(inputs):
    """`(name, path or bytes)` of each file, the images below a folder among them."""
    from keras_cv.images import image_files

    for given in inputs:
        if given == "-":
            yield "stdin", sys.stdin.buffer.read()
        elif os.path.isdir(given):
            yield from ((str(path), path) for path in image_files(given))
        elif os.path.exists(given):
            yield given, given
        else:
            raise ValueError(f"{given!r} does not exist.")


def is_video(source):
    from keras_cv.images.frames import is_video

    return is_video(source)


def images_of(sources, every, problems):
    """`(name, image)` one after the other; what cannot be read is left out, and said in `problems`."""
    from keras_cv.images import load_image
    from keras_cv.images.frames import video_frames

    for name, source in sources:
        try:
            if is_video(source):
                frames = enumerate(video_frames(source, every))
                yield from ((f"{name}#{number * every}", frame) for number, frame in frames)
            else:
                yield name, load_image(source)
        except ValueError as error:
            problems.append(str(error))


def seen_in(detector, images, limits):
    """A `Seen` for each `(name, image)`; images of any sort that `load_image` takes."""
    from keras_cv.images import load_image

    images = iter(images)
    while batch := list(itertools.islice(images, BATCH)):
        pictures = [load_image(image) for _, image in batch]
        found = detector.predict(pictures, verbose=0, **limits)
        for i, (name, _) in enumerate(batch):
            rows = range(found["num_detections"][i])
            yield Seen(name, pictures[i], [as_object(detector, found, i, row) for row in rows])


def as_object(detector, found, i, row):
    number = int(found["classes"][i, row])
    return {
        "class": detector.class_names[number] if detector.class_names else str(number),
        "class_id": number,
        "confidence": round(float(found["confidence"][i, row]), 4),
        "box": [round(float(x), 1) for x in found["boxes"][i, row]],
    }


def annotated(seen, detector):
    """The image with its boxes, a PIL image."""
    import numpy as np
    from PIL import Image

    from keras_cv.visualization import draw_bounding_boxes

    boxes = {
        "boxes": np.asarray([x["box"] for x in seen.objects], "float32").reshape(-1, 4),
        "classes": np.asarray([x["class_id"] for x in seen.objects], "int32"),
        "confidence": np.asarray([x["confidence"] for x in seen.objects], "float32"),
    }
    how = {"bounding_box_format": "xyxy", "class_mapping": detector.class_names}
    return Image.fromarray(draw_bounding_boxes(seen.image, boxes, "#ffeb3b", **how))


def picture_path(folder, name):
    """A file of `folder` for the picture of an image called `name`; pictures of images of one name are numbered."""
    path = Path(name)
    suffix = path.suffix.lower() if path.suffix.lower() in (".jpg", ".jpeg") else ".png"
    stem = path.name.replace("#", "_") if "#" in path.name else path.stem
    for number in itertools.count(1):
        found = folder / f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
        if not found.exists():
            return found
