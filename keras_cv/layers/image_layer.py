"""The base classes of everything in `keras_cv.layers`."""

import functools
import random
import threading

import keras
import numpy as np

from keras_cv.layers import batch as batches
from keras_cv.layers import reading
from keras_cv.ops.boxes import known_format
from keras_zoo import tfdata
from keras_zoo.config import Configured, argument_names


class ImageLayer(Configured, keras.layers.Layer):
    """Images in, images out, with the labels, boxes and masks that go with them.

    `layer(inputs, training=True)` takes

    - an image `(H, W, C)` or a batch `(B, H, W, C)`: NumPy, tensors of any backend, or a list of images, which may
      differ in size; or
    - a dictionary of `"images"` and, where there are any, `"labels"` `(B,)` or `(B, classes)`, `"bounding_boxes"`
      `{"boxes": (B, N, 4), "classes" or "labels": (B, N)}` and `"segmentation_masks"` `(B, H, W)` or `(B, H, W, K)`;
      without the batch axis for one image. Other entries pass through.

    and returns the same in NumPy. Inside tf.data, where it is given symbolic tensors, it returns symbolic tensors, on
    any Keras backend. uint8 images give uint8 ones, others float32. Boxes are dense with padding rows of -1, ragged
    tensors, or lists of arrays; what comes back is dense. They are cut at the image's edges, and become padding where
    the layer moves them out of it.

    It works on data and is no part of a network: it takes no KerasTensor and is not compiled.

    A subclass gives what is particular, and leaves out what stays as it is:

    - `draw(random, count, height, width)`: a dictionary of arrays `(count, …)`, the parameters for each image;
    - `images(images, p)`: `(B, H, W, C)` uint8 or float32 -> `(B, H', W', C)`; it does not write into its argument;
    - `boxes(boxes, p, size)`: `(B, N, 4)` float32, xyxy in pixels, inside the image of `size` `(H, W)` -> the same in
      the new image, where they may reach beyond the edges;
    - `masks(masks, p)`: `(B, H, W, K)` of any dtype, resampled without mixing values;
    - `labels(labels, p)`: `(B,)` or `(B, classes)`.

    What needs more than one image at a time overrides `augment(batch, random)` and says so in `touches`.

    Args:
        bounding_box_format: the format of boxes, see `keras_cv.bounding_box.convert_format`; needed when there are
            boxes and the layer moves them.
    """

    random = False  # random layers leave their inputs as they are at inference
    minimum_box_area_ratio = 0.0  # boxes of which no larger part stays in the image become padding

    def __init__(self, bounding_box_format=None, **kwargs):
        super().__init__(**kwargs)
        self.bounding_box_format = None if bounding_box_format is None else known_format(bounding_box_format)
        self.supports_jit = False
        self.built = True

    def __call__(self, inputs, training=True):
        if self.random and training is False:
            return inputs
        if any(keras.utils.is_keras_tensor(x) or tfdata.is_traced(x) for x in keras.tree.flatten(inputs)):
            raise NotImplementedError(
                f"{type(self).__name__} works on data, not inside a network: call it on batches, or map it over the "
                "data set: dataset.map(layer)."
            )
        data = inputs if isinstance(inputs, dict) else {"images": inputs}
        if "images" not in data:
            raise ValueError(
                f"{type(self).__name__} takes a dictionary with images; it has {', '.join(map(str, data))}."
            )
        touched = {key: data[key] for key in self.touches if data.get(key) is not None}
        if tfdata.any_graph_tensor(touched):
            if tfdata.any_graph_tensor(data["images"]) and data["images"].shape.rank is None:
                raise ValueError(
                    f"{type(self).__name__}: whether these are images or batches cannot be seen; decode them with "
                    "expand_animations=False, or say it: tf.ensure_shape(image, [None, None, 3])."
                )
            done = tfdata.call_in_graph(functools.partial(self.run, training=training), touched)
        else:
            done = self.run(keras.tree.map_structure(tfdata.to_numpy, touched), training)
        return {**data, **done} if isinstance(inputs, dict) else done["images"]

    def call(self, inputs, training=True):
        return self(inputs, training=training)

    @property
    def touches(self):
        """Which entries of a dictionary the layer reads and changes: those it has a method for."""
        hooks = {"labels": "labels", "bounding_boxes": "boxes", "segmentation_masks": "masks"}
        own = [key for key, hook in hooks.items() if getattr(type(self), hook) is not getattr(ImageLayer, hook)]
        return ("images", *own)

    @property
    def boxes_in(self):
        """The format of the boxes."""
        return self.bounding_box_format

    def rows_of(self, count):
        """How many rows of boxes `count` rows become."""
        return count

    def run(self, data, training=True):
        """The dictionary `data` of NumPy arrays, augmented."""
        if tfdata.learning_shapes.active:
            data = reading.coherent(data)
        batch, single = reading.read(data, type(self).__name__, self.boxes_in)
        return reading.write(self.apply(batch, training), data, single, self.boxes_in)

    def apply(self, batch, training=True):
        """A `Batch`, augmented; images of different sizes one by one."""
        if (self.random and not training) or not len(batch):
            return batch
        generator = self.generator()
        if isinstance(batch.images, list):
            return batches.join([self.augment(one, generator) for one in batch.singles()])
        return self.augment(batch, generator)

    def generator(self):
        return None

    def augment(self, batch, random):
        height, width = batch.size
        p = self.draw(random, len(batch), height, width)
        changes = {"images": self.images(batch.images, p)}
        if batch.labels is not None:
            changes["labels"] = self.labels(batch.labels, p)
        if batch.masks is not None:
            changes["masks"] = self.masks(batch.masks, p)
        if batch.boxes is not None:
            inside, rows = batches.settle(batch.boxes, batch.rows, batch.size)
            moved = np.where(batches.padding(inside)[..., None], inside, self.boxes(inside, p, batch.size))
            size = changes["images"].shape[1:3]
            changes["boxes"], changes["rows"] = batches.settle(moved, rows, size, self.minimum_box_area_ratio)
        return batch.replace(**changes)

    def draw(self, random, count, height, width):
        return {}

    def images(self, images, p):
        return images

    def boxes(self, boxes, p, size):
        return boxes

    def masks(self, masks, p):
        return masks

    def labels(self, labels, p):
        return labels

    def __reduce__(self):
        """For loaders' workers: the constructor's arguments, layers among them, and how far its draws are."""
        arguments = {name: getattr(self, name) for name in argument_names(type(self))}
        arguments = {name: list(x) if isinstance(x, list) else x for name, x in arguments.items()}
        return rebuild, (type(self), {**arguments, "name": self.name}, getattr(self, "draws", None))


