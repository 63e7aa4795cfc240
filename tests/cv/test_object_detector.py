"""A detector from images of any sort to boxes, and its training; on a few images that it knows by heart."""

import json

import keras
import numpy as np
import pytest
from painted import COLOURS
from PIL import Image

from keras_cv.bounding_box import convert_format
from keras_cv.layers import MultiClassNonMaxSuppression, NonMaxSuppression
from keras_cv.metrics import evaluate_boxes
from keras_cv.models import ObjectDetector, YOLOV8Backbone, YOLOV8Detector, YOLOV8DetectorPreprocessor
from keras_cv.tasks.detecting import settings_of
from keras_cv.training import detection_optimizer
from keras_zoo import PresetError

SIZE, COUNT, STEPS = 128, 8, 200
NAMES = ["red", "green", "blue"]


def scenes():
    """`(images, truth)`: grey images with 0 to 3 coloured boxes, xywh, each in a quarter of its own."""
    random = np.random.default_rng(0)
    images = random.integers(90, 140, (COUNT, SIZE, SIZE, 3)).astype("float32")
    boxes, classes = np.full((COUNT, 3, 4), -1.0, "float32"), np.full((COUNT, 3), -1)
    for i in range(COUNT):
        for j in range(i % 4):
            (width, height), kind = random.integers(SIZE // 4, SIZE // 2, 2), random.integers(3)
            left = SIZE // 2 * (j % 2) + random.integers(0, SIZE // 2 - width)
            top = SIZE // 2 * (j // 2) + random.integers(0, SIZE // 2 - height)
            images[i, top : top + height, left : left + width] = COLOURS[kind]
            boxes[i, j], classes[i, j] = (left, top, width, height), kind
    return images, {"boxes": boxes, "classes": classes}


def new_detector(**options):
    backbone = YOLOV8Backbone([8, 16, 24, 32], [1, 1, 1, 1])
    options = {"bounding_box_format": "xywh", "fpn_depth": 1, "class_names": NAMES} | options
    return YOLOV8Detector(backbone, **options)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    detector = new_detector()
    detector.compile(detection_optimizer(len(NAMES), total_steps=STEPS, learning_rate=0.01))
    images, truth = scenes()
    repeated = np.tile(np.arange(COUNT), STEPS)  # one epoch, which costs less than many
    truth = {key: values[repeated] for key, values in truth.items()}
    detector.fit(images[repeated], truth, batch_size=COUNT, verbose=0, shuffle=False)
    return detector


@pytest.fixture(scope="module")
def raw_images(trained):
    """The same network with a preprocessor."""
    detector = new_detector(preprocessor=YOLOV8DetectorPreprocessor((SIZE, SIZE)))
    detector.set_weights(trained.get_weights())
    return detector


def test_learns_eight_images_by_heart(trained):
    images, truth = scenes()
    found = trained.predict(images, confidence_threshold=0.001)
    assert evaluate_boxes(truth, found, "xywh").numbers["MaP@[IoU=50]"] >= 0.95
    assert list(found["num_detections"] > 0) == list((truth["classes"] >= 0).any(1)) or found["confidence"][0, 0] < 0.3


def test_shapes_and_padding(trained):
    found = trained.predict(scenes()[0][:3], max_detections=7)
    assert found["boxes"].shape == (3, 7, 4) and found["classes"].shape == found["confidence"].shape == (3, 7)
    assert found["boxes"].dtype == found["confidence"].dtype == np.float32 and found["classes"].dtype == np.int32
    padding = np.arange(7) >= found["num_detections"][:, None]
    for key in ("boxes", "confidence", "classes"):
        assert (found[key][padding] == -1).all() and (found[key][~padding] != -1).any()


def test_raw_outputs_decoded(trained):
    """By hand: expected cells to each side of each point, times the stride."""
    images = scenes()[0][:2]
    raw = trained(images)
    decoded = {k: keras.ops.convert_to_numpy(v) for k, v in trained.decode(raw).items()}
    logits = keras.ops.convert_to_numpy(raw["boxes"]).astype("float64").reshape(2, -1, 4, 16)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    distances = shares @ np.arange(16)
    number = 16 * 16 + 9  # the tenth point of the second level, x = (9 mod 8 + 0.5) * 16, y = (1 + 0.5) * 16
    left, top, right, bottom = distances[0, number] * 16
    expected = [24 - left, 24 - top, left + right, top + bottom]
    np.testing.assert_allclose(decoded["boxes"][0, number], expected, atol=1e-3)
    np.testing.assert_allclose(
        decoded["classes"], 1 / (1 + np.exp(-keras.ops.convert_to_numpy(raw["classes"]))), atol=1e-6
    )
    before, found = trained.prediction_decoder, trained.predict(images)
    for from_logits in (False, True):
        trained.prediction_decoder = NonMaxSuppression("xywh", from_logits, 0.7, 0.2)
        suppressed = trained.decode_predictions(raw, images)
        for key in ("boxes", "confidence"):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(suppressed[key]), found[key], atol=1e-3)
    trained.prediction_decoder = before


