"""Data sets for detection: four layouts give the same, batches, seeds, sizes, and training on them."""

import keras
import numpy as np
import pytest
from detection_files import (
    NAMES,
    annotation,
    coco,
    pictures,
    save,
    tfds_examples,
    write_coco,
    write_voc,
    write_yolo,
)

from keras_cv import layers
from keras_cv.callbacks import CloseMosaic
from keras_cv.datasets import load_arrays, load_coco, load_pascal_voc, load_tfds, load_yolo

once = pytest.mark.once
OPTIONS = {"image_size": (64, 64), "batch_size": 4}


@pytest.fixture(scope="module")
def scenes():
    return pictures()


def in_memory(scenes, **options):
    return load_arrays(*scenes, class_names=NAMES, **{**OPTIONS, **options})


def parts(batch):
    return keras.tree.flatten(batch)


def equal(batch, other, tolerance=0):
    assert sorted(batch) == sorted(other) and sorted(batch["bounding_boxes"]) == sorted(other["bounding_boxes"])
    for x, y in zip(parts(batch), parts(other), strict=True):
        np.testing.assert_allclose(np.asarray(x, "float32"), np.asarray(y, "float32"), atol=tolerance)


@once
def test_all_layouts_give_the_same(scenes, tmp_path):
    images, boxes, classes = scenes
    save(images, tmp_path / "coco")
    (tmp_path / "voc").mkdir()
    found = {
        "yolo": load_yolo(write_yolo(tmp_path / "yolo", *scenes), **OPTIONS),
        "coco": load_coco(write_coco(tmp_path, coco(*scenes)), tmp_path / "coco", **OPTIONS),
        "voc": load_pascal_voc(write_voc(tmp_path / "voc", *scenes), class_names=NAMES, **OPTIONS),
        "tfds": load_tfds(tfds_examples(*scenes), class_names=NAMES, **OPTIONS),
        "arrays": in_memory(scenes),
    }
    for name, dataset in found.items():
        assert dataset.class_names == NAMES and len(dataset) == 2 and not dataset.skipped, name
        for row, image in enumerate(images):
            one = dataset.example(row)
            np.testing.assert_array_equal(one["images"], image)
            np.testing.assert_allclose(one["bounding_boxes"]["boxes"], boxes[row], atol=1e-4)
            np.testing.assert_array_equal(one["bounding_boxes"]["classes"], classes[row])
        for batch, other in zip(dataset, found["arrays"], strict=True):
            equal(batch, other, 1e-3)
    assert found["coco"].category_ids == [3, 5, 8, 90]


def test_a_tfds_pipeline_is_read(scenes):
    tf = pytest.importorskip("tensorflow")
    from keras_zoo import feeding

    rows = tfds_examples(*scenes)
    for row in rows:
        row["objects"]["is_difficult"] = np.arange(len(row["objects"]["label"])) == 0
    some = {"bbox": tf.TensorSpec([None, 4]), "label": tf.TensorSpec([None], tf.int64)}
    some["is_difficult"] = tf.TensorSpec([None], tf.bool)
    spec = {"image": tf.TensorSpec([None, None, 3], tf.uint8), "objects": some}
    source = tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=spec)
    encoded = source.map(lambda x: {**x, "image": tf.io.encode_png(x["image"])})
    expected = in_memory(scenes, shuffle=False)
    for data in (source, encoded):
        equal(load_tfds(data, NAMES, difficult="keep", shuffle=False, **OPTIONS)[0], expected[0], 1e-3)
    flags = load_tfds(data, NAMES, difficult="flag", shuffle=False, **OPTIONS)[0]["bounding_boxes"]["is_difficult"]
    assert flags[0, 0] == 1 and flags[1, 1] in (0, -1) and (flags[2] == -1).all()
    fewer = load_tfds(data, NAMES, **OPTIONS)
    assert [len(x) for x in fewer.examples.boxes] == [max(0, len(x) - 1) for x in scenes[1]]
    with pytest.raises(ValueError, match=r"is batched; give it unbatched"):
        load_tfds(encoded.map(lambda x: {**x, "image": tf.zeros([1, 8, 8, 3])}))
    assert feeding.kind(fewer) == "keras"


