"""A folder of classes as a data set: order, split, labels, what is skipped, and training on it."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_cv.images import image_folder, load_image

once = pytest.mark.once
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture
def folder(tmp_path):
    """Three classes of 10 images of unequal sizes, each of its class's colour."""
    for name, colour in COLOURS.items():
        for i in range(10):
            path = tmp_path / name / f"{i % 2}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8 + i, 20 - i), colour).save(path)
    (tmp_path / ".cache").mkdir()
    return tmp_path


def all_of(dataset):
    batches = [dataset[i] for i in range(len(dataset))]
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


@once
def test_labels_are_those_of_the_pixels(folder):
    dataset = image_folder(folder, image_size=(6, 4), batch_size=8)
    assert dataset.class_names == ["blue", "green", "red"] and len(dataset) == 4
    images, labels = all_of(dataset)
    assert images.shape == (30, 6, 4, 3) and images.dtype == "uint8" and labels.dtype == "int32"
    np.testing.assert_array_equal(images.argmax(-1)[:, 0, 0], 2 - labels)
    assert sorted(labels.tolist()) == [0] * 10 + [1] * 10 + [2] * 10


@once
def test_forms_of_labels_and_images(folder):
    options = {"image_size": (4, 4), "batch_size": 30, "shuffle": False}
    assert image_folder(folder, label_mode="categorical", **options)[0][1][29].tolist() == [0, 0, 1]
    names = ["red", "green"]
    dataset = image_folder(folder, class_names=names, label_mode="binary", **options)
    assert dataset[0][1].shape == (20, 1) and dataset.class_names == names and not dataset[0][1][:10].any()
    (images,) = image_folder(folder / "red", label_mode=None, channels=1, dtype="float32", **options)[0]
    assert images.shape == (10, 4, 4, 1) and images.dtype == "float32" and images.max() > 70


@once
def test_sizes(tmp_path):
    picture = np.zeros((20, 40, 3), "uint8")
    picture[:, :10], picture[:, 30:] = 255, 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    options = {"label_mode": None, "image_size": (10, 10)}
    (stretched,), (cropped,), (padded,) = (
        image_folder(tmp_path, **options, **more)[0][0]
        for more in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})
    )
    assert stretched[0, 0].min() == 255 and stretched[5, 5].max() == 0
    assert cropped[:, 1:-1].max() == 0
    assert padded[:2].max() == 0 and padded[5, 0].min() == 255 and padded[8:].max() == 0


@once
def test_the_split_is_fixed_and_even(folder):
    options = {"image_size": (4, 4), "validation_split": 0.2, "seed": 3}
    training, validation = image_folder(folder, subset="both", **options)
    assert len(training.files) == 24 and np.bincount(validation.labels).tolist() == [2, 2, 2]
    assert not set(training.files) & set(validation.files)
    assert image_folder(folder, subset="validation", **options).files == validation.files
    assert image_folder(folder, subset="training", **options).files == training.files
    options["seed"] = 4
    assert image_folder(folder, subset="validation", **options).files != validation.files


@once
def test_shuffling_is_seeded_and_changes_each_epoch(folder):
    def epochs(**options):
        dataset = image_folder(folder, image_size=(4, 4), **options)
        first = all_of(dataset)[1]
        dataset.on_epoch_end()
        return first.tolist(), all_of(dataset)[1].tolist()

    first, second = epochs(seed=1)
    assert first != second and sorted(first) == sorted(second)
    assert epochs(seed=1) == (first, second) and epochs(seed=2) != (first, second)
    first, second = epochs(shuffle=False)
    assert first == second == sorted(first)


@once
def test_broken_files_are_named_or_left_out(folder):
    whole = (folder / "red/0/0.png").read_bytes()
    (folder / "red/0/0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "blue/0/2.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)2 of 30 images cannot be read; on_error='skip'.*2\.png.*0\.png"):
        image_folder(folder)
    with pytest.warns(UserWarning, match="2 images were skipped"):
        dataset = image_folder(folder, image_size=(4, 4), on_error="skip")
    assert len(dataset.files) == 28 and len(dataset.skipped) == 2 and "2.png" in dataset.skipped[0]
    for i in range(10):
        (folder / f"green/{i % 2}/{i}.png").write_bytes(b"")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"No image can be read of \['green'\]"):
        image_folder(folder, on_error="skip")


@once
def test_a_file_that_breaks_later_is_replaced(folder):
    dataset = image_folder(folder, image_size=(4, 4), batch_size=5, on_error="skip")
    strict = image_folder(folder, image_size=(4, 4), batch_size=5)
    dataset.files[0].write_bytes(b"gone")
    with pytest.warns(UserWarning, match="1 images were skipped"):
        images, labels = all_of(dataset)
    assert images.shape[0] == 30 and len(dataset.skipped) == 1
    np.testing.assert_array_equal(images.argmax(-1)[:, 0, 0], 2 - labels)
    with pytest.raises(ValueError, match="is not an image"):
        all_of(strict)
    for file in dataset.files:
        file.unlink()
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="None of the images can be read any more"):
        dataset[0]


@once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 224}, r"image_size is \(height, width\)"),
        ({"image_size": (0, 4)}, r"image_size is \(height, width\)"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"validation_split": 1.5, "subset": "both"}, "between 0 and 1"),
        ({"validation_split": 0.01, "subset": "both"}, "leaves no image on one side"),
        ({"validation_split": 0.5}, "come together"),
        ({"label_mode": "binary"}, r"needs two classes; .* has 3: \['blue'"),
        ({"label_mode": "names"}, "label_mode must be one of"),
        ({"interpolation": "area"}, "interpolation must be one of"),
        ({"dtype": "int8"}, "dtype must be one of"),
        ({"class_names": ["red", "pink"]}, r"no subfolders \['pink'\]; it has \['blue', 'green', 'red'\]"),
    ],
)
def test_bad_options_are_named(folder, options, message):
    with pytest.raises(ValueError, match=message):
        image_folder(folder, **options)


@once
def test_bad_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="is not a folder"):
        image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no subfolders, one for each class"):
        image_folder(tmp_path)
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match=r"cats' has no image files below it"):
        image_folder(tmp_path)


def test_keras_trains_on_it(folder):
    keras.utils.set_random_seed(0)
    training, validation = image_folder(folder, (4, 4), 8, validation_split=0.2, subset="both")
    layers = keras.layers
    model = keras.Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(training, validation_data=validation, epochs=8, verbose=0)
    assert history.history["val_accuracy"][-1] == 1
    image = load_image(folder / "red/0/0.png")[None, :4, :4]
    assert keras.ops.convert_to_numpy(model(image)).argmax() == 2
