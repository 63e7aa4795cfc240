"""A detector of one's own: load one, give it new classes, fit on images and boxes, measure, look at it, export it.

    KERAS_BACKEND=jax python docs/guides/finetune_detector.py             # or tensorflow, or torch
    python docs/guides/finetune_detector.py --data my/data.yaml --preset yolo_v8_s_backbone_coco --epochs 50
    python docs/guides/finetune_detector.py --data my/data.yaml --export detector.onnx

`--data` takes the data.yaml of a YOLO folder with the splits train and val; `keras_cv.datasets` reads COCO json, Pascal
VOC xml, tensorflow-datasets and arrays into the same. Without it the images are pieces of scikit-image's photograph of
coins, whose boxes are found by their brightness: it learns on the left of the picture and is asked about the right, so
that no network is needed; nor is it for the preset taken by default, which knows clothes. `best.pt`, the weights that
Ultralytics has trained, are a preset too.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_cv
from keras_cv import callbacks, datasets, layers
from keras_cv.training import detection_optimizer

BOXES = {"bounding_box_format": "xyxy"}  # left, top, right, bottom, in pixels


def main(argv=None):
    """Fine-tunes and returns COCO's twelve numbers for the held-out images."""
    args = parse(argv)
    keras.utils.set_random_seed(0)
    training, held_out = load(args)

    detector = keras_cv.models.ObjectDetector.from_preset(
        args.preset, class_names=training.class_names, new_classes=True, **BOXES
    )
    steps = args.epochs * len(training)
    detector.compile(detection_optimizer(len(training.class_names), steps, learning_rate=args.learning_rate))
    detector.fit(
        training,
        epochs=args.epochs,
        callbacks=[
            callbacks.CloseMosaic(training, last_epochs=args.epochs // 5),
            callbacks.WeightsEMA(warmup_steps=steps / 5),
            callbacks.PyCOCOCallback(held_out, "xyxy"),
        ],
        verbose=args.verbose,
    )

    scores = evaluate(detector, held_out)
    print(scores)
    picture = args.picture or Path(tempfile.mkdtemp()) / "found.png"
    detector.annotate(held_out.example(0)["images"]).save(picture)
    print(f"What it finds in a held-out image: {picture}")
    if args.save:
        detector.save_to_preset(args.save)
        print(f'Saved: ObjectDetector.from_preset("{args.save}") loads it on any backend.')
    if args.export:
        detector.export(args.export, format="onnx", image_size=(args.image_size, args.image_size))
        print(f"Exported with decoding and non-max suppression inside: {args.export}")
    return scores.numbers


def load(args):
    """The images to learn from, augmented, and those held out."""
    options = {"image_size": args.image_size, "batch_size": args.batch_size}
    augmentation = [
        layers.Mosaic(minimum_box_area_ratio=0.3, seed=0, **BOXES),
        layers.RandomFlip("horizontal_and_vertical", seed=1, **BOXES),
        layers.RandomColorJitter(brightness_factor=0.2, contrast_factor=0.2, seed=2),
    ]
    if args.data:
        training = datasets.load_yolo(args.data, "train", augmentation=augmentation, on_error="skip", **options)
        return training, datasets.load_yolo(args.data, "val", shuffle=False, on_error="skip", **options)
    left, right = pieces(0, 250, 64), pieces(250, 384, 8)
    names = {"class_names": ["coin"]}
    training = datasets.load_arrays(*left, **names, augmentation=augmentation, **options)
    return training, datasets.load_arrays(*right, **names, shuffle=False, **options)


def pieces(begin, end, count):
    """Squares of the photograph between two columns: lists of images, of boxes `(n, 4)` and of classes `(n,)`."""
    from skimage import data, filters, measure, morphology

    photograph = data.coins()
    bright = photograph > filters.threshold_otsu(photograph)
    regions = measure.regionprops(measure.label(morphology.closing(bright, np.ones((3, 3)))))
    coins = np.array([(r.bbox[1], r.bbox[0], r.bbox[3], r.bbox[2]) for r in regions if r.area > 500], "float32")
    random = np.random.default_rng(0)
    images, boxes, classes = [], [], []
    for _ in range(count):
        side = int(random.integers(100, end - begin))
        left, top = random.integers(begin, end - side + 1), random.integers(0, len(photograph) - side + 1)
        shown = np.clip(coins - [left, top, left, top], 0, side).astype("float32")
        areas = [((b[:, 2:] - b[:, :2]).prod(1)) for b in (shown, coins)]
        shown = shown[areas[0] > 0.4 * areas[1]]
        square = photograph[top : top + side, left : left + side]
        images.append(np.repeat(square[..., None], 3, -1))
        boxes.append(shown)
        classes.append(np.zeros(len(shown), "int32"))
    return images, boxes, classes


def evaluate(detector, dataset):
    """The detector's numbers in the frame of the data set's batches, every detection counted however unsure."""
    batches = list(dataset.batches())
    truth = {key: np.concatenate([b["bounding_boxes"][key] for b in batches]) for key in ("boxes", "classes")}
    found = detector.predict(np.concatenate([b["images"] for b in batches]), verbose=0, confidence_threshold=0.001)
    return keras_cv.metrics.evaluate_boxes(truth, found, "xyxy", class_names=dataset.class_names)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="yolo_v8_xs_fashion_scenes", help="a name, a folder, a .pt file")
    parser.add_argument("--data", help="the data.yaml of a YOLO folder")
    parser.add_argument("--image-size", type=int, default=160, help="side in pixels, a multiple of 32")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--picture", help="the PNG file to draw; by default a new one in the folder of temporary files")
    parser.add_argument("--save", help="a folder for the result")
    parser.add_argument("--export", help="an .onnx file for the result")
    parser.add_argument("--verbose", type=int, default=1, help="0 for no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
