"""Images and boxes as batches that Keras trains on under every backend."""

import collections
import concurrent.futures

import keras
import numpy as np

from keras_cv.datasets.options import batch_sides, image_layers, most_rows, pair
from keras_cv.images.decode import MAX_PIXELS
from keras_cv.images.load import check_on_error, load_image, warn_skipped
from keras_cv.layers import Resizing
from keras_cv.layers.image_layer import ImageLayer, numbered
from keras_cv.ops.boxes import convert_format, known_format
from keras_zoo import tfdata
from keras_zoo.arrays import pad_rows


class DetectionDataset(keras.utils.PyDataset):
    """Batches `{"images", "bounding_boxes": {"boxes", "classes"}}`; `load_yolo` and its sisters make it.

    images: `(B, H, W, 3)` in 0-255. boxes: `(B, max_boxes, 4)` float32 in `bounding_box_format`; classes:
    `(B, max_boxes)` int32; padding rows, which come last, are -1 in both. What readers have flagged is there beside
    them, `"is_crowd"` or `"is_difficult"`, int32 `(B, max_boxes)`.

    Images are resized, then augmented, then, with `multi_scale`, resized again. Batch i of an epoch is a function of
    the seeds, the epoch and i, however many threads read ahead. Give each random layer a seed to have the same pictures
    in the next run.

    Args:
        examples: the `Examples` that a reader has gathered.
        image_size: `(height, width)`, or one number for both, into which images are fitted, see `Resizing` with
            `pad_to_aspect_ratio=True`; multiples of 32 for YOLO.
        batch_size: images in a batch; the last one may be smaller, see `drop_remainder`.
        bounding_box_format: of what comes out, see `keras_cv.bounding_box.convert_format`.
        resizing: a layer to use in place of `Resizing`, such as `JitteredResize`, which gives images of one size;
            `image_size` is not used then.
        augmentation: a layer or a list, of `keras_cv.layers` or any functions of a batch. Layers get boxes in the
            format that they name, functions in `bounding_box_format`. It may be set to another one later,
            `dataset.augmentation = [...]`, between epochs; `keras_cv.callbacks.CloseMosaic` does so.
        multi_scale: sides in pixels, such as `[512, 640, 768]`, multiples of 32: each batch gets the size of one of
            them, all as often. Under JAX, and compiled, each size takes a program of its own.
        max_boxes: rows of boxes; further ones are cut off. None for as many as an image may have after augmentation.
        shuffle: whether the images come in a new order each epoch.
        seed: int, of the order and of the sizes of `multi_scale`.
        drop_remainder: leave out a last batch that is smaller.
        dtype: `"uint8"`, or `"float32"` with the same values 0-255.
        on_error: what is done with an image that cannot be decoded after all: `"raise"`, or `"skip"`, which takes the
            next one in its place and warns.
        max_pixels: as for `load_image`.
        workers: threads that read ahead.

    Attributes:
        class_names: a list.
        examples: the images, and for each its boxes `(n, 4)`, xyxy in its own pixels, and its classes `(n,)`.
        skipped: the messages of what could not be read.
        epoch: how many epochs have ended.
    """

    def __init__(
        self,
        examples,
        image_size=(640, 640),
        batch_size=16,
        bounding_box_format="xyxy",
        resizing=None,
        augmentation=None,
        multi_scale=None,
        max_boxes=None,
        shuffle=True,
        seed=0,
        drop_remainder=False,
        dtype="uint8",
        on_error="raise",
        max_pixels=MAX_PIXELS,
        workers=2,
    ):
        super().__init__(workers=workers)
        check_on_error(on_error)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1; got {batch_size!r}.")
        if dtype not in ("uint8", "float32"):
            raise ValueError(f"dtype must be 'uint8' or 'float32'; got {dtype!r}.")
        if drop_remainder and len(examples) < batch_size:
            raise ValueError(f"drop_remainder leaves no batch of {batch_size} of {len(examples)} images.")
        self.examples, self.class_names, self.skipped = examples, examples.class_names, list(examples.skipped)
        self.batch_size, self.drop_remainder, self.dtype = batch_size, drop_remainder, dtype
        self.on_error, self.max_pixels = on_error, max_pixels
        self.bounding_box_format = known_format(bounding_box_format)
        letterbox = {"pad_to_aspect_ratio": True, "bounding_box_format": "xyxy"}
        self.resizing = Resizing(*pair(image_size), **letterbox) if resizing is None else image_layers(resizing)[0]
        self.augmentation = augmentation
        self.sides = batch_sides(multi_scale)
        self.max_boxes = most_rows(max_boxes, examples.most_boxes, [self.resizing, *self.augmentation])
        self.shuffle, self.seed, self.epoch = shuffle, seed, -1
        self.on_epoch_end()

    @property
    def augmentation(self):
        return self._augmentation

    @augmentation.setter
    def augmentation(self, layers):
        self._augmentation = image_layers(layers)

    def __len__(self):
        count = len(self.examples)
        return count // self.batch_size if self.drop_remainder else -(-count // self.batch_size)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"The data set has {len(self)} batches; there is no batch {index}.")
        places = range(index * self.batch_size, min((index + 1) * self.batch_size, len(self.order)))
        batch = together([self.read(place) for place in places])
        with numbered(self.epoch, index):
            batch = self.through(self.resizing, batch)
            for layer in self.augmentation:
                batch = self.through(layer, batch)
        if self.sides:
            side = self.side_of(index)
            batch = Resizing(side, side, bounding_box_format="xyxy")(batch)
        rows = first_real(batch["bounding_boxes"], self.max_boxes)
        images = np.asarray(batch["images"])
        boxes = convert_format(rows["boxes"], "xyxy", self.bounding_box_format, images=images)
        return {"images": images.astype(self.dtype, copy=False), "bounding_boxes": {**rows, "boxes": boxes}}

    def through(self, layer, batch):
        """The batch, augmented; boxes are xyxy before and after."""
        name = layer.boxes_in or "xyxy" if isinstance(layer, ImageLayer) else self.bounding_box_format
        for call, source, target in ((layer, "xyxy", name), (dict, name, "xyxy")):
            boxes = convert_format(batch["bounding_boxes"], source, target, images=batch["images"])
            batch = call({**batch, "bounding_boxes": boxes})
        return batch

    def read(self, place):
        """`(image, row)` of a place in this epoch's order.

        An image whose header was in order and that still cannot be decoded is replaced by the next one that can.
        """
        for step in range(len(self.order)):
            row = self.order[(place + step) % len(self.order)]
            try:
                return self.example(row)
            except ValueError as error:
                if self.on_error == "raise":
                    raise
                if str(error) not in self.skipped:
                    self.skipped.append(str(error))
                    warn_skipped([str(error)])
        raise ValueError("None of the images can be read any more:\n  " + "\n  ".join(self.skipped[:10]))

    def example(self, row):
        """Image number `row` as it is, with its boxes, xyxy in its own pixels: a dictionary like a batch's."""
        examples = self.examples
        more = {name: values[row] for name, values in examples.flags.items()}
        return {
            "images": load_image(examples.images[row], max_pixels=self.max_pixels),
            "bounding_boxes": {"boxes": examples.boxes[row], "classes": examples.classes[row], **more},
        }

    def side_of(self, index):
        """The side of a batch's images: of each few batches in turn one has each, in a random order.

        So the first two differ, from which Keras learns under TensorFlow that sizes vary.
        """
        turn, place = divmod(index, len(self.sides))
        return int(np.random.default_rng([self.seed, self.epoch, turn]).permutation(self.sides)[place])

    def on_epoch_end(self):
        """The next epoch's order is drawn."""
        self.epoch += 1
        self.order = np.arange(len(self.examples))
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)

    def batches(self):
        """The batches of an epoch in their order, made by `workers` threads; the next epoch begins after them."""
        waiting = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(max(1, self.workers)) as pool:
            try:
                for index in range(len(self)):
                    waiting.append(pool.submit(self.__getitem__, index))
                    if len(waiting) > 2 * self.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)
        self.on_epoch_end()

    def to_tf(self):
        """The batches as a `tf.data.Dataset`, in a new order each time it is gone through."""
        like = self[0]

        def spec(x):
            rows = self.batch_size if self.drop_remainder else None
            sizes = [None, None] if self.sides and x is like["images"] else x.shape[1:3]
            return keras.InputSpec(x.dtype, (rows, *sizes, *x.shape[3:]))

        return tfdata.from_batches(self.batches, keras.tree.map_structure(spec, like), len(self))


def together(read):
    """One batch of several examples, images as a list, boxes with padding rows."""
    most = max(len(x["bounding_boxes"]["boxes"]) for x in read)
    rows = {key: [x["bounding_boxes"][key] for x in read] for key in read[0]["bounding_boxes"]}
    padded = {key: np.stack([pad_rows(x, 0, most, -1) for x in column]) for key, column in rows.items()}
    return {"images": [x["images"] for x in read], "bounding_boxes": padded}


def first_real(bounding_boxes, count):
    """Dense boxes and what goes with them, padding last, in `count` rows."""
    order = np.argsort(np.asarray(bounding_boxes["classes"]) == -1, axis=1, kind="stable")
    rows = {}
    for key, x in bounding_boxes.items():
        x = np.asarray(x)
        dtype = "float32" if key == "boxes" else "int32"
        rows[key] = pad_rows(x[np.arange(len(x))[:, None], order].astype(dtype), 1, count, -1)
    return rows
