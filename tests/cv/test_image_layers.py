"""What holds for every image layer: eager equals tf.data, dtypes, seeds, inference, configuration, bad input."""

import pickle
import threading

import keras
import numpy as np
import pytest
from painted import painted

from keras_cv import layers

XYXY = {"bounding_box_format": "xyxy"}
RANDOM = {
    "flip": lambda **k: layers.RandomFlip("horizontal_and_vertical", **k),
    "rotation": lambda **k: layers.RandomRotation((-0.1, 0.2), **k),
    "zoom": lambda **k: layers.RandomZoom(0.2, (0.1, 0.3), fill_mode="nearest", **k),
    "translation": lambda **k: layers.RandomTranslation(0.3, 0.3, fill_mode="wrap", **k),
    "shear": lambda **k: layers.RandomShear(0.3, 0.2, interpolation="nearest", **k),
    "affine": lambda **k: layers.RandomAffine(0.05, 0.1, 0.2, 0.1, interpolation="bicubic", **k),
    "perspective": lambda **k: layers.RandomPerspective(0.5, 0.4, **k),
    "crop": lambda **k: layers.RandomCrop(16, 12, **k),
    "crop and resize": lambda **k: layers.RandomCropAndResize((16, 20), (0.3, 0.9), (0.7, 1.4), **k),
    "jittered resize": lambda **k: layers.JitteredResize((20, 16), (0.7, 1.5), minimum_box_area_ratio=0.1, **k),
    "cut mix": lambda **k: layers.CutMix(**k),
    "mosaic": lambda **k: layers.Mosaic(max_boxes=5, **k),
    "copy paste": lambda **k: layers.CopyPaste(**k),
    "erasing": lambda **k: layers.RandomErasing(0.5, **k),
    "cutout": lambda **k: layers.RandomCutout(0.5, 0.5, fill_mode="gaussian_noise", **k),
    "grid": lambda **k: layers.GridMask(**k),
    "apply": lambda seed, **k: layers.RandomApply(layers.RandomRotation(0.2, seed=seed, **k), rate=0.6, seed=seed),
    "apply mosaic": lambda seed, **k: layers.RandomApply(layers.Mosaic(seed=seed, **k), rate=0.6, seed=seed),
    "choice": lambda seed, **k: layers.RandomChoice(
        [layers.RandomFlip(seed=seed, **k), layers.GridMask(seed=seed)], seed=seed
    ),
    "pipeline": lambda seed, **k: layers.RandomAugmentationPipeline(
        [layers.RandomFlip(seed=seed, **k), layers.RandomZoom(0.2, seed=seed, **k)], 2, rate=0.8, seed=seed
    ),
}
ALWAYS = {
    "resizing": lambda seed=None, **k: layers.Resizing(20, 32, **k),
    "letterbox": lambda seed=None, **k: layers.Resizing(
        20, 32, pad_to_aspect_ratio=True, antialias=True, fill_mode="reflect", **k
    ),
    "centre": lambda seed=None, **k: layers.CenterCrop(12, 17, **k),
    "augmenter": lambda seed=None, **k: layers.Augmenter(
        [layers.RandomFlip(seed=seed, **k), layers.Resizing(16, 16, **k), layers.Mosaic(seed=seed, **k)]
    ),
    "repeated": lambda seed=None, **k: layers.RepeatedAugmentation(
        [layers.RandomFlip(seed=seed, **k), layers.RandomErasing(seed=seed)], seed=seed
    ),
}
LAYERS = {**RANDOM, **ALWAYS}
BATCHES_ONLY = ("cut mix", "mosaic", "copy paste", "apply mosaic", "augmenter", "repeated")


def data(count=4, dtype="uint8"):
    places = [[2, 2, 12, 12], [14, 4, 28, 20], [-1, -1, -1, -1]]
    batch = painted([places] * count, 24, 30, dtype)
    noise = np.random.default_rng(1).integers(0, 60, batch["images"].shape)
    return {**batch, "images": batch["images"] + noise.astype(dtype) // 4, "labels": np.eye(count, dtype="float32")}


def equal(one, two):
    keras.tree.map_structure(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), one, two)


