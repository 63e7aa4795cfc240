"""FourierMix: pixels, labels, boxes and masks go together, and the blots are blots."""

import numpy as np
import pytest
from test_mixing import XYXY, check_objects, four

from keras_cv import layers
from keras_cv.layers.fourier_mix import blots

pytestmark = pytest.mark.once


@pytest.mark.parametrize("seed", range(6))
def test_objects_keep_their_boxes(seed):
    mixed = layers.FourierMix(**XYXY, seed=seed)(four())
    assert mixed["images"].dtype == "uint8" and mixed["segmentation_masks"].dtype == "uint8"
    check_objects(mixed)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_labels_are_the_parts_of_the_area(dtype):
    images = np.stack([np.full((30, 41, 3), 50 * i, dtype) for i in range(4)])
    mixed = layers.FourierMix(alpha=1.0, seed=1)({"images": images, "labels": np.eye(4, dtype="float32")})
    assert mixed["images"].dtype == dtype
    for image, label in zip(mixed["images"], mixed["labels"], strict=True):
        np.testing.assert_allclose([(image == 50 * i).mean() for i in range(4)], label, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (32, 33), (40, 28)])
def test_blots_cover_their_share(size, share):
    places = blots(np.random.default_rng(0), share, *size, 3)
    assert places.shape == size and places.sum() == round(share * size[0] * size[1])


def test_higher_powers_make_smoother_blots():
    steps = [np.abs(np.diff(blots(np.random.default_rng(0), 0.5, 64, 64, power).astype(int))).sum() for power in (0, 3)]
    assert steps[1] < steps[0] / 5


@pytest.mark.parametrize(
    ("arguments", "message"), [({"alpha": 0}, "alpha must be"), ({"decay_power": -1}, "decay_power")]
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.FourierMix(**arguments)


def test_configuration_and_tf_data():
    tf = pytest.importorskip("tensorflow")
    layer = layers.FourierMix(alpha=0.7, decay_power=2, **XYXY, seed=3)
    copy = type(layer).from_config(layer.get_config())
    data = four()
    dataset = tf.data.Dataset.from_tensors(data).map(copy)
    batch, eager = next(iter(dataset.as_numpy_iterator())), layer(data)
    np.testing.assert_array_equal(batch["images"], eager["images"])
    np.testing.assert_array_equal(batch["bounding_boxes"]["boxes"], eager["bounding_boxes"]["boxes"])
