"""A folder of images, a subfolder for each class, as a data set that Keras trains on under every backend."""

from pathlib import Path

import keras
import numpy as np

from keras_cv.images.colours import check_channels
from keras_cv.images.decode import MAX_PIXELS, check_file
from keras_cv.images.load import check_on_error, image_files, load_image, warn_skipped
from keras_cv.images.resize import INTERPOLATIONS, resize

LABEL_MODES = ("int", "categorical", "binary", None)
SUBSETS = ("training", "validation", "both")


def image_folder(
    path,
    image_size=(224, 224),
    batch_size=32,
    class_names=None,
    label_mode="int",
    shuffle=True,
    seed=0,
    validation_split=None,
    subset=None,
    interpolation="bilinear",
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    channels=3,
    dtype="uint8",
    on_error="raise",
    max_pixels=MAX_PIXELS,
    workers=2,
):
    """An `ImageFolder`, or a training and a validation one with `subset="both"`.

    Reads `path/CLASS/…/NAME.jpg` as `keras.utils.image_dataset_from_directory` does, without TensorFlow. Classes are
    the subfolders in the order of their names; hidden ones are left out.

    Every file's header and end are checked here, so that training does not stop at a broken file hours later. With
    `on_error="raise"` the error names the broken files; with `"skip"` they are left out, a warning names them, and
    they are in `skipped`.

    Args:
        path: the folder.
        image_size: `(height, width)` of what comes out. The proportions change, unless `crop_to_aspect_ratio` (cuts)
            or `pad_to_aspect_ratio` (adds black) is set.
        batch_size: images in a batch; the last one may be smaller.
        class_names: the subfolders to read, in the order of their labels; by default all of them.
        label_mode: `"int"` for int32 `(B,)`; `"categorical"` for float32 `(B, classes)`; `"binary"` for float32
            `(B, 1)`, two classes; None for images alone, which may then lie in `path` itself.
        shuffle: whether the training images come in a new order each epoch. Validation images keep theirs.
        seed: int, of the order and of the split.
        validation_split: the share of each class, in (0, 1), that is held back for validation.
        subset: with `validation_split`: `"training"`, `"validation"` or `"both"`, which returns the two.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"` or `"lanczos"`, all smoothed where images shrink.
        channels: 3, 1 or 4, as for `load_image`.
        dtype: `"uint8"`, or `"float32"` with the same values 0-255.
        on_error: `"raise"` or `"skip"`.
        max_pixels: as for `load_image`.
        workers: threads that read ahead.
    """
    check_channels(channels)
    check_on_error(on_error)
    check_options(image_size, batch_size, label_mode, validation_split, subset, interpolation, dtype)
    path = Path(path)
    files, labels, names = find(path, class_names, label_mode)
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(f"label_mode='binary' needs two classes; {str(path)!r} has {len(names)}: {names}.")
    files, labels, skipped = readable(files, labels, names, on_error, max_pixels)
    reader = Reader(tuple(image_size), interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, channels, max_pixels)

    def dataset(rows, shuffled):
        return ImageFolder(
            [files[i] for i in rows],
            labels[rows],
            names,
            reader,
            batch_size=batch_size,
            label_mode=label_mode,
            seed=seed if shuffled else None,
            dtype=dtype,
            on_error=on_error,
            skipped=skipped,
            workers=workers,
        )

    training, validation = split(labels, validation_split, seed)
    made = {"training": lambda: dataset(training, shuffle), "validation": lambda: dataset(validation, False)}
    return (made["training"](), made["validation"]()) if subset == "both" else made[subset or "training"]()


class ImageFolder(keras.utils.PyDataset):
    """Batches `(images, labels)` of a folder; `image_folder` makes it.

    images: `(B, height, width, channels)` in 0-255. Attributes: `class_names`; `files`, the paths; `labels`, int32, one
    for each of them; `skipped`, the messages of the files that could not be read.
    """

    def __init__(
        self, files, labels, class_names, reader, batch_size, label_mode, seed, dtype, on_error, skipped, workers
    ):
        super().__init__(workers=workers)
        self.files, self.labels, self.class_names = files, labels, class_names
        self.reader, self.batch_size, self.label_mode, self.dtype = reader, batch_size, label_mode, dtype
        self.on_error, self.skipped = on_error, list(skipped)
        self.order = np.arange(len(files))
        self.generator = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.files) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        read = [self.read(place) for place in range(index * self.batch_size, index * self.batch_size + len(rows))]
        images = np.stack([image for _, image in read]).astype(self.dtype, copy=False)
        labels = self.labels[[row for row, _ in read]]
        return (images, self.as_targets(labels)) if self.label_mode else (images,)

    def read(self, place):
        """`(row, image)` of a place in this epoch's order.

        A file that passed the first check and still cannot be decoded is replaced by the next one that can, so that
        batches keep their size and nothing is compiled again.
        """
        for step in range(len(self.order)):
            row = self.order[(place + step) % len(self.order)]
            try:
                return row, self.reader(self.files[row])
            except ValueError as error:
                if self.on_error == "raise":
                    raise
                if str(error) not in self.skipped:
                    self.skipped.append(str(error))
                    warn_skipped([str(error)])
        raise ValueError("None of the images can be read any more:\n  " + "\n  ".join(self.skipped[:10]))

    def as_targets(self, labels):
        if self.label_mode == "categorical":
            return np.eye(len(self.class_names), dtype="float32")[labels]
        return labels.astype("float32")[:, None] if self.label_mode == "binary" else labels

    def on_epoch_end(self):
        if self.generator is not None:
            self.generator.shuffle(self.order)