@once
def test_what_a_batch_looks_like(scenes):
    images, boxes, classes = scenes
    batch = in_memory(scenes, shuffle=False, max_boxes=6)[0]
    rows = batch["bounding_boxes"]
    assert batch["images"].shape == (4, 64, 64, 3) and batch["images"].dtype == "uint8"
    assert rows["boxes"].shape == (4, 6, 4) and rows["boxes"].dtype == "float32" and rows["classes"].dtype == "int32"
    for i in range(4):
        count, scale = len(classes[i]), 64 / max(images[i].shape[:2])
        np.testing.assert_allclose(rows["boxes"][i, :count], boxes[i] * scale, atol=1)
        assert (rows["boxes"][i, count:] == -1).all() and (rows["classes"][i, count:] == -1).all()
    assert in_memory(scenes, shuffle=False, dtype="float32")[0]["images"].dtype == "float32"
    relative = in_memory(scenes, shuffle=False, max_boxes=6, bounding_box_format="rel_yxyx")[0]["bounding_boxes"]
    real = rows["classes"] != -1
    np.testing.assert_allclose(relative["boxes"][real], rows["boxes"][real][:, [1, 0, 3, 2]] / 64, atol=1e-5)
    assert (relative["boxes"][~real] == -1).all()


@once
def test_shuffling_is_seeded_and_changes_each_epoch(scenes):
    def orders(**options):
        dataset = in_memory(scenes, **options)
        first = dataset.order.tolist()
        dataset.on_epoch_end()
        return first, dataset.order.tolist()

    first, second = orders(seed=1)
    assert first != second and sorted(first) == list(range(6))
    assert orders(seed=1) == (first, second) and orders(seed=2)[0] != first
    assert orders(shuffle=False) == (list(range(6)),) * 2
    assert len(in_memory(scenes, drop_remainder=True)) == 1 and len(in_memory(scenes)) == 2


def augmentation(seed=0):
    return [
        layers.Mosaic(bounding_box_format="xyxy", seed=seed),
        layers.RandomFlip(bounding_box_format="rel_yxyx", seed=seed + 1),
        layers.RandAugment(geometric=False, seed=seed + 2),
    ]


@once
def test_a_batch_is_the_same_whichever_thread_comes_first(scenes):
    ahead = in_memory(scenes, augmentation=augmentation(), batch_size=1, workers=4)
    alone = in_memory(scenes, augmentation=augmentation(), batch_size=1)
    backwards = [alone[i] for i in reversed(range(len(alone)))][::-1]
    for batch, other in zip(ahead.batches(), backwards, strict=True):
        equal(batch, other)
    assert ahead.epoch == alone.epoch + 1
    assert not np.array_equal(ahead[0]["images"], alone[0]["images"])
    other = in_memory(scenes, augmentation=augmentation(5), batch_size=1)
    assert not np.array_equal(other[0]["images"], alone[0]["images"])


@once
def test_rows_of_boxes_stay_as_many(scenes):
    most = max(map(len, scenes[1]))
    dataset = in_memory(scenes, augmentation=augmentation())
    assert dataset.max_boxes == 4 * most
    dataset.augmentation = None
    assert dataset[0]["bounding_boxes"]["boxes"].shape == (4, 4 * most, 4)
    with pytest.warns(UserWarning, match=f"An image has {most} boxes; max_boxes=2 cuts off"):
        few = in_memory(scenes, max_boxes=2, shuffle=False)
    np.testing.assert_array_equal(few[0]["bounding_boxes"]["classes"], dataset_rows(scenes, 2))
    none = load_arrays([scenes[0][0]], [[]], [[]], NAMES, **OPTIONS)[0]["bounding_boxes"]
    assert none["boxes"].shape == (1, 1, 4) and none["classes"].tolist() == [[-1]]


def dataset_rows(scenes, count):
    return [[*row[:count], *[-1] * (count - len(row))] for row in map(list, scenes[2][:4])]


@once
def test_boxes_follow_the_pixels_through_all_stages():
    """A white rectangle on black, resized, mirrored, brought to another size: the box is around what is white."""
    image = np.zeros((40, 80, 3), "uint8")
    image[10:20, 16:48] = 255
    dataset = load_arrays(
        [image] * 4,
        [[[16, 10, 32, 10]]] * 4,
        [[0]] * 4,
        source_format="xywh",
        image_size=128,
        batch_size=1,
        augmentation=[layers.RandomFlip(bounding_box_format="center_xywh", rate=1.0, seed=0)],
        multi_scale=[64, 96],
        bounding_box_format="xyxy",
    )
    for batch in dataset:
        white = batch["images"][0, ..., 0] > 127
        rows, columns = white.any(1).nonzero()[0], white.any(0).nonzero()[0]
        extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(batch["bounding_boxes"]["boxes"][0, 0], extent, atol=1)
    assert dataset.class_names == ["0"]


@once
def test_sizes_change_from_batch_to_batch(scenes):
    dataset = in_memory(scenes, batch_size=1, multi_scale=[32, 64, 96])
    sides = [batch["images"].shape[1] for batch in dataset]
    assert sorted(sides[:3]) == sorted(sides[3:]) == [32, 64, 96]
    seen = set()
    for _ in range(6):
        dataset.on_epoch_end()
        seen.add(tuple(dataset.side_of(i) for i in range(3)))
    assert len(seen) > 2


