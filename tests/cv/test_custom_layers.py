"""Layers of a user's own, written for KerasCV's base classes."""

import pickle

import keras
import numpy as np
import pytest
from keras import ops
from painted import painted

from keras_cv import bounding_box, core, layers
from keras_zoo.config import serializable


@serializable
class Tint(layers.BaseImageAugmentationLayer):
    """As in KerasCV's guide: operations of the backend, a factor sampler, a label that depends on what was drawn."""

    def __init__(self, factor=0.5, **kwargs):
        super().__init__(**kwargs)
        self.auto_vectorize = False
        self.factor = factor if isinstance(factor, core.FactorSampler) else core.UniformFactorSampler(0.0, factor)

    def get_random_transformation(self, **kwargs):
        return self.factor() * 255

    def augment_image(self, image, *args, transformation=None, **kwargs):
        [*others, blue] = ops.unstack(ops.convert_to_tensor(image), axis=-1)
        blue = ops.clip(blue + transformation, 0.0, 255.0)
        return ops.stack([*others, blue], axis=-1)

    def augment_label(self, label, transformation=None, **kwargs):
        return 2.0 if transformation > 100 else label

    def augment_bounding_boxes(self, bounding_boxes, transformation=None, **kwargs):
        return bounding_boxes

    def augment_segmentation_mask(self, segmentation_mask, transformation=None, **kwargs):
        return segmentation_mask


@serializable
class Shift(layers.VectorizedBaseImageAugmentationLayer):
    """Moves each image to the right, with its boxes and its mask."""

    def get_random_transformation_batch(self, batch_size, images=None, **kwargs):
        return np.asarray(self._random_generator.uniform((batch_size,), 1, 8, dtype="int32"))

    def shift(self, images, transformations):
        moved = np.zeros_like(images)
        for out, image, pixels in zip(moved, images, transformations):
            out[:, pixels:] = image[:, :-pixels] if image.shape[1] > pixels else 0
        return moved

    def augment_images(self, images, transformations, **kwargs):
        return ops.convert_to_tensor(self.shift(images, transformations))

    def augment_labels(self, labels, transformations, **kwargs):
        return labels

    def augment_bounding_boxes(self, bounding_boxes, transformations, images=None, raw_images=None, **kwargs):
        boxes = bounding_box.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", images=raw_images)
        right = transformations[:, None, None] * np.array([1.0, 0, 1, 0], "float32")
        boxes["boxes"] = np.where(boxes["boxes"] == -1, -1, boxes["boxes"] + right)
        boxes = bounding_box.convert_format(boxes, "xyxy", self.bounding_box_format, images=images)
        return bounding_box.to_ragged(boxes)

    def augment_segmentation_masks(self, segmentation_masks, transformations, **kwargs):
        return self.shift(segmentation_masks, transformations)


