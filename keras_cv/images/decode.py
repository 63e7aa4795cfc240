"""Encoded images, as files hold them, decoded to PIL images that lie the right way up.

Everything that Pillow raises on bad data becomes a `ValueError` that names the file. What the header declares is
checked before anything is decoded, and no setting of Pillow's is changed.
"""

import os

MAX_PIXELS = 89_478_485  # from here on Pillow itself warns: a quarter of a GiB of RGB
# What is opened. Pillow would also open formats that start other programs (EPS runs Ghostscript).
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")
ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}  # what a whole file has near its end
ORIENTATION = 0x0112  # the EXIF tag


def decode(file, name, max_pixels=MAX_PIXELS):
    """A PIL image, upright, from an open binary `file`; `name` stands in messages.

    `max_pixels` bounds width × height as the header declares them. Of an animation it is the first frame.
    """
    image = open_header(file, name, max_pixels)
    return upright(image, name)


def open_header(file, name, max_pixels):
    """The image with its size known and its pixels still unread."""
    pil = pillow()
    pil.init()
    try:
        image = pil.open(file, formats=[x for x in FORMATS if x in pil.OPEN])
    except pil.DecompressionBombError as error:
        raise ValueError(
            f"{name} declares more pixels than twice PIL.Image.MAX_IMAGE_PIXELS, and Pillow refuses it: {error} "
            "If you trust the file, raise that limit and max_pixels."
        ) from error
    except pil.UnidentifiedImageError as error:
        raise ValueError(unidentified(file, name)) from error
    except Exception as error:  # a broken header; plugins raise whatever their parsing meets
        raise broken(name, error) from error
    check_size(image, name, max_pixels)
    return image


def check_size(image, name, max_pixels):
    width, height = image.size
    if not width or not height:
        raise ValueError(f"{name} is {width} pixels wide and {height} high; an image needs at least one pixel.")
    if width * height > max_pixels:
        raise ValueError(
            f"{name} declares {width} x {height} = {width * height:,} pixels, above max_pixels={max_pixels:,}, and was "
            "not decoded: it may be a decompression bomb. If you trust it, give a larger max_pixels."
        )


def upright(image, name):
    """`image` decoded, and turned as its EXIF orientation says."""
    pil = pillow()
    try:
        image.load()
    except Exception as error:
        raise broken(name, error) from error
    orientation = orientation_of(image)
    turns = pil.Transpose
    methods = (
        turns.FLIP_LEFT_RIGHT,
        turns.ROTATE_180,
        turns.FLIP_TOP_BOTTOM,
        turns.TRANSPOSE,
        turns.ROTATE_270,
        turns.TRANSVERSE,
        turns.ROTATE_90,
    )
    return image.transpose(methods[orientation - 2]) if orientation in range(2, 9) else image


def orientation_of(image):
    """How a camera was held: a number of EXIF's, 1 for upright."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # pixels are good; what cannot be read says nothing
        return 1


def upright_size(image):
    """`(height, width)` of what `upright` makes of an image that need not be decoded yet."""
    width, height = image.size
    return (width, height) if orientation_of(image) in range(5, 9) else (height, width)


def check_file(path, max_pixels):
    """`(height, width)` of a file's image, upright; or the `ValueError` of an unreadable one.

    Most are not decoded: header, and end of a JPEG or PNG, are looked at. What looks wrong, and other formats, are
    decoded. A file damaged in its middle passes.
    """
    with open(path, "rb") as file:
        image = open_header(file, repr(str(path)), max_pixels)
        end, size = ENDS.get(image.format), upright_size(image)
        file.seek(max(0, os.path.getsize(path) - 64))
        if end is None or end not in file.read():
            file.seek(0)
            decode(file, repr(str(path)), max_pixels)
    return size


def unidentified(file, name):
    file.seek(0)
    start = file.read(32)
    if not start:
        return f"{name} is empty (0 bytes); fetch or export the image again."
    if start.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM", b"II*", b"MM\0*")):
        return f"{name} has a damaged header, or declares no pixels; fetch or export the image again."
    message = f"{name} is not an image in a format that is read here ({', '.join(FORMATS)}); it starts with "
    message += f"{start[:12]!r}."
    if start[4:8] == b"ftyp" and b"hei" in start[8:24]:
        message += " It is HEIC: install pillow-heif and call pillow_heif.register_heif_opener(), or export it as JPEG."
    elif start.lstrip()[:1] == b"<":
        message += " It looks like a web page or SVG: perhaps its download failed."
    return message


def broken(name, error):
    reason = f"{type(error).__name__}: {error}".rstrip(": .")
    return ValueError(
        f"{name} is damaged or truncated and cannot be decoded ({reason}). Fetch or export the image again, or leave "
        "it out: load_images and image_folder do with on_error='skip'."
    )


def pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Reading images needs Pillow: pip install 'keras-zoo[cv]'") from error
    return Image
