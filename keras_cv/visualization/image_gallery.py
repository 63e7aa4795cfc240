"""Images in rows and columns."""

from keras_cv.visualization.figure import cell_of, figure_of, finish, fit
from keras_cv.visualization.samples import as_pictures, grid, take_samples, wanted


def plot_image_gallery(
    images,
    value_range=(0, 255),
    scale=2,
    rows=None,
    cols=None,
    path=None,
    show=None,
    transparent=False,
    dpi=150,
    legend_handles=None,
    captions=None,
    title=None,
):
    """Draws images in a grid, all of them whole, and returns the `matplotlib.figure.Figure`.

    Args:
        images: a batch `(B, H, W, C)` with 1, 3 or 4 channels; one image; a list of images of any sizes, or of what
            `keras_cv.images.load_image` takes; or a data set (tf.data, torch's DataLoader, `PyDataset`, generator),
            batched or not, of images, of dictionaries with the key `"images"` (or `"image"`), or of tuples of
            either and labels.
        value_range: `(lowest, highest)` of the values, such as (0, 255), (0, 1) or (-1, 1).
        scale: inches of the longer side of a picture.
        rows: number of rows; with `cols`, as many images are drawn as fit. By default the batch in a square.
        cols: number of columns.
        path: a file to write: `.png`, `.jpg`, `.pdf`, `.svg` …
        show: whether to show it: in the notebook, or by the system's picture viewer. By default only in a notebook, and
            only without a `path`.
        transparent: whether the file has no background.
        dpi: pixels to the inch.
        legend_handles: matplotlib's handles, which make a legend below.
        captions: a string for each image, which stands below it; or a pair of string and colour.
        title: a string above all.

    Returns None in place of the figure where a notebook has just shown it, so that a cell does not show it twice.
    """
    samples = take_samples(images, wanted(rows, cols))
    return plot_pictures(
        as_pictures(samples, value_range),
        rows=rows,
        cols=cols,
        scale=scale,
        dpi=dpi,
        path=path,
        show=show,
        transparent=transparent,
        legend_handles=legend_handles,
        captions=captions,
        title=title,
    )


def plot_pictures(
    pictures,
    rows=None,
    cols=None,
    scale=2,
    dpi=150,
    path=None,
    show=None,
    transparent=False,
    draw=None,
    **decoration,
):
    """The figure of uint8 arrays `(H, W, 3)`; `draw(i, picture, scale)` draws on each once it has its final size."""
    if not pictures:
        raise ValueError("There are no images to draw.")
    cell = cell_of(pictures, scale, dpi)
    rows, cols = grid(len(pictures), rows, cols)
    drawn = []
    for i, picture in enumerate(pictures[: rows * cols]):
        picture, factor = fit(picture, cell)
        drawn.append(picture if draw is None else draw(i, picture, factor))
    return finish(figure_of(drawn, cell, (rows, cols), dpi, **decoration), path, show, transparent)
