"""Composed scenes: boxes are exact, and a scene is a function of its number."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import scenes

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def digits():
    import cv2
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.stack([cv2.resize((x * 15.9).astype("uint8"), (28, 28)) for x in data.images[:200]]), data.target[:200]


def extent(where):
    rows, columns = where.any(1).nonzero()[0], where.any(0).nonzero()[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_boxes_are_those_of_the_pixels(digits):
    """Items pasted in white on black, each alone."""
    made, seen = scenes.Scenes("train", 128, items=digits), 0
    for i in range(100):
        item = made.item(np.random.default_rng(i))
        if item is None:
            continue
        image = np.zeros((128, 128, 3), "uint8")
        item.colours = np.full((2, 3), 255, "float32")
        item.paste(image)
        assert item.box == extent(image[..., 0] > 127)
        seen += 1
    assert seen > 60


def test_items_that_would_be_covered_are_left_out(digits):
    made = scenes.Scenes("train", 128, items=digits)
    items = [item for item in map(made.item, map(np.random.default_rng, range(60))) if item is not None]
    kept = scenes.seen(items, 128)
    assert 3 < len(kept) < len(items)
    for place, item in enumerate(kept):
        covered = np.zeros((128, 128), bool)
        for other in kept[place + 1 :]:
            covered[other.window] |= other.mask
        assert (item.mask & ~covered[item.window]).sum() >= 0.2 * item.mask.sum()


def test_a_scene_is_a_function_of_split_seed_and_number(digits):
    made, again = (scenes.Scenes("val", 64, items=digits) for _ in range(2))
    alone, batch = again[9], made.batch(range(10))
    np.testing.assert_array_equal(batch["images"][9], alone[0])
    rows = len(alone[1])
    boxes = batch["bounding_boxes"]
    np.testing.assert_array_equal(boxes["boxes"][9, :rows], alone[1])
    assert (boxes["boxes"][9, rows:] == -1).all() and (boxes["classes"][9, rows:] == -1).all()
    for others in (scenes.Scenes("val", 64, 1, items=digits), scenes.Scenes("test", 64, items=digits)):
        assert not np.array_equal(others[9][0], alone[0])


def test_other_sizes_show_the_same_scene(digits):
    small, large = (scenes.Scenes("train", size, items=digits) for size in (96, 192))
    same = 0
    for i in range(20):
        boxes, others = small[i][1], large[i][1]
        if len(boxes) == len(others):  # one that is just covered enough in one size may not be in the other
            np.testing.assert_allclose(boxes * 2, others, atol=6)
            same += 1
    assert same >= 18


def test_half_of_the_scenes_have_several_items_and_some_have_none(digits):
    counts = [len(made[1]) for made in map(scenes.Scenes("train", 64, items=digits).__getitem__, range(100))]
    assert min(counts) == 0 and max(counts) >= 6 and np.median(counts) >= 2
