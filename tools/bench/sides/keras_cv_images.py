"""KerasCV's own augmentation inside tf.data."""

from time import perf_counter

import numpy as np
import tensorflow as tf

import keras_cv

OUTPUT = 224  # pixels


def dataset(file, batch):
    pictures = np.load(file)
    fit = OUTPUT / pictures.shape[1]  # its factor counts from the picture's size, that of others from the output's
    layers = (
        keras_cv.layers.RandAugment((0, 255), augmentations_per_image=2, magnitude=0.3, rate=13 / 14),
        keras_cv.layers.RandomFlip("horizontal"),
        keras_cv.layers.JitteredResize((OUTPUT, OUTPUT), (0.8 * fit, 1.25 * fit)),
    )

    def augmented(images):
        for layer in layers:
            images = layer(images)
        return tf.cast(images, tf.uint8)

    batches = tf.data.Dataset.from_tensor_slices(pictures).batch(batch, drop_remainder=True)
    return batches.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def augment(file, work):
    batches = dataset(file, work["rows"][0])
    begin = perf_counter()
    for images in batches:
        assert images.shape[1:] == (OUTPUT, OUTPUT, 3)
    return {"seconds": perf_counter() - begin}
