"""`keras-zoo export`: a model as a file for another runtime."""

from pathlib import Path

from keras_zoo.cli.loading import PRESET, add_command, add_json, load, restart
from keras_zoo.cli.tables import print_json

FORMATS = ("onnx", "tf_saved_model", "litert", "openvino")


def add(commands):
    command = add_command(
        commands,
        "export",
        "write a model for another runtime",
        "Writes a detector or an image classifier for ONNX Runtime, TensorFlow, LiteRT or OpenVINO, and prints the "
        "file. It takes images of one size. A detector's gives boxes: decoding and non-maximum suppression are inside. "
        "The backend that can write the format is chosen by itself.",
        (
            "keras-zoo export yolo_v8_m_pascalvoc --to onnx --image-size 640 640",
            "keras-zoo export resnet_tiny_fashion_mnist --to litert --out clothes.tflite",
        ),
    )
    command.add_argument("preset", help=PRESET)
    command.add_argument("--to", required=True, choices=FORMATS, help="the format")
    command.add_argument("--out", metavar="FILE", help="default: named after the preset, in this folder")
    command.add_argument("--image-size", type=int, nargs=2, metavar=("H", "W"), help="default: the preset's")
    command.add_argument("--no-nms", action="store_true", help="of a detector: all boxes, without suppression")
    command.add_argument("--confidence", type=float, metavar="0-1", help="of a detector: the least confidence")
    command.add_argument("--iou", type=float, metavar="0-1", help="of a detector: the most overlap")
    command.add_argument("--max-detections", type=int, metavar="N", help="of a detector: the most objects in an image")
    command.add_argument("--offline", action="store_true", help="take what is in the cache and ask no network")
    add_json(command)
    command.set_defaults(run=run, dtype="float32")


def run(arguments):
    import keras

    from keras_cv.models import ImageClassifier, ObjectDetector
    from keras_zoo import exporting

    backend = exporting.writer(arguments.to)
    if backend != keras.backend.backend():
        restart(arguments, backend)
    task = load(arguments, arguments.preset)
    path = arguments.out or name_for(arguments.preset, arguments.to)
    if isinstance(task, ObjectDetector):
        export_detector(task, path, arguments)
    elif isinstance(task, ImageClassifier):
        export_classifier(task, path, arguments)
    else:
        raise ValueError(
            f"{arguments.preset!r} is a {type(task).__name__}; detectors and image classifiers are exported."
        )
    print_json({"preset": arguments.preset, "file": str(path), "format": arguments.to}) if arguments.json else print(
        path
    )


def name_for(preset, format):
    from keras_zoo.exporting import SUFFIXES

    return f"{Path(preset).name}{SUFFIXES[format] or '_saved_model'}"


def export_detector(detector, path, arguments):
    limits = {
        "confidence_threshold": arguments.confidence,
        "iou_threshold": arguments.iou,
        "max_detections": arguments.max_detections,
    }
    nms = not arguments.no_nms
    detector.export(path, arguments.to, image_size=arguments.image_size, nms=nms, verbose=False, **limits)


def export_classifier(classifier, path, arguments):
    import keras

    from keras_cv.ops.fuse import is_fused
    from keras_zoo import exporting

    suffix = exporting.SUFFIXES[arguments.to]
    if not str(path).endswith(suffix):
        raise ValueError(f"A file for {arguments.to} must be called *{suffix}; got {str(path)!r}.")
    model = classifier if is_fused(classifier) else classifier.fuse()
    size = arguments.image_size or getattr(model.preprocessor, "image_size", None) or (None, None)
    sizes = iter(size)
    shape = [length if length is not None else next(sizes) for length in model.backbone.image_shape]
    signature = [keras.InputSpec(shape=(None, *shape), dtype="float32")]
    model.export(path, format=arguments.to, input_signature=signature, verbose=False)