@pytest.mark.parametrize("name", LAYERS)
def test_in_tf_data_it_is_the_same(name):
    """Three batches, the last one smaller, in a graph that knows neither their size nor that of the images."""
    tf = pytest.importorskip("tensorflow")
    batches = [data(4), data(4), data(2)]
    eager = LAYERS[name](seed=3, **XYXY)
    expected = [eager(batch) for batch in batches]
    spec = keras.tree.map_structure(lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), batches[0])
    spec["labels"] = tf.TensorSpec([None, None], "float32")
    spec["images"] = tf.TensorSpec([None, None, 30, 3], "uint8")
    mapped = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec).map(
        LAYERS[name](seed=3, **XYXY)
    )
    found = list(mapped)
    assert len(found) == 3
    for one, two in zip(expected, found):
        equal(one, {key: two[key] for key in one})
    shapes = keras.tree.map_structure(lambda spec: spec.shape, mapped.element_spec)
    keras.tree.map_structure(lambda shape, x: shape.assert_is_compatible_with(x.shape), shapes, expected[0])
    boxes = mapped.element_spec["bounding_boxes"]
    assert boxes["boxes"].shape[1] == expected[0]["bounding_boxes"]["boxes"].shape[1]


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in BATCHES_ONLY])
def test_one_image_in_tf_data(name):
    tf = pytest.importorskip("tensorflow")
    eager, batch = LAYERS[name](seed=3, **XYXY), data(3)
    rows = [keras.tree.map_structure(lambda x, i=i: x[i], batch) for i in range(3)]
    expected = [eager(row) for row in rows]
    mapped = tf.data.Dataset.from_tensor_slices(batch).map(LAYERS[name](seed=3, **XYXY))
    for one, two in zip(expected, mapped, strict=True):
        equal(one, {key: two[key] for key in one})
    assert mapped.element_spec["images"].shape == expected[0]["images"].shape


@pytest.mark.once
@pytest.mark.parametrize("name", LAYERS)
def test_kinds_of_input(name):
    layer = LAYERS[name](seed=0, **XYXY)
    for dtype in ("uint8", "float32"):
        given = data(dtype=dtype)
        found = layer(given)
        assert found["images"].dtype == dtype and list(found) == list(given)
        assert found["bounding_boxes"]["classes"].dtype == given["bounding_boxes"]["classes"].dtype
    images = data()["images"]
    if name != "copy paste":
        assert layer(images.astype("float64")).dtype == "float32" and layer(images[..., :1]).shape[-1] == 1
        tensor = keras.ops.convert_to_tensor(images)
        assert isinstance(layer(tensor), np.ndarray)
        assert layer(np.zeros((0, 8, 8, 3), "uint8")).shape[0] == 0
        if name not in BATCHES_ONLY:
            assert layer(images[0]).ndim == 3
            assert layer(np.full((1, 1, 3), 7, "uint8")).ndim == 3
            assert layer(np.full((2, 1, 1, 3), 7, "float32")).ndim == 4
            unequal = layer([images[0], images[1, :10, :12]])
            assert len(unequal) == 2


@pytest.mark.once
@pytest.mark.parametrize("name", RANDOM)
def test_seeds_and_inference(name):
    batch = data()
    first, second = LAYERS[name](seed=1, **XYXY), LAYERS[name](seed=1, **XYXY)
    runs = [first(batch) for _ in range(6)]
    for run in runs:
        equal(run, second(batch))
    assert any(
        (run["images"] != runs[0]["images"]).any() for run in runs[1:] if run["images"].shape == runs[0]["images"].shape
    )
    other = LAYERS[name](seed=2, **XYXY)
    assert any((run["images"] != other(batch)["images"]).any() for run in runs)
    still = first(batch, training=False)
    assert still is batch
    equal(first(batch), second(batch))  # calls at inference are not counted
    keras.utils.set_random_seed(4)
    one = LAYERS[name](seed=None, **XYXY)(batch)
    keras.utils.set_random_seed(4)
    equal(one, LAYERS[name](seed=None, **XYXY)(batch))


