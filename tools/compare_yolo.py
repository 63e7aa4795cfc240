"""Trains YOLOv8 n from random weights by this project and by Ultralytics, on the same scenes, and compares them.

Usage: python tools/scenes.py FOLDER/scenes --train 1200 --val 500 --test 1000
       KERAS_BACKEND=tensorflow python tools/compare_yolo.py ours FOLDER
       .venv/bench-ultralytics/bin/python tools/compare_yolo.py theirs FOLDER     (made by `make bench`)
       KERAS_BACKEND=jax python tools/compare_yolo.py report FOLDER               (with matplotlib)

Images, their order aside, epochs, batch size and image size are the same; each side trains by its own rules, which are
its defaults. Both are judged on the test scenes by `keras_cv.metrics.evaluate_boxes`, Ultralytics' weights (`best.pt`)
in this project's detector, ours as the last epoch leaves them. `report` draws docs/images/yolo_training.svg and prints
the table of docs/keras_cv_detection.md.
"""

import csv
import sys
from pathlib import Path

EPOCHS, BATCH, SIZE = 40, 16, 256
CLOSED = 10  # epochs without mosaic, Ultralytics' default
FIGURE = Path(__file__).parents[1] / "docs/images/yolo_training.svg"
BOXES = {"bounding_box_format": "xyxy"}


def ours(folder):
    import keras
    from train_yolo_scenes import detector

    from keras_cv import callbacks, datasets, layers
    from keras_cv.training import detection_optimizer

    keras.utils.set_random_seed(0)
    moved = {"fill_mode": "constant", "fill_value": 114, "minimum_box_area_ratio": 0.1, "seed": 1, **BOXES}
    dataset = datasets.load_yolo(
        folder / "scenes/data.yaml",
        image_size=SIZE,
        batch_size=BATCH,
        augmentation=[
            layers.Mosaic(minimum_box_area_ratio=0.1, seed=0, **BOXES),
            layers.RandomAffine(translation_factor=0.1, zoom_factor=0.5, **moved),
            layers.RandomFlip(seed=2, **BOXES),
            layers.RandomColorJitter(
                brightness_factor=0.3, saturation_factor=(0.3, 0.7), hue_factor=0.02, seed=3, **BOXES
            ),
        ],
    )
    validation = datasets.load_yolo(folder / "scenes/data.yaml", "val", image_size=SIZE, shuffle=False)
    model = detector()
    model.compile(detection_optimizer(len(dataset.class_names), EPOCHS * len(dataset), "adamw"))
    ears = [
        callbacks.CloseMosaic(dataset, CLOSED),
        callbacks.WeightsEMA(),
        callbacks.PyCOCOCallback(validation, "xyxy"),
        keras.callbacks.CSVLogger(str(folder / "ours.csv")),
    ]
    model.fit(dataset, epochs=EPOCHS, callbacks=ears, verbose=2)
    model.save_weights(folder / "ours.weights.h5")


def theirs(folder):
    sys.path.insert(0, str(Path(__file__).parent / "bench"))
    import sides  # noqa: F401  before torchvision is imported
    import torchvision
    from ultralytics import YOLO
    from ultralytics.utils.nms import TorchNMS

    torchvision.ops.nms = TorchNMS.nms  # whose compiled operators may not fit this torch
    YOLO("yolov8n.yaml").train(
        data=str((folder / "scenes/data.yaml").resolve()),
        epochs=EPOCHS,
        batch=BATCH,
        imgsz=SIZE,
        pretrained=False,
        amp=False,
        device="cpu",
        seed=0,
        plots=False,
        workers=1,
        project=str(folder.resolve()),
        name="theirs",
        exist_ok=True,
    )


def detectors(folder):
    """Both, trained, by name."""
    from train_yolo_scenes import detector

    from keras_cv.models import YOLOV8Detector, YOLOV8DetectorPreprocessor

    own = detector()
    own.load_weights(folder / "ours.weights.h5")
    own.preprocessor = YOLOV8DetectorPreprocessor((SIZE, SIZE))
    best = folder / "theirs/weights/best.pt"
    return {"keras_cv": own, "Ultralytics": YOLOV8Detector.from_preset(str(best), **BOXES)}


def judged(model, folder, split):
    from train_yolo_scenes import scores

    from keras_cv.datasets import load_yolo

    batches = load_yolo(folder / "scenes/data.yaml", split, image_size=SIZE, shuffle=False).batches()
    return scores(model, list(batches), iou_threshold=0.7, max_detections=300).numbers


def curves(folder):
    """mAP50-95 of the validation scenes after each epoch, as each side measures it, by name."""
    found = {}
    for name, file, column in (
        ("keras_cv", folder / "ours.csv", "val_AP"),
        ("Ultralytics", folder / "theirs/results.csv", "metrics/mAP50-95(B)"),
    ):
        with open(file, newline="") as lines:
            found[name] = [float({k.strip(): v for k, v in row.items()}[column]) for row in csv.DictReader(lines)]
    return found


def draw(found):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "keras-zoo"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for (name, values), colour in zip(found.items(), ("#3b7a57", "#b5651d"), strict=True):
        axes.plot(range(1, len(values) + 1), values, label=name, color=colour)
    axes.axvline(EPOCHS - CLOSED + 0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.annotate(" without mosaic", (EPOCHS - CLOSED + 0.5, 0.01), color="grey", fontsize=8)
    axes.set(xlabel="epoch", ylabel="mAP50-95 of the validation scenes", ylim=0)
    axes.legend()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(FIGURE, metadata={"Date": None})


def report(folder):
    draw(curves(folder))
    print("| | mAP50-95, val | mAP50-95, test | mAP50, test |\n|---|---|---|---|")
    for name, model in detectors(folder).items():
        val, test = (judged(model, folder, split) for split in ("val", "test"))
        numbers = val["MaP"], test["MaP"], test["MaP@[IoU=50]"]
        print(f"| {name} |", " | ".join(f"{x:.3f}" for x in numbers), "|")


if __name__ == "__main__":
    {"ours": ours, "theirs": theirs, "report": report}[sys.argv[1]](Path(sys.argv[2]))