def test_frame_of_the_original_image(raw_images):
    """A wide image, three times as large: its boxes are where they were painted."""
    images, truth = scenes()
    wide = np.full((3 * SIZE, 5 * SIZE, 3), 114, "uint8")
    wide[:, SIZE : 4 * SIZE] = np.kron(images[7], np.ones((3, 3, 1))).astype("uint8")
    again = YOLOV8DetectorPreprocessor((SIZE, SIZE)).fitted([wide[:, SIZE : 4 * SIZE]])[0]
    np.testing.assert_allclose(again[0], images[7].astype("uint8"), atol=1)
    found = raw_images.predict(wide[:, SIZE : 4 * SIZE])
    expected = 3 * truth["boxes"][7]
    best = [np.abs(found["boxes"][0] - box).max(-1).min() for box in expected[truth["classes"][7] >= 0]]
    assert max(best) < 3 * 8
    relative = new_detector(bounding_box_format="rel_xyxy", preprocessor=raw_images.preprocessor)
    relative.set_weights(raw_images.get_weights())
    parts = relative.predict(wide, confidence_threshold=0.05)
    pixels = raw_images.predict(wide, confidence_threshold=0.05)
    n = pixels["num_detections"][0]
    converted = convert_format(pixels["boxes"][0, :n], "xywh", "rel_xyxy", image_shape=wide.shape)
    np.testing.assert_allclose(parts["boxes"][0, :n], converted, atol=1e-5)


def test_sources(raw_images, tmp_path):
    """Whatever images come as, what is found is the same."""
    images = [image.astype("uint8") for image in scenes()[0][:3]]
    images[1] = images[1][:40, :, :]
    expected = raw_images.predict(images)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    sources = [paths, tmp_path, [Image.open(path) for path in paths], (image for image in images)]
    for source in (*sources, [path.read_bytes() for path in paths]):
        found = raw_images.predict(source, batch_size=2)
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, atol=1e-3)
    for source in (images[2], {"images": images[2:]}):
        np.testing.assert_allclose(raw_images.predict(source)["boxes"], expected["boxes"][2:], atol=1e-3)


def test_tensors_without_a_preprocessor(trained):
    images = scenes()[0][:3]
    expected = trained.predict(images)
    for source in (list(images), {"images": images}, images[0]):
        found = trained.predict(source)
        np.testing.assert_allclose(found["boxes"], expected["boxes"][: len(found["boxes"])], atol=1e-3)
    assert len(found["boxes"]) == 1


def test_data_sets(raw_images):
    tf = pytest.importorskip("tensorflow")
    images, truth = scenes()
    dataset = tf.data.Dataset.from_tensor_slices({"images": images, "bounding_boxes": truth}).batch(4)
    expected = raw_images.predict(images)
    for key, values in raw_images.predict(dataset).items():
        np.testing.assert_allclose(values, expected[key], atol=1e-3)


def test_video(raw_images, tmp_path):
    cv2 = pytest.importorskip("cv2")
    images = [image.astype("uint8") for image in scenes()[0][:5]]
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (SIZE, SIZE))
    for image in images:
        video.write(image[..., ::-1].copy())
    video.release()
    found = raw_images.predict(tmp_path / "a.avi")
    assert found["boxes"].shape == (5, 100, 4) and found["num_detections"].sum() > 0
    with pytest.raises(ValueError, match="cannot be opened as a video"):
        (tmp_path / "b.mp4").write_bytes(b"no video")
        raw_images.predict(tmp_path / "b.mp4")


def test_thresholds(trained):
    images = scenes()[0]
    everything = trained.predict(images, confidence_threshold=0.0, iou_threshold=1.0)
    assert (everything["num_detections"] == 100).all()  # as many as there is room for
    program = trained.program
    sure = trained.predict(images, confidence_threshold=0.4)
    assert (sure["confidence"][sure["confidence"] != -1] > 0.4).all() and sure["num_detections"].sum()
    assert trained.program is program  # nothing was compiled for it
    before = trained.confidence_threshold
    trained.confidence_threshold = 0.4
    for key, values in trained.predict(images).items():
        np.testing.assert_array_equal(values, sure[key])
    assert trained.get_config()["confidence_threshold"] == 0.4
    trained.confidence_threshold = before
    with pytest.raises(ValueError, match=r"confidence_threshold must be from 0 to 1; got 1\.5"):
        trained.predict(images, confidence_threshold=1.5)