@pytest.mark.once
@pytest.mark.parametrize("name", LAYERS)
def test_configuration_and_pickle(name, tmp_path):
    batch = data()
    layer = LAYERS[name](seed=1, **XYXY)
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    equal(layer(batch), again(batch))
    pickled = pickle.loads(pickle.dumps(layer))
    equal(layer(batch), pickled(batch))  # the second call of each
    keras.Sequential([LAYERS[name](seed=1, **XYXY)], name="augmentation").save(tmp_path / "layers.keras")
    loaded = keras.saving.load_model(tmp_path / "layers.keras").layers[-1]
    equal(LAYERS[name](seed=1, **XYXY)(batch), loaded(batch))


@pytest.mark.once
def test_in_a_sequential():
    images = data()["images"]
    model = keras.Sequential([layers.RandomFlip(seed=0), layers.Resizing(10, 12)])
    np.testing.assert_array_equal(model(images, training=False), layers.Resizing(10, 12)(images))
    flipped = layers.Resizing(10, 12)(layers.RandomFlip(seed=0)(images))
    np.testing.assert_array_equal(model(images, training=True), flipped)
    with pytest.raises(NotImplementedError, match=r"RandomFlip works on data.*dataset.map\(layer\)"):
        layers.RandomFlip()(keras.Input((8, 8, 3)))


@pytest.mark.once
def test_at_inference_an_augmenter_does_what_is_not_random():
    batch, layer = data(), LAYERS["augmenter"](seed=1, **XYXY)
    equal(layer(batch, training=False), layers.Resizing(16, 16, **XYXY)(batch))


@pytest.mark.once
def test_other_entries_pass_through():
    batch = {**data(), "ids": np.array(["a", "b", "c", "d"]), "nothing": None}
    flipped = layers.RandomFlip(**XYXY)(batch)
    assert flipped["ids"] is batch["ids"] and flipped["nothing"] is None
    boxes = {**batch["bounding_boxes"], "confidence": np.full((4, 3), 0.5, "float32"), "source": "a file"}
    moved = layers.RandomTranslation((1, 1), 0.0, fill_mode="constant", **XYXY)({**batch, "bounding_boxes": boxes})
    assert (moved["bounding_boxes"]["confidence"] == -1).all() and moved["bounding_boxes"]["source"] == "a file"


@pytest.mark.once
def test_boxes_of_every_sort():
    images = data(2)["images"]
    lists = {"boxes": [[[2, 2, 12, 12], [4, 4, 8, 9]], []], "classes": [[3, 4], []]}
    moved = layers.Resizing(48, 60, **XYXY)({"images": images, "bounding_boxes": lists})["bounding_boxes"]
    np.testing.assert_array_equal(moved["boxes"], [[[4, 4, 24, 24], [8, 8, 16, 18]], [[-1] * 4] * 2])
    np.testing.assert_array_equal(moved["classes"], [[3, 4], [-1, -1]])
    keras_names = {"boxes": np.array([[[2, 2, 12, 12]]] * 2), "labels": np.array([[200], [7]], "uint8")}
    moved = layers.RandomTranslation((1, 1), 0.0, fill_mode="constant", **XYXY)(
        {"images": images, "bounding_boxes": keras_names}
    )
    assert (moved["bounding_boxes"]["labels"] == -1).all()
    sized = [images[0], images[1, :12]]
    relative = {"boxes": [[[0.25, 0.25, 0.5, 0.5]], [[0.25, 0.25, 0.5, 0.5]]], "classes": [[1], [2]]}
    layer = layers.Resizing(24, 24, pad_to_aspect_ratio=True, bounding_box_format="rel_xyxy")
    moved = layer({"images": sized, "bounding_boxes": relative})["bounding_boxes"]["boxes"]
    np.testing.assert_allclose(moved[:, 0] * 24, [[6, 4.75, 12, 9.5], [6, 2.5, 12, 5]], atol=0.01)


