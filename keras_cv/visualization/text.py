"""Text on pictures: fonts, colours that are told apart, and lines that fit."""

import functools

from keras_cv.images.decode import pillow

# Okabe and Ito's colours, told apart by colour-blind readers too, then lighter and darker ones.
PALETTE = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
    *((255, 214, 140), (170, 218, 245), (117, 216, 186), (140, 130, 20), (100, 160, 210), (140, 60, 0), (120, 50, 90)),
)


@functools.lru_cache(64)
def font(size, bold=False):
    """DejaVu Sans, which comes with matplotlib, `size` pixels high."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size)


def shortened(text, used, width):
    """`text` without its end, and with an ellipsis, where it is wider than `width` pixels in the font `used`."""
    if used.getlength(text) <= width:
        return text
    while text and used.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def fitting(text, size, width, bold=False, smallest=7):
    """`(text, font)`: smaller, and then shorter, until it is at most `width` pixels wide."""
    while size > smallest and font(size, bold).getlength(text) > width:
        size -= 1
    return shortened(text, font(size, bold), width), font(size, bold)


def as_colour(colour):
    """`(red, green, blue)`, ints in 0-255, of three numbers or of a name or code such as `"orange"` or `"#ff8800"`."""
    if isinstance(colour, str):
        from PIL import ImageColor

        return ImageColor.getrgb(colour)[:3]
    values = tuple(colour) if hasattr(colour, "__len__") else ()
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise ValueError(f"A colour is (red, green, blue) in 0-255, or a name such as 'orange'; got {colour!r}.")
    return tuple(int(value) for value in values)


def ink_on(colour):
    """Black or white, whichever is read better on `colour`; the luminance is that of WCAG 2."""
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def class_colour(number):
    return PALETTE[number % len(PALETTE)]


def resized(image, scale):
    """A uint8 array times `scale`: smooth, but pixels stay pixels where they become large."""
    resampling = pillow().Resampling
    method = resampling.NEAREST if scale >= 3 else resampling.LANCZOS
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return pillow().fromarray(image).resize(size, method)