def test_other_decoders(trained):
    images, before = scenes()[0], trained.prediction_decoder
    trained.prediction_decoder = MultiClassNonMaxSuppression("xywh", from_logits=False, confidence_threshold=0.2)
    several = trained.predict(images)
    trained.prediction_decoder = NonMaxSuppression("xywh", False, 0.7, 0.2, soft_method="linear")
    soft, fused = trained.predict(images), trained.fuse()
    trained.prediction_decoder = before
    np.testing.assert_allclose(fused.predict(images)["confidence"], soft["confidence"], atol=0.01)
    fused.confidence_threshold = 0.9
    assert trained.confidence_threshold == before.confidence_threshold == 0.2
    found = trained.predict(images)
    assert (several["num_detections"] >= found["num_detections"]).all()
    assert (soft["num_detections"] >= found["num_detections"]).all()
    np.testing.assert_allclose(soft["boxes"][:, 0], found["boxes"][:, 0], atol=1e-3)
    with pytest.raises(ValueError, match=r"the detector's bounding_box_format, 'xywh'; got .* 'xyxy'"):
        trained.prediction_decoder = NonMaxSuppression("xyxy", from_logits=False)


DECODERS = {
    "other thresholds": NonMaxSuppression("xywh", False, 0.4, 0.3, max_detections=7, class_agnostic=True),
    "soft": NonMaxSuppression("xywh", False, 0.7, 0.2, soft_method="gaussian", soft_sigma=0.3),
    "several classes": MultiClassNonMaxSuppression("xywh", False, 0.6, 0.1, max_detections_per_class=5),
}


@pytest.mark.once
def test_a_replaced_decoder_is_saved(tmp_path):
    """In presets and `.keras` files; arguments given when it is loaded come before what it had."""
    detector = new_detector()
    for kind, decoder in DECODERS.items():
        detector.prediction_decoder = decoder
        detector.save_to_preset(tmp_path / kind)
        again = ObjectDetector.from_preset(tmp_path / kind)
        assert type(again.prediction_decoder) is type(decoder)
        assert settings_of(again.prediction_decoder) == settings_of(decoder)
    detector.save(tmp_path / "detector.keras")
    again = keras.saving.load_model(tmp_path / "detector.keras")
    assert settings_of(again.prediction_decoder) == settings_of(decoder)
    other = ObjectDetector.from_preset(tmp_path / "soft", confidence_threshold=0.9, bounding_box_format="xyxy")
    changed = {"confidence_threshold": 0.9, "bounding_box_format": "xyxy"}
    assert settings_of(other.prediction_decoder) == settings_of(DECODERS["soft"]) | changed


@pytest.mark.once
def test_a_decoder_that_files_cannot_name(tmp_path):
    class Mine(NonMaxSuppression):
        """Somebody's own."""

    detector = new_detector(prediction_decoder=Mine("xywh", False, 0.4, 0.3))
    with pytest.warns(UserWarning, match="is a Mine, which files do not name: they keep its thresholds"):
        detector.save_to_preset(tmp_path)
    again = ObjectDetector.from_preset(tmp_path)
    assert type(again.prediction_decoder) is NonMaxSuppression and again.iou_threshold == 0.4
    path = tmp_path / "task.json"
    for wrong in ({"layer": "os.system"}, {"layer": "NonMaxSuppression", "command": "ls"}, ["nms"]):
        task = json.loads(path.read_text())
        task["config"]["prediction_decoder"] = wrong
        path.write_text(json.dumps(task))
        with pytest.raises(PresetError, match="does not fit YOLOV8Detector"):
            ObjectDetector.from_preset(tmp_path)


def test_preset_and_fusing(raw_images, tmp_path):
    images = scenes()[0]
    raw_images.save_to_preset(tmp_path / "preset")
    again = ObjectDetector.from_preset(tmp_path / "preset", bounding_box_format="xyxy", confidence_threshold=0.3)
    assert again.class_names == NAMES and again.confidence_threshold == 0.3
    found, expected = again.predict(images), raw_images.predict(images, confidence_threshold=0.3)
    converted = convert_format(expected, "xywh", "xyxy")
    for key, values in converted.items():
        np.testing.assert_allclose(found[key], values, atol=1e-4)
    fused = again.fuse()
    assert fused.count_params() < again.count_params()
    np.testing.assert_allclose(fused.predict(images)["boxes"], found["boxes"], atol=0.05)
    fused.save_to_preset(tmp_path / "fused")
    np.testing.assert_allclose(
        ObjectDetector.from_preset(tmp_path / "fused").predict(images)["boxes"], fused.predict(images)["boxes"]
    )


