"""Images with rectangles of colours of their own, and where these are afterwards."""

import numpy as np

# Far from each other in every channel, so that a pixel that is mixed from two counts for neither.
COLOURS = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250], [250, 250, 20]], "float32")


def painted(boxes, height=80, width=96, dtype="uint8"):
    """A batch of one image for each row of boxes `(B, N, 4)`, xyxy in whole pixels, painted in the order given."""
    boxes = np.asarray(boxes, "float32").reshape(len(boxes), -1, 4)
    images = np.zeros((len(boxes), height, width, 3), dtype)
    masks = np.zeros((len(boxes), height, width), "uint8")
    for image, mask, rows in zip(images, masks, boxes):
        for n, (x1, y1, x2, y2) in enumerate(np.clip(rows, 0, 10_000).astype(int)):
            image[y1:y2, x1:x2] = COLOURS[n]
            mask[y1:y2, x1:x2] = n + 1
    classes = np.tile(np.arange(boxes.shape[1]), (len(boxes), 1))
    classes[(boxes == -1).all(-1)] = -1
    return {"images": images, "bounding_boxes": {"boxes": boxes, "classes": classes}, "segmentation_masks": masks}


def extent(image, colour, tolerance=100):
    """The box around the pixels of a colour, xyxy; None where there is none."""
    where = (np.abs(image.astype("float32") - colour) < tolerance).all(-1)
    return extent_of(where)


def extent_of(where):
    rows, columns = where.any(1).nonzero()[0], where.any(0).nonzero()[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], "float32") if len(rows) else None
