"""This project's augmentation inside tf.data."""

from time import perf_counter

import numpy as np
import tensorflow as tf

from keras_cv import layers

OUTPUT = 224  # pixels


def dataset(file, batch):
    augmenter = layers.Augmenter(
        [
            layers.RandAugment((0, 255), augmentations_per_image=2, magnitude=0.3, rate=13 / 14),
            layers.RandomFlip("horizontal"),
            layers.JitteredResize((OUTPUT, OUTPUT), (0.8, 1.25)),
        ]
    )
    pictures = tf.data.Dataset.from_tensor_slices(np.load(file)).batch(batch, drop_remainder=True)
    return pictures.map(augmenter, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def augment(file, work):
    batches = dataset(file, work["rows"][0])
    begin = perf_counter()
    for images in batches:
        assert images.dtype == tf.uint8 and images.shape[1:] == (OUTPUT, OUTPUT, 3)
    return {"seconds": perf_counter() - begin}
