"""Detection scenes with exact boxes: items of Fashion-MNIST pasted on crops of photographs.

Usage: python tools/scenes.py FOLDER [--train 20000] [--val 2000] [--test 2000] [--size 256] [--seed 0] [--work FOLDER]

Writes a folder as YOLO trains on: `images/{train,val,test}/000000.png`, `labels/{train,val,test}/000000.txt` and
`data.yaml`. The same scenes are made in memory by `Scenes("train")[0]` and `Scenes("train").batch(range(64))`.

A scene is a crop of a photograph with up to seven items, each scaled, stretched, turned, mirrored and recoloured. They
overlap; one of which less than a fifth would be seen is left out. A box is the smallest around all pixels of the item
that lie in the picture, those that another item covers included. Training scenes are made of the 60,000 training items;
validation and test scenes of half of the 10,000 test items each, and of other photographs. Scene number i is a function
of seed, split, i and size alone (for one version of OpenCV), and of the same composition in every size.

It needs NumPy, OpenCV and scikit-image, whose photographs these are; all are CC0 or in the public domain.
"""

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from fashion_mnist import CLASSES, read

SPLITS = ("train", "val", "test")
PARTS = {"train": ("train", 0, 60_000), "val": ("t10k", 0, 5_000), "test": ("t10k", 5_000, 10_000)}
TRAINING = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "brick", "gravel", "clock")
HELD_OUT = ("rocket", "camera", "grass", "retina")
MOST = 7  # items in a scene
SIDES = 0.18, 0.62  # of an item's square, in parts of the picture's side
TURN, STRETCH = 25.0, 1.25  # degrees to each side; the most by which an item gets wider or higher
LEAST_INSIDE, LEAST_SEEN = 0.6, 0.2  # of an item's pixels
MARGIN = 2  # pixels around an item, so that interpolation finds its edge
SQUARE, SOFT = np.ones((3, 3), "uint8"), np.array([0.15, 0.7, 0.15], "float32")
LONGEST = 720  # pixels, to which larger photographs are shrunk, so that small crops are not blurred ones