@once
def test_a_layer_and_a_function_of_ones_own(scenes):
    shapes = []

    def note(batch):
        shapes.append(batch["bounding_boxes"]["boxes"].max())
        return batch

    resizing = layers.JitteredResize((32, 96), (0.8, 1.2), bounding_box_format="xywh", seed=0)
    dataset = in_memory(scenes, resizing=resizing, augmentation=note, bounding_box_format="rel_xyxy")
    assert dataset[0]["images"].shape == (4, 32, 96, 3) and 0 < shapes[0] <= 1


@once
def test_an_image_that_breaks_later_is_replaced(scenes, tmp_path):
    folder = write_yolo(tmp_path, *scenes)
    dataset = load_yolo(folder, on_error="skip", shuffle=False, **OPTIONS)
    strict = load_yolo(folder, shuffle=False, **OPTIONS)
    (folder / "images/train/001.png").write_bytes(b"gone")
    with pytest.warns(UserWarning, match="1 images were skipped"):
        batch = dataset[0]
    np.testing.assert_array_equal(batch["images"][1], batch["images"][2])
    assert len(batch["images"]) == 4 and len(dataset.skipped) == 1
    with pytest.raises(ValueError, match="is not an image"):
        strict[0]


def test_a_tf_data_set_gives_the_same(scenes):
    pytest.importorskip("tensorflow")
    options = {"augmentation": augmentation(), "batch_size": 2, "multi_scale": [32, 64]}
    dataset, other = in_memory(scenes, **options), in_memory(scenes, **{**options, "augmentation": augmentation()})
    pipeline = dataset.to_tf()
    assert pipeline.element_spec["images"].shape.as_list() == [None, None, None, 3] and len(pipeline) == 3
    for _ in range(2):  # two epochs
        for batch, expected in zip(pipeline, other.batches(), strict=True):
            equal(keras.tree.map_structure(lambda x: x.numpy(), batch), expected)


