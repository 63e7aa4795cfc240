"""Sharpness, blur, compression and noise of a batch of images; what is said in `colour.py` holds here too."""

import numpy as np

from keras_cv.ops.colour import each, store
from keras_cv.ops.resampling import opencv


@each
def sharpness(image, factor, out):
    """The distance to the smoothed image times `factor`: 0 is smoothed, 1 the image, 2 sharpened.

    Smoothing weighs a pixel 5 and each of its eight neighbours 1; the outermost pixels stay as they are.
    """
    kernel = np.full((3, 3), (1 - factor) / 13, "float32")
    kernel[1, 1] = factor + (1 - factor) * 5 / 13
    edges = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
    kept = [image[edge].copy() for edge in edges]  # the image may be `out`
    opencv().filter2D(image, -1, kernel, dst=out)
    if out.dtype != np.uint8:
        np.clip(out, 0, 255, out=out)
    for edge, values in zip(edges, kept, strict=True):
        out[edge] = values


@each
def gaussian_blur(image, sigmas, kernel_size, out):
    """A Gaussian of `sigmas` pixels over `kernel_size` pixels, both `(B, 2)`, x and y; beyond the edge it mirrors."""
    kernels, anchor = [], []
    for sigma, size in zip(sigmas, kernel_size, strict=True):
        places = np.arange(size) - (size - 1) // 2
        weights = np.exp(-0.5 * (places / max(float(sigma), 1e-3)) ** 2)
        kernels.append(weights / weights.sum())
        anchor.append(int(size - 1) // 2)
    cv2 = opencv()
    cv2.sepFilter2D(image, -1, *kernels, dst=out, anchor=anchor, borderType=cv2.BORDER_REFLECT_101)


@each
def jpeg(image, quality, out):
    """Compressed as a JPEG of this quality, 0-100, and read again; needs 1 or 3 channels."""
    cv2 = opencv()
    levels = np.empty(image.shape, "uint8")
    store(image.astype("float32"), levels)
    colour = image.shape[-1] == 3
    if colour:
        levels = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, round(float(quality))])[1]
    read = cv2.imdecode(data, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    if colour:
        read = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
    np.copyto(out, read.reshape(image.shape))


@each
def gaussian_noise(image, stddev, seed, out):
    """Normal noise of `stddev` grey levels, drawn for each value from an integer `seed`."""
    noise = np.random.default_rng(int(seed)).standard_normal(image.shape, "float32")
    noise *= np.float32(stddev)
    noise += image
    store(noise, out)
