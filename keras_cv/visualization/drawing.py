"""Boxes and their labels on one picture, by Pillow."""

import dataclasses

import numpy as np

from keras_cv.images.decode import pillow
from keras_cv.visualization.text import fitting, ink_on

CASING = (0, 0, 0, 120)  # a dark rim that keeps a line apart from a background of its own colour


@dataclasses.dataclass
class Style:
    """How one set of boxes looks. `line` and `font_size` are in pixels; None follows the size of the picture."""

    colour: tuple
    class_mapping: dict | None = None
    line: int | None = None
    font_scale: float = 1.0
    bold: bool = False
    dashed: bool = False
    below: bool = False  # where labels go first

    def line_of(self, width, height):
        line = 0.7 + 0.0035 * np.sqrt(width * height) if self.line is None else self.line
        return max(1, round(line))

    def font_of(self, width, height):
        return max(6, round((7 + 0.015 * np.sqrt(width * height)) * self.font_scale))


def draw(picture, sets):
    """A uint8 array `(H, W, 3)` of the picture with boxes on it.

    `sets` is a list of `(boxes, Style)`; boxes are a dictionary as `split_boxes` gives it, xyxy in pixels of the
    picture. All boxes lie under all labels. Lines lie inside their boxes, whose parts outside the picture are cut off.
    """
    from PIL import ImageDraw

    canvas = pillow().fromarray(picture)
    pen = ImageDraw.Draw(canvas, "RGBA")
    width, height = canvas.size
    labels = []
    for boxes, style in sets:
        names = texts(boxes, style.class_mapping)
        for corners, name in zip(boxes["boxes"], names, strict=True):
            box = inside(corners, width, height)
            if box is not None:
                draw_box(pen, box, style, style.line_of(width, height))
                labels.append((box, name, style))
    taken = []
    for box, name, style in labels:
        if name:
            taken.append(draw_label(pen, canvas.size, box, name, style, taken))
    return np.array(canvas)


def texts(boxes, class_mapping):
    """What stands beside each box: the class's name, or its number, and the confidence."""
    names = [""] * len(boxes["boxes"])
    if boxes["classes"] is not None:
        names = [class_name(number, class_mapping) for number in boxes["classes"]]
    if boxes["confidence"] is not None:
        names = [f"{name} {value:.2f}".strip() for name, value in zip(names, boxes["confidence"], strict=True)]
    return names


def class_name(number, class_mapping):
    number = int(number)
    if class_mapping is None:
        return str(number)
    if isinstance(class_mapping, dict):
        return str(class_mapping.get(number, number))
    return str(class_mapping[number]) if 0 <= number < len(class_mapping) else str(number)


def inside(corners, width, height):
    """`(left, top, right, bottom)` as whole pixels within the picture, right and bottom exclusive; None if outside."""
    (left, right), (top, bottom) = sorted(corners[0::2]), sorted(corners[1::2])
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return None
    left, top = min(max(0, round(left)), width - 1), min(max(0, round(top)), height - 1)
    return left, top, max(left + 1, min(width, round(right))), max(top + 1, min(height, round(bottom)))


def draw_box(pen, box, style, line):
    left, top, right, bottom = box
    line = max(1, min(line, (right - left) // 4, (bottom - top) // 4))
    strokes = []
    for start, end, across in ((left, right, top), (left, right, bottom - line)):
        strokes += [(a, across, b, across + line) for a, b in dashes(start, end, line, style.dashed)]
    for start, end, across in ((top, bottom, left), (top, bottom, right - line)):
        strokes += [(across, a, across + line, b) for a, b in dashes(start, end, line, style.dashed)]
    rim_around(pen, box, line, strokes, style.dashed)
    for a, b, c, d in strokes:
        pen.rectangle((a, b, c - 1, d - 1), fill=style.colour)


def rim_around(pen, box, line, strokes, dashed):
    rim = max(1, round(line / 3))
    if dashed:
        for a, b, c, d in strokes:
            pen.rectangle((a - rim, b - rim, c + rim - 1, d + rim - 1), fill=CASING)
        return
    left, top, right, bottom = box
    pen.rectangle((left - rim, top - rim, right + rim - 1, bottom + rim - 1), outline=CASING, width=rim)
    left, top, right, bottom = left + line, top + line, right - line - 1, bottom - line - 1
    if right > left and bottom > top:
        pen.rectangle((left, top, right, bottom), outline=CASING, width=rim)


def dashes(start, end, line, dashed):
    """The pieces of an edge: one, or dashes that begin and end at the corners."""
    if not dashed:
        return [(start, end)]
    length, gap = max(4, 4 * line), max(3, 3 * line)
    count = max(2, round((end - start + gap) / (length + gap)))
    step = (end - start - length) / (count - 1)
    if step <= length:  # too short for gaps
        return [(start, end)]
    return [(round(start + i * step), round(start + i * step) + length) for i in range(count)]


def draw_label(pen, size, box, text, style, taken):
    """Draws the label where it covers the fewest others, inside the picture; returns its rectangle."""
    width, height = size
    wanted = style.font_of(width, height)
    pad = max(1, round(wanted * 0.22))
    text, used = fitting(text, wanted, width - 2 * pad, style.bold)
    ascent, descent = used.getmetrics()
    wide, high = round(used.getlength(text)) + 2 * pad, ascent + descent + pad // 2
    spots = [
        (min(max(0, x), max(0, width - wide)), min(max(0, y), max(0, height - high)))
        for x, y in places(box, wide, high, height, style.below)
    ]
    spots = [(x, y, x + wide, y + high) for x, y in spots]
    spot = min(spots, key=lambda spot: sum(overlap(spot, other) for other in taken))  # the first of equals
    pen.rectangle((spot[0], spot[1], spot[2] - 1, spot[3] - 1), fill=style.colour)
    pen.text((spot[0] + pad, spot[1] + pad // 4), text, font=used, fill=ink_on(style.colour))
    return spot


def places(box, wide, high, height, below):
    """Top left corners for a label, the best first: outside the box, then inside."""
    left, top, right, bottom = box
    above = [(left, top - high), (right - wide, top - high)] if top >= high else []
    under = [(left, bottom), (right - wide, bottom)] if bottom + high <= height else []
    first, second = (under, above) if below else (above, under)
    ends = (bottom - high, top) if below else (top, bottom - high)
    within = [(x, y) for y in ends for x in (left, right - wide)]
    return [*first[:1], within[0], *first[1:], *within[1:], *second] if first else [*within[:2], *second, *within[2:]]


def overlap(a, b):
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