@serializable
class Half(layers.BaseImageAugmentationLayer):
    """The left half of an image, which drops the boxes that begin in the right one."""

    def augment_image(self, image, transformation=None, **kwargs):
        return image[:, : max(1, image.shape[1] // 2)]

    def augment_label(self, label, **kwargs):
        return label

    def augment_bounding_boxes(self, bounding_boxes, image=None, **kwargs):
        kept = bounding_boxes["boxes"][:, 0] < image.shape[1] // 2
        return {key: x[kept] for key, x in bounding_boxes.items()}

    def augment_segmentation_mask(self, segmentation_mask, **kwargs):
        return segmentation_mask[:, : max(1, segmentation_mask.shape[1] // 2)]


CLASSES = {"tint": Tint, "shift": Shift, "half": Half}
PLACES = [[2, 2, 12, 12], [16, 4, 24, 20], [-1, -1, -1, -1]]


def data(count=3, dtype="uint8", bounding_box_format="xywh"):
    batch = painted([PLACES] * count, 24, 30, dtype)
    boxes = bounding_box.convert_format(batch["bounding_boxes"], "xyxy", bounding_box_format, images=batch["images"])
    return {**batch, "bounding_boxes": boxes, "labels": np.eye(count, dtype="float32")}


def equal(one, two):
    keras.tree.map_structure(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), one, two)


@pytest.mark.parametrize("name", CLASSES)
def test_in_tf_data_it_is_the_same(name):
    """Also in graphs that know no sizes, and for single images; hooks call Keras' operations there."""
    tf = pytest.importorskip("tensorflow")
    make = {"bounding_box_format": "xywh", "seed": 3}
    batches = [data(4), data(4), data(2)]
    eager = CLASSES[name](**make)
    expected = [eager(batch) for batch in batches]
    spec = keras.tree.map_structure(lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), batches[0])
    spec["labels"] = tf.TensorSpec([None, None], "float32")
    mapped = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec).map(CLASSES[name](**make))
    for one, two in zip(expected, mapped, strict=True):
        equal(one, {key: two[key] for key in one})
    eager = CLASSES[name](**make)
    rows = [keras.tree.map_structure(lambda x, i=i: x[i], data(3)) for i in range(3)]
    expected = [eager(row) for row in rows]
    for one, two in zip(expected, tf.data.Dataset.from_tensor_slices(data(3)).map(CLASSES[name](**make)), strict=True):
        equal(one, {key: two[key] for key in one})


def test_tensorflow_inside_tf_data():
    """As the layers were written for KerasCV: with TensorFlow's own operations, under any backend."""
    tf = pytest.importorskip("tensorflow")

    class Brighter(layers.BaseImageAugmentationLayer):
        def augment_image(self, image, transformation=None, **kwargs):
            return tf.clip_by_value(tf.image.adjust_brightness(image, 50), 0, 255)

    images = np.full((2, 4, 4, 3), 230, "uint8")
    images[1] = 3
    for batch in tf.data.Dataset.from_tensor_slices(images).batch(2).map(Brighter()):
        assert batch.dtype == "uint8"
        np.testing.assert_array_equal(batch[:, 0, 0, 0], [255, 53])
    equal(Brighter()(images), batch)


@pytest.mark.once
@pytest.mark.parametrize("name", CLASSES)
def test_kinds_of_input(name):
    layer = CLASSES[name](bounding_box_format="xywh", seed=1)
    for dtype in ("uint8", "float32"):
        given = data(dtype=dtype)
        copy = keras.tree.map_structure(np.copy, given)
        found = layer(given)
        equal(given, copy)
        assert found["images"].dtype == dtype and found["segmentation_masks"].dtype == "uint8"
        assert found["labels"].dtype == "float32"
        assert found["bounding_boxes"]["boxes"].shape == (3, 3, 4)
        assert (found["bounding_boxes"]["classes"][:, 2] == -1).all()
    images = data()["images"]
    assert layer(images[0]).ndim == 3 and layer(np.zeros((0, 8, 8, 3), "uint8")).shape == (0, 8, 8, 3)
    assert isinstance(layer(ops.convert_to_tensor(images)), np.ndarray)
    assert [image.shape[0] for image in layer([images[0], images[1, :10, :14]])] == [24, 10]
    assert layer(images, training=False) is images


@pytest.mark.once
def test_what_they_compute():
    tint = Tint(core.ConstantFactorSampler(0.5), bounding_box_format="xywh")
    found = tint(data())
    expected = np.clip(data()["images"] + [0, 0, 127.5], 0, 255)
    np.testing.assert_allclose(found["images"], expected, atol=0.5)
    assert (found["labels"] == 2).all()  # the whole row, as in the guide
    assert tint({"images": data()["images"], "labels": np.arange(3)})["labels"].tolist() == [2, 2, 2]
    one = tint({"images": data()["images"][0], "labels": np.array([[1, 0]])})  # as in the guide, with an axis too many
    np.testing.assert_array_equal(one["labels"], [[2, 2]])
    found = Half(bounding_box_format="xywh")(data())
    assert found["images"].shape == (3, 24, 15, 3) and found["segmentation_masks"].shape == (3, 24, 15)
    np.testing.assert_array_equal(found["bounding_boxes"]["classes"][0], [0, -1, -1])


@pytest.mark.once
def test_boxes_follow_in_every_format():
    size, truth = (24, 30, 3), None
    for name in bounding_box.FORMATS:
        shifted = Shift(bounding_box_format=name, seed=4)(data(bounding_box_format=name))
        boxes = bounding_box.convert_format(shifted["bounding_boxes"], name, "xyxy", image_shape=size)["boxes"]
        truth = boxes if truth is None else truth
        np.testing.assert_allclose(boxes, truth, atol=1e-3)
        for image, rows in zip(shifted["segmentation_masks"], boxes):
            left = np.flatnonzero((image == 1).any(0))
            np.testing.assert_allclose(rows[0, [0, 2]], [left.min(), left.max() + 1], atol=1e-3)


@pytest.mark.once
def test_seeds():
    batch = data()
    first, second = Tint(seed=1), Tint(seed=1)
    runs = [first(batch["images"]) for _ in range(3)]
    for run in runs:
        equal(run, second(batch["images"]))
    assert (runs[0] != runs[1]).any() and len({run[i, 0, 0, 2] for run in runs for i in range(3)}) > 3
    keras.utils.set_random_seed(3)
    one = Tint()(batch["images"])
    keras.utils.set_random_seed(3)
    equal(one, Tint()(batch["images"]))
    sampler = core.NormalFactorSampler(0.5, 0.1, 0.0, 1.0)
    keras.utils.set_random_seed(3)
    drawn = sampler((2, 3))
    keras.utils.set_random_seed(3)
    equal(drawn, sampler((2, 3)))
    assert drawn.shape == (2, 3) and sampler().shape == () and Tint()._random_generator.normal((2,)).shape == (2,)


@pytest.mark.once
def test_a_sampler_of_ones_own():
    """KerasCV's have `__call__` alone; layers of this package draw from them, too."""

    class Quarters(core.FactorSampler):
        def __call__(self, shape=(), dtype="float32"):
            return ops.full(shape, 0.25, dtype)

    image = np.full((2, 4, 4, 3), 100, "float32")
    np.testing.assert_allclose(layers.RandomBrightness(Quarters())(image), 163.75)
    np.testing.assert_allclose(Tint(Quarters())(image)[..., 2], 163.75)
    with pytest.raises(NotImplementedError, match=r"FactorSampler has neither draw\(random, shape\) nor __call__"):
        core.FactorSampler()()


@pytest.mark.once
def test_among_other_layers():
    """They take the format of their neighbours."""
    make = {"seed": 1}
    flip = layers.RandomFlip(rate=1.0, bounding_box_format="xywh", seed=0)
    pipelines = [
        layers.Augmenter([flip, Shift(**make), layers.Resizing(12, 15, bounding_box_format="xywh")]),
        layers.RandomApply(Shift(bounding_box_format="xywh", **make), rate=0.5, seed=2),
        layers.RandomAugmentationPipeline(
            [Shift(bounding_box_format="xywh", **make), Tint(**make), flip], 2, auto_vectorize=True, seed=3
        ),
        layers.RandomChoice([Tint(**make), flip], seed=3),
    ]
    for pipeline in pipelines[1:]:
        found = pipeline(data(6))
        assert found["images"].dtype == "uint8" and found["bounding_boxes"]["boxes"].shape == (6, 3, 4)
    seen = []

    class Seeing(Tint):
        def augment_bounding_boxes(self, bounding_boxes, **kwargs):
            seen.append(bounding_boxes["boxes"])
            return bounding_boxes

    layers.Augmenter([flip, Seeing()])(data(1))
    np.testing.assert_allclose(seen[0], [[18, 2, 10, 10], [6, 4, 8, 16]], atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize("name", CLASSES)
def test_configuration_and_pickle(name):
    layer = CLASSES[name](bounding_box_format="xywh", seed=5)
    batch = data()
    layer(batch)
    copy = pickle.loads(pickle.dumps(layer))
    again = CLASSES[name].from_config(layer.get_config())
    again(batch)
    expected = layer(batch)
    equal(expected, copy(batch))
    equal(expected, again(batch))


@pytest.mark.once
def test_refused():
    class Bare(layers.BaseImageAugmentationLayer):
        def augment_image(self, image, **kwargs):
            return image

    class Adding(Tint):
        def augment_bounding_boxes(self, bounding_boxes, **kwargs):
            return {key: np.concatenate([x, x, x]) for key, x in bounding_boxes.items()}

        def augment_label(self, label, **kwargs):
            return 0.5

    class Empty(layers.VectorizedBaseImageAugmentationLayer):
        pass

    class Flat(Bare):
        def augment_image(self, image, **kwargs):
            return image[..., 0]

    class Boxes(Tint):
        def augment_bounding_boxes(self, bounding_boxes, **kwargs):
            return {"boxes": bounding_boxes["boxes"], "labels": bounding_boxes["classes"]}

    batch = data()
    images = batch["images"]
    with pytest.raises(NotImplementedError, match="Bare was given labels and has no augment_label"):
        Bare()({"images": images, "labels": batch["labels"]})
    with pytest.raises(NotImplementedError, match="has no augment_segmentation_mask"):
        Bare()({"images": images, "segmentation_masks": batch["segmentation_masks"]})
    with pytest.raises(NotImplementedError, match="Empty was given images and has no augment_images"):
        Empty()(images)
    with pytest.raises(ValueError, match=r"say in which format: Tint\(..., bounding_box_format='xyxy'\)"):
        Tint()(batch)
    with pytest.raises(ValueError, match="may drop boxes, not add any; got 6 rows for 3"):
        Adding(bounding_box_format="xywh")({**batch, "labels": np.zeros(3)})
    with pytest.raises(ValueError, match=r"labels are int64 and became 0.5; give floats"):
        Adding(bounding_box_format="xywh")({"images": images, "labels": np.arange(3)})
    with pytest.raises(ValueError, match="augment_image must return an array of 3 axes"):
        Flat()(images)
    with pytest.raises(ValueError, match="augment_bounding_boxes must return classes as well"):
        Boxes(bounding_box_format="xywh")(batch)
