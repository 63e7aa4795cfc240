"""`keras-zoo classify`: texts or images into classes."""

import os
import sys

from keras_zoo.cli.inputs import decoded, lines
from keras_zoo.cli.loading import PRESET, add_command, add_json, add_model_options, load
from keras_zoo.cli.tables import print_json

PIPE = "the standard input"


def add(commands):
    command = add_command(
        commands,
        "classify",
        "put texts or images into classes",
        "Prints a line for each text or image: its class, the probability, and what it is. From a pipe come texts, one "
        "on each line, or one image.",
        (
            "keras-zoo classify bert_tiny_en_uncased_reviews 'A warm and funny film.'",
            "keras-zoo classify resnet_tiny_fashion_mnist shoe.png photos/ --json",
            "cat reviews.txt | keras-zoo classify bert_tiny_en_uncased_reviews -",
        ),
    )
    command.add_argument("preset", help=PRESET)
    command.add_argument(
        "inputs", nargs="+", metavar="input", help="texts, or files and folders of images; - for a pipe"
    )
    add_json(command, "print JSON, with the probability of every class")
    add_model_options(command)
    command.set_defaults(run=lambda arguments: classify(arguments, arguments.preset, arguments.inputs, arguments.json))


def classify(arguments, preset, inputs, as_json=False):
    """Prints a line for each text or image, or all of it as JSON."""
    piped = sys.stdin.buffer.read() if "-" in inputs else b""
    task = load(arguments, preset, "read_classes", "put texts or images into classes")  # not words, as others do
    if task.problem == "regression":
        raise ValueError(f"{preset!r} gives numbers, not classes.")
    named = named_images(inputs, piped) if takes_images(task) else named_texts(inputs, piped)
    if not named:
        raise ValueError(f"{PIPE} is empty.")
    answers = task.predict([x for _, x in named], return_classes=True, verbose=0)
    if as_json:
        print_json([{"input": name, **answer} for (name, _), answer in zip(named, answers, strict=True)])
        return
    for (name, _), answer in zip(named, answers, strict=True):
        chosen = [answer["class_name"]] if "class_name" in answer else answer["class_names"]
        names = ", ".join(f"{label} ({answer['probabilities'][label]:.0%})" for label in chosen)
        print(f"{names or 'none'}: {name}")


def takes_images(task):
    from keras_cv.models import ImageClassifier

    return isinstance(task, ImageClassifier)


def named_texts(inputs, piped):
    """`(text, text)` of each text; `-` stands for the lines of the pipe."""
    found = [text for x in inputs for text in (lines(decoded(piped, PIPE)) if x == "-" else [x])]
    return [(text, text) for text in found]


def named_images(inputs, piped):
    """`(name, path or bytes)` of each image: files as they are, the images below a folder, the one from the pipe."""
    from keras_cv.images import image_files

    named = []
    for x in inputs:
        if x == "-":
            named += [("stdin", piped)] if piped else []
        else:
            named += [(str(path), str(path)) for path in (image_files(x) if os.path.isdir(x) else [x])]
    return named
