"""What the biases of a YOLOv8 head begin with.

Almost every point of an image is background. A head that starts at one half everywhere spends its first epochs on
learning that; it starts at the share of points with an object instead (Lin et al., 2017, "Focal Loss", section 4.1).
"""

import math

import keras


def box_bias():
    """Initializer of the biases of the boxes' last convolution: 1 for every bin, so all distances are as likely."""
    return keras.initializers.Constant(1.0)


def class_bias(num_classes, stride, image_size=640, objects=5):
    """Initializer of the biases of the classes' last convolution of one level.

    An image of `image_size` pixels has `objects` points with an object among the `(image_size / stride) ** 2` of the
    level, spread over all classes: the biases are the logarithm of that share.

    Raises:
        ValueError: if a number is not greater than 0.
    """
    numbers = {"num_classes": num_classes, "stride": stride, "image_size": image_size, "objects": objects}
    for name, number in numbers.items():
        if not number > 0:
            raise ValueError(f"{name} must be greater than 0; got {number!r}.")
    return keras.initializers.Constant(math.log(objects / num_classes / (image_size / stride) ** 2))
