"""`keras-zoo classify`: texts or images into classes."""

import json
import os

from keras_zoo.cli.loading import add_model_options, load


def add(commands):
    command = commands.add_parser(
        "classify",
        help="put texts or images into classes",
        epilog="examples: keras-zoo classify bert_tiny_en_uncased_reviews 'A warm and funny film.' · "
        "keras-zoo classify resnet_tiny_fashion_mnist shoe.png photos/ --json",
    )
    command.add_argument("preset")
    command.add_argument("inputs", nargs="+", metavar="input", help="texts, or files and folders of images")
    command.add_argument("--json", action="store_true", help="with the probability of every class")
    add_model_options(command)
    command.set_defaults(run=lambda arguments: classify(arguments, arguments.preset, arguments.inputs, arguments.json))


def classify(arguments, preset, inputs, as_json=False):
    """Prints a line for each text or image, or all of it as JSON."""
    task = load(arguments, preset, "classes", "put texts or images into classes")
    if takes_images(task):
        inputs = image_paths(inputs)
    answers = task.predict(inputs, return_classes=True, verbose=0)
    if as_json:
        found = [{"input": x, **answer} for x, answer in zip(inputs, answers, strict=True)]
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for x, answer in zip(inputs, answers, strict=True):
        chosen = [answer["class_name"]] if "class_name" in answer else answer["class_names"]
        names = ", ".join(f"{name} ({answer['probabilities'][name]:.0%})" for name in chosen)
        print(f"{names or 'none'}: {x}")


def takes_images(task):
    from keras_cv.models import ImageClassifier

    return isinstance(task, ImageClassifier)


def image_paths(inputs):
    """Files as they are, folders as the images below them."""
    from keras_cv.images import image_files

    return [str(path) for x in inputs for path in (image_files(x) if os.path.isdir(x) else [x])]