class Scenes:
    """The scenes of a split: `"train"`, `"val"` or `"test"`.

    Args:
        split: which.
        size: side of the square images, in pixels.
        seed: another seed gives other scenes.
        work: a folder to fetch Fashion-MNIST into where it is not installed.
        items: `(images, labels)`, uint8 `(N, 28, 28)` on black and `(N,)`, in place of Fashion-MNIST's.
    """

    class_names = CLASSES

    def __init__(self, split, size=256, seed=0, work=Path(), items=None):
        self.split, self.size, self.seed = split, size, seed
        self.items, self.labels = of_split(work, split) if items is None else items
        self.photographs = photographs(split)
        self.grain = np.random.default_rng(0).normal(0, 1, (2 * size, 2 * size, 3)).astype("float32")

    def __getitem__(self, i):
        """`(image, boxes, classes)` of scene `i`: uint8 `(S, S, 3)`, xyxy in pixels `(n, 4)`, int32 `(n,)`."""
        random = np.random.default_rng([self.seed, SPLITS.index(self.split), i])
        image = self.background(random)
        drawn = [self.item(random) for _ in range(random.integers(0, MOST + 1))]
        kept = seen([item for item in drawn if item is not None], self.size)
        for item in kept:
            item.paste(image)
        self.camera(random, image)
        boxes = np.array([item.box for item in kept], "float32").reshape(-1, 4)
        return image, boxes, np.array([item.label for item in kept], "int32")

    def batch(self, numbers):
        """The scenes `numbers`: images and boxes `(B, 7, 4)`, classes `(B, 7)`, padding rows being -1."""
        images = np.empty((len(numbers), self.size, self.size, 3), "uint8")
        boxes = np.full((len(numbers), MOST, 4), -1, "float32")
        classes = np.full((len(numbers), MOST), -1, "int32")
        for row, i in enumerate(numbers):
            images[row], found, labels = self[i]
            boxes[row, : len(found)], classes[row, : len(labels)] = found, labels
        return {"images": images, "bounding_boxes": {"boxes": boxes, "classes": classes}}

    def background(self, random):
        """A crop of a photograph, mirrored by chance, its colours shifted."""
        photograph = self.photographs[random.integers(len(self.photographs))]
        height, width = photograph.shape[:2]
        side = int(random.uniform(0.4, 1) * min(height, width))
        top, left = random.integers(height - side + 1), random.integers(width - side + 1)
        crop = photograph[top : top + side, left : left + side]
        method = cv2.INTER_AREA if side > 2 * self.size else cv2.INTER_LINEAR
        image = cv2.resize(crop, (self.size, self.size), interpolation=method)
        if random.random() < 0.5:
            image = cv2.flip(image, 1)
        gains = random.uniform(0.6, 1.25) * random.uniform(0.8, 1.2, 3)
        levels = np.clip(np.arange(256)[:, None] * gains + random.uniform(-20, 40), 0, 255)
        return cv2.LUT(image, levels.astype("uint8").reshape(1, 256, 3))

    def item(self, random):
        """An item somewhere in the picture, or None if too little of it lies there."""
        row = random.integers(len(self.items))
        scale = self.size * math.exp(random.uniform(*map(math.log, SIDES))) / 28
        stretch, turn = STRETCH ** random.uniform(-0.5, 0.5), math.radians(random.uniform(-TURN, TURN))
        mirror = 1 if random.random() < 0.5 else -1
        centre = self.size * random.random(2)
        colours = two_colours(random)
        grey, mask = cut_out(self.items[row])
        matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        matrix *= scale / 2 * np.array([mirror * stretch, 1 / stretch])  # what is cut out has twice the size
        return Item.placed(grey, mask, int(self.labels[row]), matrix, centre, colours, self.size)

    def camera(self, random, image):
        """A little blur and grain, in place."""
        blur, grain, (x, y) = random.uniform(-1, 1), random.uniform(-6, 6), random.integers(0, self.size, 2)
        if blur > 0.3:
            cv2.GaussianBlur(image, (3, 3), blur * self.size / 256, dst=image)
        if grain > 0:
            noise = self.grain[y : y + self.size, x : x + self.size]
            image[...] = cv2.scaleAdd(noise, grain, image.astype("float32")).clip(0, 255)


