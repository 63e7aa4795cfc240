"""A matplotlib figure of pictures in rows and columns, pixel by pixel, and where it goes.

Figures are made without pyplot, so that none stays behind and no window system or global backend is involved.
"""

import io
import sys
import warnings

import numpy as np

from keras_cv.images.decode import pillow
from keras_cv.visualization.text import fitting, font, resized

INK, PAPER = "#222222", "white"
SMALLEST = 48  # pixels of the longer side of a cell


def cell_of(pictures, scale, dpi):
    """`(width, height)` in pixels of every cell: `scale` inches the longer side, shaped like the pictures are."""
    if not scale > 0 or not dpi > 0:
        raise ValueError(f"scale (inches) and dpi must be above 0; got {scale!r} and {dpi!r}.")
    longer = max(SMALLEST, round(scale * dpi))
    ratio = float(np.median([picture.shape[1] / picture.shape[0] for picture in pictures]))
    ratio = min(max(ratio, 0.25), 4)
    return (longer, max(1, round(longer / ratio))) if ratio >= 1 else (max(1, round(longer * ratio)), longer)


def fit(picture, cell):
    """`(picture, scale)`: uint8 `(H, W, 3)` as large as the cell allows."""
    scale = min(cell[0] / picture.shape[1], cell[1] / picture.shape[0])
    return np.asarray(resized(picture, scale)), scale


def figure_of(pictures, cell, grid, dpi, captions=None, headings=None, title=None, legend_handles=None):
    """A `matplotlib.figure.Figure` of pictures that fit the cell, row by row.

    `captions` stand below the pictures: strings of one or more lines, or `(text, colour)`. `headings` stand above the
    columns, `title` above all; the legend is below.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, cols = grid
    gap = max(4, round(0.03 * max(cell)))
    size = max(9, round(0.015 * max(cell) + 8))  # of captions, in pixels
    line = round(1.35 * size)
    captions = [as_caption(caption) for caption in captions or []][: len(pictures)]
    captions += [("", INK)] * (rows * cols - len(captions))
    lines = [max(text.count("\n") + bool(text) for text, _ in captions[i * cols : (i + 1) * cols]) for i in range(rows)]
    below = [line * count + line // 4 * (count > 0) for count in lines]
    above = line * (headings is not None) + round(2 * line) * (title is not None)
    width = cols * cell[0] + (cols + 1) * gap
    handles = list(legend_handles or [])
    legend_rows = legend_grid(handles, size, width - 2 * gap)[0]
    legend_height = round(1.4 * line * legend_rows) + gap // 2 if handles else 0
    height = gap + above + rows * (cell[1] + gap) + sum(below) + legend_height

    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor=PAPER)
    FigureCanvasAgg(figure)
    write = writer(figure, width, height, dpi)
    if title is not None:
        write(title, width / 2, gap + 0.8 * line, round(1.25 * size), width - 2 * gap, bold=True)
    for column, heading in enumerate(headings or []):
        x = gap + column * (cell[0] + gap) + cell[0] / 2
        write(heading, x, gap + above - line / 2, size, cell[0], bold=True)
    for i, picture in enumerate(pictures[: rows * cols]):
        row, column = divmod(i, cols)
        x = gap + column * (cell[0] + gap) + (cell[0] - picture.shape[1]) // 2
        top = gap + above + row * (cell[1] + gap) + sum(below[:row])
        place(figure, picture, x, top + (cell[1] - picture.shape[0]) // 2, width, height)
        text, colour = captions[i]
        for number, part in enumerate(text.split("\n") if text else []):
            middle = gap + column * (cell[0] + gap) + cell[0] / 2
            write(part, middle, top + cell[1] + (number + 0.8) * line, size, cell[0] + gap // 2, colour)
    if handles:
        add_legend(figure, handles, size, width - 2 * gap, dpi, (gap // 2) / height)
    return figure


def as_caption(caption):
    return caption if isinstance(caption, tuple) else (str(caption), INK)


def place(figure, picture, x, y, width, height):
    """Pixels onto pixels: the axes have exactly the size of the picture."""
    rows, columns = picture.shape[:2]
    axes = figure.add_axes((x / width, 1 - (y + rows) / height, columns / width, rows / height))
    axes.imshow(picture, interpolation="none", aspect="auto")
    axes.set_axis_off()


def writer(figure, width, height, dpi):
    def write(text, x, y, size, room, colour=INK, bold=False):
        text, used = fitting(text, size, room, bold)
        figure.text(
            x / width,
            1 - y / height,
            text.replace("$", r"\$"),  # not a formula
            ha="center",
            va="center",
            color=colour,
            fontsize=used.size * 72 / dpi,
            fontweight="bold" if bold else "normal",
            fontfamily="DejaVu Sans",
        )

    return write


def legend_grid(handles, size, room):
    """`(rows, columns)` in which the entries fit `room` pixels."""
    if not handles:
        return 0, 1
    widest = max(font(size).getlength(str(handle.get_label())) for handle in handles) + 4.5 * size
    columns = max(1, min(len(handles), int(room // widest)))
    return -(-len(handles) // columns), columns


def add_legend(figure, handles, size, room, dpi, bottom):
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, bottom),
        borderaxespad=0,
        ncols=legend_grid(handles, size, room)[1],
        frameon=False,
        labelcolor=INK,
        prop={"family": "DejaVu Sans", "size": size * 72 / dpi},
        handlelength=2,
    )


def finish(figure, path, show, transparent):
    """Writes and shows the figure; returns it, or None where a notebook has just shown it."""
    if path is not None:
        figure.savefig(path, dpi=figure.dpi, transparent=transparent)
    if show is None:
        show = path is None and in_notebook()
    if not show:
        return figure
    if in_notebook():
        show_in_notebook(figure)
        return None
    if not pillow().fromarray(pixels_of(figure)).show():
        warnings.warn("No program shows pictures here; give path='NAME.png' to write the gallery.", stacklevel=4)
    return figure


def in_notebook():
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def show_in_notebook(figure):
    from IPython.display import Image, display

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    display(Image(file.getvalue()))


def pixels_of(figure):
    """The figure as a uint8 array `(H, W, 3)`."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
