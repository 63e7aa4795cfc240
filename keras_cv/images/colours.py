"""PIL images and arrays of any sort as uint8 arrays with the channels that were asked for."""

import numpy as np

from keras_cv.images.decode import pillow

WHITE = (255, 255, 255, 255)
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def check_channels(channels):
    if channels not in MODES:
        raise ValueError(f"channels must be 1 (grey), 3 (RGB) or 4 (RGBA); got {channels!r}.")


def from_pil(image, channels, name):
    """A decoded PIL image of any mode as a uint8 array `(H, W, channels)`."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit, 32-bit and float grey
        values = np.asarray(image)
        if values.dtype.kind == "i" and values.min() >= 0 and values.max() <= 65535:
            values = values.astype("uint16")  # how Pillow holds some 16-bit files
        return from_array(values, channels, name)
    mode = MODES[channels]
    try:
        if channels != 4 and image.has_transparency_data:
            image = image.convert("RGBA")
            image = pillow().alpha_composite(pillow().new("RGBA", image.size, WHITE), image)
        pixels = np.array(image if image.mode == mode else image.convert(mode))
    except ValueError as error:
        raise ValueError(f"{name} has the colours {image.mode!r}, which Pillow cannot turn into {mode}.") from error
    return pixels[..., None] if channels == 1 else pixels


def from_array(x, channels, name):
    """An array `(H, W)` or `(H, W, 1 | 3 | 4)`, uint8, uint16 or numbers in 0-255, as uint8 `(H, W, channels)`."""
    check_shape(x, name)
    x = as_uint8(x, name)
    if x.ndim == 3 and x.shape[-1] == channels:
        return np.ascontiguousarray(x)
    x = x[..., 0] if x.ndim == 3 and x.shape[-1] == 1 else x
    if x.ndim == 2 and channels != 4:
        return np.repeat(x[..., None], channels, axis=-1)
    return from_pil(pillow().fromarray(np.ascontiguousarray(x)), channels, name)


def check_shape(x, name):
    if x.ndim == 4:
        raise ValueError(f"{name} has shape {x.shape}, which is a batch; give one image, or the batch to load_images.")
    if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[-1] not in MODES):
        message = f"{name} has shape {x.shape}; an image is (H, W), or (H, W, C) with 1, 3 or 4 channels."
        if x.ndim == 3 and x.shape[0] in MODES:
            message += " Channels come last: np.moveaxis(image, 0, -1)."
        raise ValueError(message)
    if 0 in x.shape:
        raise ValueError(f"{name} has shape {x.shape}; an image needs at least one pixel.")


def as_uint8(x, name):
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.bool_:
        return x.astype("uint8") * 255
    if x.dtype == np.uint16:
        return ((x.astype("uint32") * 255 + 32767) // 65535).astype("uint8")
    is_float = "float" in x.dtype.name  # bfloat16 has NumPy's kind of raw bytes
    if not is_float and x.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {x.dtype}; an image is uint8, uint16, or numbers in 0-255.")
    if is_float:
        x = x.astype("float32")
        if not np.isfinite(x).all():
            raise ValueError(f"{name} has values that are not finite (NaN or infinity).")
        x = np.round(x) if x.max() > 1 else x
    low, high = x.min(), x.max()
    if low < 0 or high > 255:
        hint = " 16-bit images have dtype uint16." if not is_float and low >= 0 and high <= 65535 else ""
        raise ValueError(f"{name} has values from {low:g} to {high:g}; they must lie in 0-255.{hint}")
    if is_float and high <= 1 and (x != np.round(x)).any():
        raise ValueError(f"{name} has values from {low:g} to {high:g}, as if scaled to 0-1; multiply it by 255.")
    return x.astype("uint8")