class Item:
    """An item as it lies in the picture: `alpha` and `grey`, float32 in 0-1, of the window from `left` and `top`."""

    def __init__(self, alpha, grey, left, top, label, colours):
        self.alpha, self.grey, self.left, self.top = alpha, grey, left, top
        self.label, self.colours = label, colours
        self.mask = alpha > 0.5
        self.window = np.s_[top : top + len(alpha), left : left + alpha.shape[1]]

    @property
    def box(self):
        left, top, width, height = cv2.boundingRect(self.mask.astype("uint8"))
        left, top = left + self.left, top + self.top
        return left, top, left + width, top + height

    @classmethod
    def placed(cls, grey, mask, label, matrix, centre, colours, size):
        """`grey` and `mask`, uint8 `(h, w)`, moved by `matrix` (2, 2) to `centre`; None if too little is inside."""
        middle = np.array(grey.shape[::-1]) / 2
        corners = matrix @ (np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]]) * middle[:, None]) + centre[:, None]
        left, top = np.maximum(np.floor(corners.min(1)), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(corners.max(1)), size).astype(int).tolist()
        if right <= left or bottom <= top:
            return None
        shift = matrix @ (0.5 - middle) + centre - 0.5 - [left, top]  # OpenCV counts from a pixel's centre
        whole, window = np.column_stack([matrix, shift]), (right - left, bottom - top)
        soft = cv2.warpAffine(mask, whole, window, flags=cv2.INTER_LINEAR).astype("float32")
        area = abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])
        steep = max(1.0, 2 * math.sqrt(area))  # an edge stays a pixel wide, however large the item
        alpha = np.clip((soft / 255 - 0.5) * steep + 0.5, 0, 1)
        grey = cv2.warpAffine(grey, whole, window, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        item = cls(alpha, grey.astype("float32") / 255, left, top, label, colours)
        inside = np.count_nonzero(item.mask) / (np.count_nonzero(mask > 127) * area)
        return item if inside >= LEAST_INSIDE else None

    def paste(self, image):
        under = image[self.window].astype("float32")
        dark, light = self.colours
        coloured = self.grey[..., None] * (light - dark) + dark
        image[self.window] = under + self.alpha[..., None] * (coloured - under) + 0.5


def seen(items, size):
    """The items of which enough is seen, when each lies over those before it."""
    covered, kept = np.zeros((size, size), bool), []
    for item in reversed(items):
        under = covered[item.window]
        if np.count_nonzero(item.mask & ~under) >= LEAST_SEEN * np.count_nonzero(item.mask):
            kept.append(item)
            under |= item.mask
    return kept[::-1]


def cut_out(item):
    """A grey picture of an item and its soft mask, uint8, at twice the size and with a margin.

    The mask is 255 inside and 128 at the edge. Pixels of the edge are mixed with the black behind them, so they and
    those outside take the brightest neighbour's grey.
    """
    mask = cv2.morphologyEx((item > 10).astype("uint8"), cv2.MORPH_CLOSE, SQUARE)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count > 2:  # specks would make the box larger
        areas = statistics[1:, cv2.CC_STAT_AREA]
        mask = np.isin(parts, 1 + np.flatnonzero(areas >= 0.1 * areas.max())).astype("uint8")
    left, top, width, height = cv2.boundingRect(mask)
    window = np.s_[top : top + height, left : left + width]
    margin = (MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_CONSTANT)
    grey, mask = cv2.copyMakeBorder(item[window], *margin), cv2.copyMakeBorder(mask[window] * 255, *margin)
    edge = cv2.erode(mask, SQUARE) == 0
    grey[edge] = cv2.dilate(grey, SQUARE)[edge]
    mask = cv2.sepFilter2D(mask, -1, SOFT, SOFT)
    return [cv2.resize(x, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for x in (grey, mask)]


def two_colours(random):
    """What black and white become, `(2, 3)` float32 in 0-255: two shades of one hue, now and then exchanged."""
    hue, strength, value = random.random(), random.uniform(0, 0.9), random.uniform(0.55, 1)
    tone = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    light = 255 * value * (1 - strength * (1 - tone))
    shades = np.stack([light * random.uniform(0.05, 0.35), light]).astype("float32")
    return shades[::-1] if random.random() < 0.2 else shades


def of_split(work, split):
    part, start, end = PARTS[split]
    images, labels = read(work, part)
    return images[start:end], labels[start:end]


def photographs(split):
    """The photographs of a split, uint8 `(H, W, 3)`; grey ones with three equal channels."""
    from skimage import data

    found = []
    for name in TRAINING if split == "train" else HELD_OUT:
        picture = getattr(data, name)()
        picture = np.repeat(picture[..., None], 3, -1) if picture.ndim == 2 else picture
        scale = min(1, LONGEST / max(picture.shape[:2]))
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        found.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return found


def write_yolo(folder, counts, size=256, seed=0, work=Path()):
    """`counts` scenes of each split, `{"train": …, "val": …}`, as a YOLO folder; each split is numbered from 0."""
    for split, count in counts.items():
        scenes = Scenes(split, size, seed, work)
        images, labels = (folder / kind / split for kind in ("images", "labels"))
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image, boxes, classes = scenes[i]
            cv2.imwrite(str(images / f"{i:06}.png"), image[..., ::-1])
            rows = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1) / size
            lines = [f"{label} {' '.join(f'{x:.6f}' for x in row)}\n" for label, row in zip(classes, rows)]
            (labels / f"{i:06}.txt").write_text("".join(lines))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(CLASSES))
    places = "".join(f"{split}: images/{split}\n" for split in counts)
    (folder / "data.yaml").write_text(f"{places}names:\n{names}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for split, count in zip(SPLITS, (20_000, 2_000, 2_000)):
        parser.add_argument(f"--{split}", type=int, default=count)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path())
    args = parser.parse_args()
    counts = {split: getattr(args, split) for split in SPLITS if getattr(args, split)}
    write_yolo(args.folder, counts, args.size, args.seed, args.work)


if __name__ == "__main__":
    main()
