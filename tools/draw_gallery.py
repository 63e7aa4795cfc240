"""Draws the galleries of docs/images from photographs that come with scikit-image (CC0 and public domain).

Usage: python tools/draw_gallery.py [FOLDER]     (boxes were drawn by hand; masks are found by OpenCV's GrabCut)
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import skimage
from PIL import Image

from keras_cv import layers, visualization
from keras_cv.images import load_images
from keras_cv.visualization.text import PALETTE

PHOTOGRAPHS = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")
NAMES = ("cat", "saucer", "cup", "spoon", "rocket", "astronaut", "helmet")
# xyxy in pixels
TRUTH = (
    ([[20, 0, 385, 300]], [0]),
    ([[80, 70, 478, 392], [175, 15, 405, 302], [326, 55, 424, 315]], [1, 2, 3]),
    ([[308, 122, 342, 400]], [4]),
    ([[18, 14, 400, 512], [356, 0, 468, 272], [284, 348, 512, 512]], [5, 4, 6]),
)
GUESS = (
    ([[34, 2, 396, 299]], [0], [0.98]),
    ([[88, 60, 470, 398], [180, 26, 398, 292], [318, 180, 420, 320]], [1, 2, 3], [0.91, 0.95, 0.58]),
    ([[304, 114, 350, 394]], [4], [0.83]),
    ([[8, 22, 415, 510], [364, 8, 478, 258]], [5, 4], [0.99, 0.71]),
)


def boxes_of(rows):
    keys = ("boxes", "classes", "confidence")
    return [dict(zip(keys, map(np.array, row), strict=False)) for row in rows]


def mask_of(image, boxes, classes, iterations):
    """Class numbers from 1: what GrabCut takes for foreground in each box, the largest first."""
    mask = np.zeros(image.shape[:2], "uint8")
    for (left, top, right, bottom), number in zip(boxes, classes, strict=True):
        left, top = max(left, 1), max(top, 1)
        cv2.setRNGSeed(0)
        found = np.zeros(image.shape[:2], "uint8")
        frame = (left, top, min(right, image.shape[1] - 1) - left, min(bottom, image.shape[0] - 1) - top)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(image[..., ::-1].copy(), found, frame, *models, iterations, cv2.GC_INIT_WITH_RECT)
        mask[np.isin(found, (cv2.GC_FGD, cv2.GC_PR_FGD))] = number + 1
    return mask


def smaller(path):
    """256 colours are enough for the pictures of a page, in a third of the bytes; those of boxes and masks stay."""
    image = Image.open(path).convert("RGB")
    kept = [*PALETTE, (0, 188, 212), (255, 235, 59), (255, 255, 255), (34, 34, 34)]
    found = image.quantize(256 - len(kept), Image.Quantize.MEDIANCUT, kmeans=1).getpalette()
    colours = Image.new("P", (1, 1))
    colours.putpalette([*(value for colour in kept for value in colour), *found[: 3 * (256 - len(kept))]])
    image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    data = Path(skimage.__file__).parent / "data"
    images = load_images([data / name for name in PHOTOGRAPHS])
    captions = ["chelsea", "coffee", "rocket", "astronaut"]
    visualization.plot_image_gallery(images, captions=captions, cols=4, path=folder / "image_gallery.png")
    visualization.plot_bounding_box_gallery(
        images,
        bounding_box_format="xyxy",
        y_true=boxes_of(TRUTH),
        y_pred=boxes_of(GUESS),
        class_mapping=NAMES,
        scale=2.6,
        path=folder / "box_gallery.png",
    )
    masks = [
        [mask_of(image, *row[:2], iterations) for image, row in zip(images, rows, strict=True)]
        for rows, iterations in ((TRUTH, 5), (GUESS, 1))
    ]
    visualization.plot_segmentation_mask_gallery(
        images[1:],
        y_true=masks[0][1:],
        y_pred=masks[1][1:],
        class_mapping=["background", *NAMES],
        path=folder / "mask_gallery.png",
    )
    boxes, classes = TRUTH[1]
    boxes = {"boxes": np.float32(boxes), "labels": np.float32(classes)}
    visualization.show_augmentations(
        layers.Augmenter(
            [
                layers.RandomFlip(seed=1, bounding_box_format="xyxy"),
                layers.RandomRotation(0.06, seed=2, bounding_box_format="xyxy"),
                layers.RandAugment(augmentations_per_image=2, magnitude=0.4, geometric=False, seed=3),
            ]
        ),
        {"images": images[1], "bounding_boxes": boxes},
        bounding_box_format="xyxy",
        class_mapping=NAMES,
        rows=2,
        path=folder / "augmentations.png",
    )
    for path in folder.glob("*.png"):
        smaller(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "images"))