class Reader:
    """A file to a uint8 array of the wanted size."""

    def __init__(self, size, interpolation, crop, pad, channels, max_pixels):
        self.size, self.options = size, (interpolation, crop, pad)
        self.channels, self.max_pixels = channels, max_pixels

    def __call__(self, path):
        return resize(load_image(path, self.channels, self.max_pixels), self.size, *self.options)


def find(path, class_names, label_mode):
    """`(files, labels, class_names)`, in the order of class and name."""
    if not path.is_dir():
        raise ValueError(f"{str(path)!r} is not a folder.")
    there = sorted(x.name for x in path.iterdir() if x.is_dir() and not x.name.startswith("."))
    if label_mode is None and class_names is None:
        files = image_files(path)
        return files, np.zeros(len(files), "int32"), []
    names = there if class_names is None else list(class_names)
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(f"{str(path)!r} has no subfolders {missing}; it has {there}.")
    if not names:
        raise ValueError(f"{str(path)!r} has no subfolders, one for each class; with label_mode=None it needs none.")
    found = [image_files(path / name) for name in names]
    files = [file for of_class in found for file in of_class]
    return files, np.repeat(np.arange(len(names), dtype="int32"), [len(x) for x in found]), names


def readable(files, labels, names, on_error, max_pixels):
    """`(files, labels, messages)` without the files that cannot be read."""
    problems = {}
    for i, file in enumerate(files):
        try:
            check_file(file, max_pixels)
        except (ValueError, OSError) as error:
            problems[i] = str(error)
    messages = list(problems.values())
    if messages and on_error == "raise":
        shown = "\n  ".join(messages[:10]) + ("\n  …" if len(messages) > 10 else "")
        raise ValueError(
            f"{len(messages)} of {len(files)} images cannot be read; on_error='skip' leaves them out:\n  {shown}"
        )
    warn_skipped(messages, stacklevel=4)
    keep = [i for i in range(len(files)) if i not in problems]
    gone = [name for i, name in enumerate(names) if i not in labels[keep]]
    if gone or not keep:
        raise ValueError(f"No image can be read of {gone or 'the folder'}:\n  " + "\n  ".join(messages[:10]))
    return [files[i] for i in keep], labels[keep], messages


def split(labels, fraction, seed):
    """The rows for training and for validation: in each class the same share, drawn by `seed`."""
    if fraction is None:
        return np.arange(len(labels)), np.arange(0)
    held, generator = [], np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        held.extend(rows[: round(len(rows) * fraction)])
    validation = np.sort(np.asarray(held, int))
    training = np.setdiff1d(np.arange(len(labels)), validation)
    if not len(validation) or not len(training):
        raise ValueError(f"validation_split={fraction} leaves no image on one side of {len(labels)}.")
    return training, validation


def check_options(image_size, batch_size, label_mode, validation_split, subset, interpolation, dtype):
    problems = []
    if np.shape(image_size) != (2,) or not all(isinstance(n, int) and n > 0 for n in image_size):
        problems.append(f"image_size is (height, width) in pixels; got {image_size!r}.")
    if not isinstance(batch_size, int) or batch_size < 1:
        problems.append(f"batch_size must be at least 1; got {batch_size!r}.")
    if validation_split is not None and not 0 < validation_split < 1:
        problems.append(f"validation_split must lie between 0 and 1; got {validation_split!r}.")
    if (validation_split is None) != (subset is None):
        problems.append(f"validation_split and subset come together; got {validation_split!r} and {subset!r}.")
    choices = {
        "label_mode": (label_mode, LABEL_MODES),
        "interpolation": (interpolation, INTERPOLATIONS),
        "dtype": (dtype, ("uint8", "float32")),
        "subset": (subset, (*SUBSETS, None)),
    }
    for name, (value, accepted) in choices.items():
        if value not in accepted:
            problems.append(f"{name} must be one of {accepted}; got {value!r}.")
    if problems:
        raise ValueError(" ".join(problems))
