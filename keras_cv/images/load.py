"""Images from whatever a user has, as uint8 arrays."""

import io
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from keras_cv.images.colours import check_channels, from_array, from_pil
from keras_cv.images.decode import MAX_PIXELS, check_size, decode, upright
from keras_zoo import tfdata

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"),
)


def load_image(source, channels=3, max_pixels=MAX_PIXELS):
    """One image as a uint8 array `(H, W, channels)`, upright, values 0-255.

    `source` is a path (str or `os.PathLike`), the bytes of a file, a binary file object (read from where it stands), a
    PIL image, or an array or tensor of any backend: `(H, W)` or `(H, W, 1 | 3 | 4)`; uint8, uint16 (scaled down),
    bool, or integers and floats in 0-255 (rounded). A uint8 array that has the channels already is returned itself.

    Files are turned as their EXIF orientation says, and so is a PIL image as `Image.open` gave it. Transparent pixels
    are laid on white, grey becomes three equal channels, 16 bits become 8, palettes, CMYK and other colours become RGB
    (colour profiles are not applied), and of an animation the first frame counts.

    Args:
        source: see above.
        channels: 3 for RGB, 1 for grey (ITU-R 601-2 luma), 4 for RGBA.
        max_pixels: int, the largest width × height that is decoded. It is compared with the size that the header
            declares, before any pixel is read.

    Raises `ValueError` that names the source: a file that is missing, empty, damaged, truncated, of an unknown format
    or larger than `max_pixels`; an array of another shape, dtype or range.
    """
    check_channels(channels)
    name = name_of(source)
    if is_pil(source):
        check_size(source, name, max_pixels)
        return from_pil(upright(source, name) if is_opened(source) else source, channels, name)
    if isinstance(source, bytes | bytearray | memoryview):
        return from_pil(decode(io.BytesIO(source), name, max_pixels), channels, name)
    if isinstance(source, str | os.PathLike):
        return from_path(source, channels, max_pixels, name)
    if hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise ValueError(f"{name} is open as text; open it in binary mode, open(path, 'rb').")
        return from_pil(decode(io.BytesIO(data), name, max_pixels), channels, name)
    array = as_array(source)
    if array.ndim == 0 and array.dtype.kind in "SUO":  # a path or bytes, as a row of a string array or tensor
        return load_image(as_path(array.item()), channels, max_pixels)
    return from_array(array, channels, name)


def load_images(sources, on_error="raise", channels=3, max_pixels=MAX_PIXELS):
    """A list of uint8 arrays `(H, W, channels)`, each of its own size.

    `sources` is a list (or any iterable) of what `load_image` takes, a batch `(B, H, W, C)`, or a folder, whose images
    are those of `image_files`. With `on_error="skip"` what cannot be read is left out and a warning names it; with
    `"raise"` the first of them raises `load_image`'s `ValueError`.
    """
    check_on_error(on_error)
    if isinstance(sources, str | os.PathLike) and Path(sources).is_dir():
        sources = image_files(sources)
    elif is_one(sources):
        sources = [sources]
    images, problems = [], []
    for source in sources:
        try:
            images.append(load_image(source, channels, max_pixels))
        except ValueError as error:
            if on_error == "raise":
                raise
            problems.append(str(error))
    warn_skipped(problems)
    return images


def image_files(folder):
    """The paths of the images below `folder`, at any depth, in the order of their names; found by extension."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is not a folder.")
    found = [path for path in folder.rglob("*") if is_image_file(path) and path.is_file()]
    found = sorted(found, key=lambda path: path.relative_to(folder).parts)
    if not found:
        raise ValueError(f"{str(folder)!r} has no image files below it ({', '.join(EXTENSIONS)}).")
    return found


def is_image_file(path):
    """Whether the name of `path` is that of an image: by extension, hidden files left out. Nothing is opened."""
    path = Path(path)
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def from_path(path, channels, max_pixels, name):
    if str(path).startswith(("http://", "https://")):
        raise ValueError(f"{name} is an address; fetch it first and give the bytes or the path of a file.")
    if not os.path.exists(path):
        raise ValueError(f"{name} does not exist.")
    if os.path.isdir(path):
        raise ValueError(f"{name} is a folder; load_images reads all images of a folder.")
    try:
        with open(path, "rb") as file:
            return from_pil(decode(file, name, max_pixels), channels, name)
    except OSError as error:  # decoding has made its own into ValueErrors
        raise ValueError(f"{name} cannot be opened: {error.strerror or error}.") from error


def check_on_error(on_error):
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip'; got {on_error!r}.")


def warn_skipped(problems, stacklevel=3):
    if problems:
        shown = "\n  ".join(problems[:10]) + ("\n  …" if len(problems) > 10 else "")
        warnings.warn(f"{len(problems)} images were skipped:\n  {shown}", stacklevel=stacklevel)


def is_pil(x):
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(x, pil.Image)


def is_opened(image):
    """Whether a PIL image is as `Image.open` gave it; one made from it may have been turned already."""
    from PIL import ImageFile

    return isinstance(image, ImageFile.ImageFile)


def as_path(value):
    """An element of a string tensor: bytes are those of a file, or a path if one exists there."""
    if isinstance(value, bytes) and len(value) < 4096 and b"\0" not in value and os.path.exists(value):
        return os.fsdecode(value)
    return value


def is_one(x):
    """Whether `x` is one source rather than several."""
    if isinstance(x, str | bytes | bytearray | memoryview | os.PathLike) or hasattr(x, "read") or is_pil(x):
        return True
    return hasattr(x, "shape") and len(x.shape) in (2, 3)


def as_array(x):
    x = tfdata.to_numpy(x)
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    if hasattr(x, "__array__"):
        return np.asarray(x)
    hint = " Several images are load_images' to read." if isinstance(x, list | tuple) else ""
    raise ValueError(f"An image is a path, bytes, a file, a PIL image or an array; got {type(x).__name__}.{hint}")


def name_of(source):
    """What messages call `source`."""
    if isinstance(source, str | os.PathLike):
        return repr(os.fspath(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return f"The image in {len(source):,} bytes"
    if getattr(source, "filename", None):
        return repr(str(source.filename))
    if isinstance(getattr(source, "name", None), str) and hasattr(source, "read"):
        return repr(source.name)
    return f"The image ({type(source).__name__})"