class RandomImageLayer(ImageLayer):
    """An `ImageLayer` that draws.

    The n-th call draws from a stream that the seed and n alone decide, so that a data set mapped in order gives what
    eager calls give, on every backend. (A `map` with parallel calls numbers them as they come.) In the workers of a
    torch `DataLoader` the loader's own seed comes in, since workers are copies of one layer.

    Args:
        seed: an integer; None for one drawn from Python's random numbers, which `keras.utils.set_random_seed` sets.
    """

    random = True

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise ValueError(f"seed must be an integer of at least 0, or None; got {seed!r}.")
        self.seed = None if seed is None else int(seed)
        self.draws = Draws(random.randrange(2**31) if seed is None else self.seed)

    def generator(self):
        return self.draws.next()


class Numbered(threading.local):
    """Within it, in this thread, layers draw from streams that `numbers` decide, and not how often they were called.

    A data set whose batches several threads make gives the same pictures so, whichever thread is first.
    """

    numbers, calls = None, 0

    def __call__(self, *numbers):
        self.numbers, self.calls = numbers, 0
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.numbers = None

    def next(self):
        self.calls += 1
        return (*self.numbers, self.calls)


numbered = Numbered()


class Draws:
    """The random streams of a layer's calls, numbered across threads."""

    def __init__(self, seed, calls=0):
        self.seed, self.calls, self.lock = seed, calls, threading.Lock()

    def next(self):
        if tfdata.learning_shapes.active:
            return np.random.default_rng(0)
        if numbered.numbers is not None:
            return np.random.default_rng([self.seed, *numbered.next()])
        with self.lock:
            number = self.calls
            self.calls += 1
        worker = tfdata.loader_seed()
        return np.random.default_rng([self.seed, number] if worker is None else [self.seed, number, worker])

    def __reduce__(self):
        return Draws, (self.seed, self.calls)


def rebuild(cls, arguments, draws):
    layer = cls(**arguments)
    if draws is not None:
        layer.draws = draws
    return layer
