"""Trains the embedded preset `yolo_v8_xs_fashion_scenes`: a YOLOv8 that finds pieces of clothing in pictures.

Usage: KERAS_BACKEND=tensorflow python tools/train_yolo_scenes.py WORK_FOLDER

Trains on composed scenes, see tools/scenes.py, none of which comes twice, and says by 500 scenes of the validation
split how far it is. The 2,000 scenes of the test split are read once, at the end. An hour or two on one processor core;
the state is kept in WORK_FOLDER after each epoch, and a second run goes on from there.
Writes presets/embedded/yolo_v8_xs_fashion_scenes with weights in float16, its precision in its card.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from scenes import Scenes

from keras_cv.callbacks import PyCOCOCallback, WeightsEMA
from keras_cv.metrics import evaluate_boxes
from keras_cv.models import YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_cv.training import detection_optimizer

NAME = "yolo_v8_xs_fashion_scenes"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
SIZE = 256
NETWORK = {"stackwise_channels": [32, 64, 128, 256], "stackwise_depth": [1, 2, 2, 1]}  # YOLOv8 n
EPOCHS, STEPS, BATCH = 10, 500, 16
COUNTS = {"val": 500, "test": 2000}
EXAMPLE = 150  # a test scene with four items


class Batches(keras.utils.PyDataset):
    """Batches of training scenes, new ones in each epoch."""

    def __init__(self, scenes, steps, batch_size):
        super().__init__()
        self.scenes, self.steps, self.batch_size, self.epoch = scenes, steps, batch_size, 0

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        first = (self.epoch * self.steps + index) * self.batch_size
        return self.scenes.batch(range(first, first + self.batch_size))


class CountEpochs(keras.callbacks.Callback):
    """Tells the batches which epoch it is, also after a restart."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch


def detector():
    return YOLOV8Detector(
        YOLOV8Backbone(**NETWORK), bounding_box_format="xyxy", fpn_depth=1, class_names=Scenes.class_names
    )


def held_out(split, count, work):
    scenes = Scenes(split, SIZE, work=work)
    return [scenes.batch(range(i, min(i + 50, count))) for i in range(0, count, 50)]


def train(work, epochs=EPOCHS, steps=STEPS, batch_size=BATCH, validation=None):
    """A detector trained on scenes; its weights go to `work`, or come from there."""
    model, checkpoint = detector(), work / "scenes.weights.h5"
    if checkpoint.exists():
        model.load_weights(checkpoint)
        return model
    batches = Batches(Scenes("train", SIZE, work=work), steps, batch_size)
    model.compile(detection_optimizer(len(Scenes.class_names), epochs * steps, "adamw"))
    callbacks = [keras.callbacks.BackupAndRestore(work / "backup"), CountEpochs(batches), WeightsEMA(0.999, 500)]
    if validation is not None:
        callbacks.append(PyCOCOCallback(validation, "xyxy"))
    model.fit(batches, epochs=epochs, verbose=2, shuffle=False, callbacks=callbacks)
    model.save_weights(checkpoint)
    return model


def rounded(model):
    """The detector with the float16 weights that are stored, so that what is measured is what is loaded."""
    for weight in model.weights:
        weight.assign(keras.ops.convert_to_numpy(weight).astype("float16").astype("float32"))
    return model


def scores(model, batches, **limits):
    """COCO's numbers of the detector, every detection counted however unsure; `limits` are those of `predict`."""
    truths = {key: np.concatenate([b["bounding_boxes"][key] for b in batches]) for key in ("boxes", "classes")}
    images = np.concatenate([b["images"] for b in batches])
    found = model.predict(images, verbose=0, confidence_threshold=0.001, **limits)
    return evaluate_boxes(truths, found, "xyxy", class_names=Scenes.class_names)


def card(model, found, names):
    numbers, classes = found.numbers, found.classes
    rows = "\n".join(f"| {name} | {classes[name]['AP']:.2f} | {classes[name]['AP50']:.2f} |" for name in names)
    return f"""# {NAME}

A YOLOv8 n (xs in KerasCV's words) of {model.count_params():,} parameters that finds pieces of clothing in pictures:
{", ".join(names[:5])}, {", ".join(names[5:])}. It is here so that everything works without a network.

```python
import keras_cv

detector = keras_cv.models.ObjectDetector.from_preset("{NAME}", bounding_box_format="xywh")
detector.predict("scene.png")
detector.annotate("scene.png").save("found.png")
```

- **Precision** on {COUNTS["test"]:,} scenes of other items on other photographs: mAP50-95
  {numbers["MaP"]:.3f}, mAP50 {numbers["MaP@[IoU=50]"]:.3f}.
- **Training**: {EPOCHS * STEPS * BATCH:,} composed scenes of {SIZE} × {SIZE} pixels, none twice, batches of {BATCH},
  by `tools/train_yolo_scenes.py`; see `tools/scenes.py` for what a scene is.
- **Input**: images of any size and sort, fitted into {SIZE} × {SIZE} pixels.
- **Limits**: it has seen drawings of items of 28 × 28 pixels, recoloured and pasted on photographs, and no photograph
  of clothing. Shirts, pullovers and coats look alike at this size.
- **Weights**: float16, Apache-2.0, trained from random numbers. The data are Fashion-MNIST, © 2017 Zalando SE, under
  the MIT licence, from the Debian package `dataset-fashion-mnist`, and photographs of scikit-image that are CC0 or in
  the public domain. A test scene is here as `example.png`, see `LICENSE`.

| Class | AP | AP50 |
|---|---|---|
{rows}
"""


def main():
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    model = rounded(train(work, validation=held_out("val", COUNTS["val"], work)))
    model.preprocessor = YOLOV8DetectorPreprocessor((SIZE, SIZE))
    test = held_out("test", COUNTS["test"], work)
    found = scores(model, test)
    print(found)
    record = {
        "description": "A small YOLOv8 that finds pieces of clothing in pictures; embedded, needs no network.",
        "family": "yolo_v8",
        "class_name": "YOLOV8Detector",
        "parameters": model.count_params(),
        "license": "Apache-2.0",
        "metrics": {"test_map": round(found.numbers["MaP"], 4), "test_map50": round(found.numbers["MaP@[IoU=50]"], 4)},
    }
    model.save_to_preset(TARGET, weights_dtype="float16", record=record)
    (TARGET / "README.md").write_text(card(model, found, Scenes.class_names), encoding="utf-8")
    keras.utils.save_img(TARGET / "example.png", test[EXAMPLE // 50]["images"][EXAMPLE % 50], scale=False)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
