"""FourierMix: another image shows in blots of random shape."""

import numpy as np

from keras_cv.layers.mixing import Mixing, partners
from keras_cv.ops.visible import uncovered
from keras_zoo.config import serializable


@serializable
class FourierMix(Mixing):
    """Blots of each image come from another one (FMix, Harris et al., 2020).

    The blots take a part of the area drawn from Beta(alpha, alpha), by which labels are mixed. Boxes are around what is
    left to see of the image, and around what the blots show of the other.

    Args:
        alpha: how even the proportions are, above 0.
        decay_power: how smooth the blots are: the power by which higher frequencies are weaker.
        max_boxes, minimum_box_area_ratio, bounding_box_format, seed: see `Mixing`.
    """

    def __init__(self, alpha=0.5, decay_power=3, **kwargs):
        super().__init__(**kwargs)
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0; got {alpha}.")
        if not decay_power >= 0:
            raise ValueError(f"decay_power must be at least 0; got {decay_power}.")
        self.alpha, self.decay_power = alpha, decay_power

    def augment(self, batch, random):
        if len(batch) == 1:
            return self.alone(batch)
        shares = random.beta(self.alpha, self.alpha, len(batch))
        hidden = np.stack([blots(random, 1 - share, *batch.size, self.decay_power) for share in shares])
        others = batch.take(partners(random, len(batch)))
        where = hidden[..., None]
        mixed = batch.replace(images=np.where(where, others.images, batch.images))
        if batch.masks is not None:
            mixed = mixed.replace(masks=np.where(where, others.masks, batch.masks))
        if batch.labels is not None:
            mixed = mixed.replace(labels=self.mixed_labels(batch.labels, others.labels, 1 - hidden.mean((1, 2))))
        if batch.boxes is None:
            return mixed
        least = self.minimum_box_area_ratio
        boxes = [uncovered(rows, place, least) for rows, place in zip(batch.boxes, hidden, strict=True)]
        other_boxes = [uncovered(rows, ~place, least) for rows, place in zip(others.boxes, hidden, strict=True)]
        return self.both(mixed, others, np.stack(boxes), np.stack(other_boxes))


def blots(random, share, height, width, decay_power):
    """Booleans `(H, W)`, true on `share` of the area: where noise of low frequencies is highest."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    weights = np.maximum(frequencies, 1 / max(height, width)) ** -float(decay_power)
    real, imaginary = random.standard_normal((2, *weights.shape))
    noise = np.fft.irfft2(weights * (real + 1j * imaginary), (height, width))
    count = round(share * height * width)
    places = np.zeros(height * width, bool)
    if count:
        places[np.argpartition(noise, -count, axis=None)[-count:]] = True
    return places.reshape(height, width)