class Watching(keras.Model):
    """A detector of nothing, which keeps what it was given: `fit` on dictionaries, as detectors do."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def call(self, inputs):
        return self.dense(keras.ops.cast(inputs["images"], "float32"))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        boxes = keras.ops.cast(x["bounding_boxes"]["boxes"], "float32")
        return keras.ops.mean(y_pred) ** 2 + 0 * keras.ops.mean(boxes)


def test_keras_trains_on_it(scenes):
    model = Watching()
    model.compile("sgd")
    dataset = in_memory(scenes, augmentation=augmentation(), batch_size=2, multi_scale=[32, 64, 96], workers=2)
    validation = in_memory(scenes, shuffle=False, batch_size=4)
    history = model.fit(dataset, validation_data=validation, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2 and np.isfinite(history["val_loss"]).all()


class Noting:
    """A function of a batch that notes the number of real boxes in it."""

    def __init__(self):
        self.seen = []

    def __call__(self, batch):
        self.seen.append(int((batch["bounding_boxes"]["classes"] != -1).sum()))
        return batch


@pytest.mark.parametrize("workers", [1, 3])
def test_mosaic_is_closed_for_the_last_epochs(scenes, workers):
    """All images have one box in the middle, so that each mosaic has four."""
    images = [scenes[0][0]] * 12
    boxes, note = [[[5, 5, 35, 35]]] * 12, Noting()
    mosaic = layers.Mosaic(bounding_box_format="xyxy", seed=0, offset=(0.5, 0.5))
    inner = [layers.RandomApply(mosaic, 1.0, seed=0), layers.RandomFlip(bounding_box_format="xyxy", seed=0)]
    dataset = load_arrays(
        images, boxes, [[1]] * 12, augmentation=[layers.Augmenter(inner), note], workers=workers, **OPTIONS
    )
    before, epochs = dataset.augmentation, []
    mark = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: note.seen.clear(),
        on_epoch_end=lambda epoch, logs: epochs.append(sorted(set(note.seen))),
    )
    model = Watching()
    model.compile("sgd")
    model.fit(dataset, epochs=4, verbose=0, callbacks=[mark, CloseMosaic(dataset, last_epochs=2)])
    assert epochs == [[16], [16], [4], [4]]
    assert dataset.augmentation == before


@once
def test_crowds_and_difficult_objects(scenes, tmp_path):
    content = coco(*scenes)
    save(scenes[0], tmp_path)
    content["annotations"][0]["iscrowd"] = 1
    path, rows = write_coco(tmp_path, content), len(scenes[2][0])
    counts = {how: len(load_coco(path, crowd=how).examples.boxes[0]) for how in ("skip", "keep", "flag")}
    assert counts == {"skip": rows - 1, "keep": rows, "flag": rows}
    flip = layers.RandomFlip(bounding_box_format="xyxy", seed=0)
    flags = load_coco(path, crowd="flag", shuffle=False, augmentation=flip, **OPTIONS)[0]["bounding_boxes"]["is_crowd"]
    assert flags.dtype == "int32" and flags[0, 0] == 1 and not flags[0, 1:rows].any() and (flags[0, rows:] == -1).all()
    names = ["cat", "dog"]
    xml = annotation("000.png", scenes[0][0], [[1, 1, 20, 20], [2, 2, 30, 30]], names, difficult=[1])
    (tmp_path / "000.xml").write_text(xml)
    assert load_pascal_voc(tmp_path).examples.classes[0].tolist() == [0]
    flagged = load_pascal_voc(tmp_path, difficult="flag", **OPTIONS)[0]["bounding_boxes"]
    assert flagged["is_difficult"].tolist() == [[0, 1]]


@once
def test_classes_are_chosen_by_name(scenes, tmp_path):
    save(scenes[0], tmp_path)
    dataset = load_coco(write_coco(tmp_path, coco(*scenes)), class_names=["rocket", "cat"])
    assert dataset.category_ids == [90, 3]
    wanted = [[{3: 0, 0: 1}[x] for x in row if x in (0, 3)] for row in scenes[2]]
    assert [x.tolist() for x in dataset.examples.classes] == wanted
    (tmp_path / "voc").mkdir()
    dataset = load_pascal_voc(write_voc(tmp_path / "voc", *scenes), class_names=["rocket", "cat"])
    assert [x.tolist() for x in dataset.examples.classes] == wanted


@once
def test_places_a_data_yaml_can_name(scenes, tmp_path):
    write_yolo(tmp_path / "set", *scenes)
    folder = tmp_path / "set"
    (folder / "some.txt").write_text("./images/train/001.png\nimages/train/003.png\n\n")
    forms = {
        "path: ..\ntrain: set/images\nnames: {0: a, 1: b, 2: c, 3: d}\n": 6,
        "train: [images/train, images/train]\nnames: [a, b, c, d]\nnc: 4\n": 12,
        "train: some.txt\nnames: [a, b, c, 1]\n": 2,
        "train: ../images/train\nnames: [a, b, c, d]\n": 6,  # as Roboflow writes it
        f"path: {folder}\ntrain: images\nnames: [a, b, c, d]\n": 6,
    }
    for text, count in forms.items():
        (folder / "data.yaml").write_text(text)
        dataset = load_yolo(folder / "data.yaml")
        assert len(dataset.examples) == count and len(dataset.class_names) == 4


@once
def test_a_polygon_is_the_box_around_it(scenes, tmp_path):
    folder = write_yolo(tmp_path, *scenes)
    (folder / "labels/train/000.txt").write_text("2 0.5 0.25 0.75 0.5 0.5 0.75 0.25 0.5\n")
    found = load_yolo(folder)
    height, width = scenes[0][0].shape[:2]
    np.testing.assert_allclose(found.examples.boxes[0], np.array([[1, 1, 3, 3]]) * [width, height, width, height] / 4)
    assert found.examples.classes[0].tolist() == [2]


@once
def test_turned_photographs_are_measured_upright(tmp_path):
    from PIL import Image

    image = Image.new("RGB", (60, 40))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "data.yaml").write_text("train: .\nnames: [a]\n")
    dataset = load_yolo(tmp_path)
    assert dataset.examples.boxes[0].tolist() == [[0, 0, 40, 60]] and dataset.example(0)["images"].shape == (60, 40, 3)


@once
def test_images_may_be_made_when_asked_for(scenes):
    asked = []

    class Lazy:
        def __len__(self):
            return len(scenes[0])

        def __getitem__(self, row):
            asked.append(row)
            return scenes[0][row]

    dataset = load_arrays(Lazy(), *scenes[1:], class_names=NAMES, shuffle=False, **OPTIONS)
    equal(dataset[1], in_memory(scenes, shuffle=False)[1])
    assert asked == [*range(6), 4, 5]


@once
@pytest.mark.parametrize("layer", ["MixUp", "CutMix", "CopyPaste", "RandomZoom"])
def test_layers_that_mix_are_left_out_when_closed(scenes, layer):
    from keras_cv.callbacks.close_mosaic import without_mixing

    arguments = {"height_factor": 0.1} if layer == "RandomZoom" else {}
    made = getattr(layers, layer)(bounding_box_format="xyxy", **arguments)
    assert without_mixing([made]) == ([made] if layer == "RandomZoom" else [])