def test_new_classes_on_a_trained_detector(trained, tmp_path):
    """What tells boxes is kept, the branch of the classes starts anew, even where a weight would fit."""
    trained.save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match=r"was made for num_classes=3; got num_classes=2.*new_classes=True"):
        ObjectDetector.from_preset(tmp_path / "preset", class_names=["a", "b"])
    new = ObjectDetector.from_preset(tmp_path / "preset", class_names=["a", "b"], new_classes=True)
    image = scenes()[0][:1]
    before, after = trained(image), new(image)
    assert after["classes"].shape == (1, 336, 2) and new.num_classes == 2 and new.class_names == ["a", "b"]
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(x["boxes"]) for x in (before, after)))
    for name in ("yolo_v8_head_1_class_1_conv", "yolo_v8_head_3_class_2_conv"):
        kernels = [keras.ops.convert_to_numpy(model.get_layer(name).kernel) for model in (trained, new)]
        assert kernels[0].shape == kernels[1].shape and abs(kernels[0] - kernels[1]).max() > 0.01
    images, truth = scenes()
    history = new.fit(images, truth | {"classes": np.minimum(truth["classes"], 1)}, verbose=0).history
    assert 0 < history["loss"][0] < 1000


def test_new_head_on_a_trained_backbone(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    backbone = YOLOV8Backbone.from_preset(tmp_path / "preset")
    new = YOLOV8Detector(backbone, num_classes=7, bounding_box_format="xyxy", fpn_depth=1)
    assert new(scenes()[0][:1])["classes"].shape == (1, 336, 7)


def test_annotated_picture(raw_images):
    image = scenes()[0][7].astype("uint8")
    picture = raw_images.annotate(np.kron(image, np.ones((4, 4, 1), "uint8")), confidence_threshold=0.3)
    assert picture.size == (4 * SIZE, 4 * SIZE) and picture.mode == "RGB"
    assert (np.asarray(picture) != np.kron(image, np.ones((4, 4, 1), "uint8"))).any()


@pytest.mark.parametrize("form", ["dictionary", "ragged", "tf", "images without boxes", "relative"])
def test_ways_of_training(form):
    """One step on the same boxes in other clothes gives the same loss."""
    images, truth = scenes()
    keras.utils.set_random_seed(0)
    detector = new_detector(bounding_box_format="rel_xyxy" if form == "relative" else "xywh")
    detector.compile(keras.optimizers.SGD(0.0))
    keras.utils.set_random_seed(0)
    plain = new_detector()
    plain.compile(keras.optimizers.SGD(0.0))
    if form == "images without boxes":
        images, truth = images[:1], {"boxes": np.zeros((1, 0, 4)), "classes": np.zeros((1, 0))}
        x, y = images, truth
    elif form == "dictionary":
        x, y = {"images": images, "bounding_boxes": {"boxes": truth["boxes"], "labels": truth["classes"]}}, None
    elif form == "ragged":
        real = truth["classes"] >= 0
        y = {key: [rows[r] for rows, r in zip(values, real, strict=True)] for key, values in truth.items()}
        x = {"images": images, "bounding_boxes": y}
        y = None
    elif form == "relative":
        x, y = images, truth | {"boxes": convert_format(truth["boxes"], "xywh", "rel_xyxy", image_shape=(SIZE, SIZE))}
    else:
        tf = pytest.importorskip("tensorflow")
        x = tf.data.Dataset.from_tensor_slices({"images": images, "bounding_boxes": truth}).batch(COUNT)
        y = None
    options = {} if form == "tf" else {"batch_size": COUNT}
    found = detector.fit(x, y, verbose=0, shuffle=False, **options).history
    expected = plain.train_on_batch(images, plain.preprocess(images, truth)[1], return_dict=True)
    assert set(found) == {"loss", "box_loss", "class_loss", "dfl_loss"}
    for name, values in found.items():
        assert np.isfinite(values[0])
        np.testing.assert_allclose(values[0], expected[name], rtol=1e-4, atol=1e-4)
    if form == "images without boxes":
        assert found["box_loss"][0] == found["dfl_loss"][0] == 0


def test_keras_file_keeps_the_gains(tmp_path):
    detector = new_detector()
    detector.compile(box_loss_weight=1.0, dfl_loss_weight=2.0)
    detector.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    assert again.gains == (1.0, 0.5, 2.0) and again.get_config() == detector.get_config()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_keras_file_keeps_what_does_not_decay(tmp_path, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        detector = new_detector()
    finally:
        keras.config.set_dtype_policy("float32")
    detector.compile(detection_optimizer(3, total_steps=100))
    detector.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    optimizer = getattr(again.optimizer, "inner_optimizer", again.optimizer)
    assert (optimizer is again.optimizer) == (dtype == "float32")
    decays = {v.name for v in again.trainable_variables if optimizer._use_weight_decay(v)}
    assert decays == {"kernel"} and {v.name for v in again.trainable_variables} == {"kernel", "bias", "gamma", "beta"}
    again.compile(keras.optimizers.AdamW())
    again.save(tmp_path / "b.keras")
    plain = keras.saving.load_model(tmp_path / "b.keras")
    assert all(plain.optimizer._use_weight_decay(v) for v in plain.trainable_variables)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 3, "class_names": ["a"]}, "class_names must be 3 names"),
        ({"class_names": None}, "num_classes must be a whole number above 0, or class_names given; got 0"),
        ({"bounding_box_format": "xyx"}, "bounding_box_format must be one of"),
        ({"fpn_depth": 0}, "fpn_depth=.0."),
        ({"prediction_decoder": "nms"}, "prediction_decoder must be a keras_cv.layers.NonMaxSuppression"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        new_detector(**arguments)


def test_wrong_inputs(trained, raw_images):
    images, truth = scenes()
    with pytest.raises(ValueError, match=r"multiples of 32; got \(1, 60, 128, 3\)"):
        trained.predict(images[:1, :60])
    with pytest.raises(ValueError, match="not finite"):
        raw_images.predict(np.full((20, 20, 3), np.nan, "float32"))
    with pytest.raises(ValueError, match=r"from 0 to 2 \(num_classes\), -1 for padding; got \[7.0\]"):
        trained.fit(images, truth | {"classes": np.where(truth["classes"] >= 0, 7, -1)}, verbose=0)
    with pytest.raises(ValueError, match="true boxes that are not finite"):
        trained.fit(images, truth | {"boxes": np.where(truth["boxes"] > 0, np.nan, -1)}, verbose=0)
    with pytest.raises(ValueError, match=r"Classes are whole numbers .* got \[nan\]"):
        trained.fit(images, truth | {"classes": np.full(truth["classes"].shape, np.nan)}, verbose=0)
    with pytest.raises(ValueError, match="as one-hot has it"):
        trained.fit(images, truth | {"classes": np.eye(3)[np.maximum(truth["classes"], 0)]}, verbose=0)
    with pytest.raises(ValueError, match=r"end before they begin, such as .* as xywh: is that the detector's"):
        trained.fit(images, truth | {"boxes": np.where(truth["boxes"] > 0, -truth["boxes"], -1)}, verbose=0)
    for call in (trained.predict, lambda x: trained.fit(x, truth, verbose=0)):
        with pytest.raises(ValueError, match="images with values that are not finite"):
            call(np.where(images > 120, np.nan, images))
        with pytest.raises(ValueError, match=r"all of one size; got images of the shapes \[\(64, 128, 3\), \(128, 128"):
            call([images[0, :64], *images[1:]])
    with pytest.raises(ValueError, match="trains on bounding_boxes; the dictionary has images"):
        trained.fit({"images": images}, verbose=0)
    with pytest.raises(ValueError, match="trains on labels: give y"):
        trained.fit(images, verbose=0)
    with pytest.raises(ValueError, match="box_loss='ciou'"):
        new_detector().compile(box_loss="iou")
    with pytest.raises(ValueError, match="PyCOCOCallback"):
        new_detector().compile(metrics=["accuracy"])
    with pytest.raises(ValueError, match=r"multiples of 32 above 0; got \(60, 64\)"):
        YOLOV8DetectorPreprocessor((60, 64))


def test_odd_sizes(raw_images):
    """One pixel, and a very long image."""
    found = raw_images.predict([np.zeros((1, 1, 3), "uint8"), np.zeros((10, 10_000, 3), "uint8")])
    assert found["boxes"].shape == (2, 100, 4)
    with pytest.raises(ValueError, match="no images"):
        raw_images.predict(image for image in [])
