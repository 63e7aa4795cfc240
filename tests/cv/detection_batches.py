"""Random outputs of a detector with their truth, and Keras' functions compiled as each backend compiles them."""

import keras
import numpy as np
from keras import ops

from keras_cv.ops.anchors import anchor_points, boxes_from_distances

HEIGHT, WIDTH, CLASSES, BINS = 64, 96, 5, 16
POINTS, STRIDES = anchor_points(HEIGHT, WIDTH)


def truth(random, batch=2, count=6, smallest=6, largest=70):
    """Boxes `(B, N, 4)` xyxy within the image and their classes `(B, N)`."""
    size = random.uniform(smallest, largest, (batch, count, 2)).clip(max=[WIDTH - 2, HEIGHT - 2])
    corner = random.uniform(0, 1, (batch, count, 2)) * ([WIDTH, HEIGHT] - size)
    classes = random.integers(0, CLASSES, (batch, count)).astype("int32")
    return np.concatenate([corner, corner + size], -1).astype("float32"), classes


def predictions(random, batch=2):
    """Probabilities `(B, A, C)` and boxes `(B, A, 4)` around their points, of which many overlap some truth."""
    scores = random.uniform(0.01, 1, (batch, len(POINTS), CLASSES)).astype("float32")
    distances = random.uniform(0, 40, (batch, len(POINTS), 4)).astype("float32")
    return scores, ops.convert_to_numpy(boxes_from_distances(distances, POINTS))


def raw_outputs(random, batch=2):
    """Logits of a network that has learnt a little: `{"boxes": (B, A, 64), "classes": (B, A, C)}`."""
    boxes = random.normal(0, 1.5, (batch, len(POINTS), 4, BINS)) - np.linspace(0, 4, BINS)
    classes = random.normal(-2, 2, (batch, len(POINTS), CLASSES))
    return {"boxes": boxes.reshape(batch, -1, 4 * BINS).astype("float32"), "classes": classes.astype("float32")}


def compiled(function, jit=True):
    """`function(*arrays)` compiled; under torch, which compiles nothing here, as it is."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=jit, autograph=False)
    return lambda *args: function(*map(ops.convert_to_tensor, args))


def gradients(function, *arrays):
    """The value of a scalar `function(*arrays)` and its gradients, as NumPy arrays; compiled where there is a way."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        value, grads = jax.jit(jax.value_and_grad(function, argnums=tuple(range(len(arrays)))))(*arrays)
    elif backend == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def both(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            return value, tape.gradient(value, tensors)

        value, grads = both(*map(tf.constant, arrays))
    else:
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        value = function(*tensors)
        grads = torch.autograd.grad(value, tensors)
    return float(ops.convert_to_numpy(value)), [ops.convert_to_numpy(grad) for grad in grads]