@pytest.mark.once
def test_ragged_tensors_in_tf_data():
    tf = pytest.importorskip("tensorflow")
    images = data(2)["images"]
    boxes = tf.ragged.constant([[[2.0, 2, 12, 12], [4, 4, 8, 9]], []], inner_shape=(4,))
    ragged = {"boxes": boxes, "classes": tf.ragged.constant([[3, 4], []], dtype="int64")}
    unequal = tf.ragged.stack([images[0], images[1, :12, :20]])
    mapped = tf.data.Dataset.from_tensors({"images": unequal, "bounding_boxes": ragged}).map(
        layers.Resizing(48, 60, **XYXY)
    )
    moved = next(iter(mapped))
    assert mapped.element_spec["images"].shape[1:] == (48, 60, 3)
    expected = layers.Resizing(48, 60)([images[0], images[1, :12, :20]])
    np.testing.assert_array_equal(moved["images"], expected)
    np.testing.assert_array_equal(moved["bounding_boxes"]["boxes"][0], [[4, 4, 24, 24], [8, 8, 16, 18]])


@pytest.mark.once
def test_images_of_unknown_size_in_tf_data():
    """As tf.io.decode_jpeg gives them: height, width and channels unknown."""
    tf = pytest.importorskip("tensorflow")
    rows = [data(1)["images"][0], data(1)["images"][0, :10, :, :1]]
    layer = layers.Augmenter([layers.RandAugment(seed=0), layers.RandomFlip(seed=0), layers.RandomErasing(seed=0)])

    def images(rank):
        spec = tf.TensorSpec(None if rank is None else [None] * rank, "uint8")
        return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=spec)

    mapped = images(3).map(layer)
    assert mapped.element_spec.shape.as_list() == [None, None, None]
    assert [image.shape for image in mapped] == [(24, 30, 3), (10, 30, 1)]
    assert images(3).map(layers.Resizing(8, 9)).element_spec.shape.as_list() == [8, 9, None]
    with pytest.raises(ValueError, match="expand_animations=False"):
        images(None).map(layer)


@pytest.mark.once
def test_threads_share_the_numbering():
    layer, images = layers.RandomRotation(0.2, seed=0), data(1)["images"]
    alone = layers.RandomRotation(0.2, seed=0)
    expected = {alone(images).tobytes() for _ in range(8)}
    found, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: found.append(layer(images).tobytes())))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(expected) == 8 and set(found) == expected


def test_workers_of_a_loader_draw_apart():
    torch = pytest.importorskip("torch")
    images = np.repeat(data(1)["images"], 8, 0)

    class Pictures(torch.utils.data.Dataset):
        layer = layers.RandomRotation(0.2, seed=0)

        def __len__(self):
            return 8

        def __getitem__(self, i):
            return self.layer(images[i])

    loader = torch.utils.data.DataLoader(Pictures(), batch_size=1, num_workers=2, multiprocessing_context="fork")
    epochs = []
    for _ in range(2):
        torch.manual_seed(0)
        epochs.append([batch.numpy().tobytes() for batch in loader])
    assert len(set(epochs[0])) == 8 and epochs[0] == epochs[1]


@pytest.mark.once
def test_bad_input():
    batch = data()
    boxes = batch["bounding_boxes"]

    def refused(message, **changes):
        with pytest.raises(ValueError, match=message):
            layers.RandomFlip(**XYXY)({**batch, **changes})

    turned = {**boxes, "boxes": boxes["boxes"][..., [2, 1, 0, 3]]}
    refused(r"8 boxes end before they begin.*\[12.0, 2.0, 2.0, 12.0\] \(image 0, row 0\)", bounding_boxes=turned)
    refused("not finite", bounding_boxes={**boxes, "boxes": np.where(boxes["boxes"] == 14, np.nan, boxes["boxes"])})
    refused("boxes must be of shape", bounding_boxes={**boxes, "boxes": boxes["boxes"][..., :3]})
    refused("classes must go row by row", bounding_boxes={**boxes, "classes": boxes["classes"][:, :1]})
    refused("lacks classes; it has boxes", bounding_boxes={"boxes": boxes["boxes"]})
    refused("must be a dictionary", bounding_boxes=boxes["boxes"])
    refused("boxes of 3 images for 4 images", bounding_boxes={key: x[:3] for key, x in boxes.items()})
    refused("a batch of images comes with boxes of shape", bounding_boxes={key: x[0] for key, x in boxes.items()})
    refused("as high and wide as their images", segmentation_masks=batch["segmentation_masks"][:, :5])
    refused("3 segmentation_masks for 4 images", segmentation_masks=batch["segmentation_masks"][:3])
    refused("grey ones with a last axis of 1", images=batch["images"][0, ..., 0])
    refused("at least one pixel", images=np.zeros((1, 0, 4, 3), "uint8"))
    refused("images of numbers", images=np.zeros((4, 24, 30, 3), bool))
    with pytest.raises(ValueError, match="RandomFlip was given boxes; say in which format"):
        layers.RandomFlip()(batch)
    with pytest.raises(ValueError, match="takes a dictionary with images; it has labels"):
        layers.RandomFlip()({"labels": batch["labels"]})
    with pytest.raises(ValueError, match="labels must be"):
        layers.CutMix(**XYXY)({**batch, "labels": batch["labels"][:2]})


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomFlip("sideways"), "mode must be one of horizontal"),
        (lambda: layers.RandomFlip(rate=2), "rate must lie in"),
        (lambda: layers.RandomFlip(seed=-1), "seed must be an integer of at least 0, or None; got -1"),
        (lambda: layers.RandomFlip(bounding_box_format="xyz"), "bounding_box_format must be one of xyxy"),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), "fill_mode must be one of constant"),
        (lambda: layers.RandomRotation(0.1, interpolation="sinc"), "interpolation must be one of nearest"),
        (lambda: layers.RandomZoom(-1.5), "height_factor"),
        (lambda: layers.RandomTranslation(2, 0), "height_factor must be a range within"),
        (lambda: layers.RandomPerspective(scale=1), "scale must lie in"),
        (lambda: layers.RandomAffine(minimum_box_area_ratio=1), "minimum_box_area_ratio must lie in"),
        (lambda: layers.Resizing(0, 5), "height and width must be integers of at least 1; got 0 and 5"),
        (lambda: layers.Resizing(5, 5, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "exclude each other"),
        (lambda: layers.Resizing(5, 5, interpolation="cubic"), "interpolation must be one of nearest, bilinear"),
        (lambda: layers.JitteredResize(5, (0.5, 1)), r"target_size must be \(height, width\); got 5"),
        (lambda: layers.RandomCropAndResize((5, 5), (0.5, 2), (1, 1)), "crop_area_factor must be a range within"),
        (lambda: layers.Augmenter([]), "layers must be image layers of keras_cv.layers; got none"),
        (lambda: layers.Augmenter([keras.layers.Dense(1)]), "got Dense"),
        (lambda: layers.RandomApply(layers.RandomFlip(), rate=7), "rate must lie in"),
        (
            lambda: layers.Augmenter([layers.RandomFlip(**XYXY), layers.RandomFlip(bounding_box_format="xywh")]),
            "must name one bounding_box_format; got xywh, xyxy",
        ),
        (lambda: layers.RepeatedAugmentation([layers.RandomFlip()])(np.zeros((4, 4, 3))), "takes a batch of images"),
        (
            lambda: layers.RepeatedAugmentation([layers.RandomFlip()])({"images": np.zeros((1, 4, 4, 3)), "ids": [1]}),
            "cannot repeat ids",
        ),
        (lambda: layers.GridMask(fill_mode="stars"), "fill_mode must be one of constant, gaussian_noise"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
