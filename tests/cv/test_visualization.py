"""Galleries and boxes, by their pixels: what is drawn lies where it should, inside the picture, and nothing stays."""

import io
import sys
import warnings

import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_cv.visualization import (
    draw_bounding_boxes,
    plot_bounding_box_gallery,
    plot_image_gallery,
    plot_segmentation_mask_gallery,
    show_augmentations,
)
from keras_cv.visualization.figure import pixels_of

once = pytest.mark.once
RED, CYAN = (255, 0, 0), (0, 188, 212)
CORNERS = [(0, 0, 0.2, 0.2), (0.9, 0.9, 1, 1), (0, 0, 1, 1), (0.4, 0.95, 1.4, 1.2), (-1, 0.3, 0.1, 0.4)]  # of boxes


def grey(*shape):
    return np.full((*shape, 3), 128, "uint8")


def is_colour(pixels, colour):
    return (pixels == np.array(colour, "uint8")).all(-1)


def one_box(*corners, **more):
    return {"boxes": np.float32([corners]), "classes": np.array([0]), **more}


@pytest.mark.parametrize("size", [64, 300, 4000])
@once
def test_the_line_lies_on_the_inside_of_the_box(size):
    left, top, right, bottom = (round(size * x) for x in (0.25, 0.5, 0.75, 0.875))
    boxes = {"boxes": np.float32([[left, top, right, bottom]])}  # without a class there is no label
    drawn = is_colour(draw_bounding_boxes(grey(size, size), boxes, RED, "xyxy"), RED)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (top, bottom - 1, left, right - 1)
    assert drawn[top, left:right].all() and drawn[top:bottom, right - 1].all()
    assert not drawn[top + size // 16 : bottom - size // 16, left + size // 16 : right - size // 16].any()
    line = drawn[:, (left + right) // 2].sum() // 2
    assert line == {64: 1, 300: 2, 4000: 15}[size]


@once
@pytest.mark.parametrize("size", [24, 64, 640])
@pytest.mark.parametrize("corners", CORNERS)
def test_labels_stay_inside_and_are_read_at_any_size(size, corners):
    """Every pixel of the label's field and its letters is in the picture, wherever the box lies."""
    boxes = one_box(*(size * x for x in corners), confidence=np.float32([0.87]))
    image = draw_bounding_boxes(grey(size, size), boxes, RED, "xyxy", class_mapping=["ant"])
    bare = draw_bounding_boxes(grey(size, size), {"boxes": boxes["boxes"]}, RED, "xyxy")
    label = (image != bare).any(-1)
    rows, columns = np.flatnonzero(label.any(1)), np.flatnonzero(label.any(0))
    area = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = (area.astype(int).sum(-1) < 150).mean()  # black letters on red
    assert ink > 0.03 and len(rows) >= 6
    assert is_colour(image, RED).any()


@once
def test_long_names_are_cut_to_the_width():
    image = draw_bounding_boxes(grey(60, 60), one_box(10, 20, 50, 50), RED, "xyxy", class_mapping=["a" * 200])
    field = np.flatnonzero(is_colour(image, RED)[:20].any(0))  # above the box
    assert field[-1] - field[0] > 50 and image.shape == (60, 60, 3)


@once
def test_thickness_scale_and_names_of_colours():
    def share(**options):
        image = draw_bounding_boxes(grey(200, 200), one_box(40, 90, 160, 180), "red", "xyxy", **options)
        return is_colour(image, RED).sum()

    assert share(line_thickness=8) > share(line_thickness=1)
    assert share(font_scale=3) > share(font_scale=1)
    assert share(text_thickness=2) > share(text_thickness=1)
    with pytest.raises(ValueError, match="A colour is"):
        draw_bounding_boxes(grey(9, 9), one_box(1, 1, 5, 5), (300, 0, 0), "xyxy")


@pytest.mark.parametrize("source", [r + f for r in ("", "rel_") for f in ("xyxy", "yxyx", "xywh", "center_xywh")])
def test_formats_and_tensors(source):
    """The same box in every format, from tensors of the backend, gives the same pixels."""
    height, width = 80, 100
    x1, y1, x2, y2 = 20, 16, 60, 48
    values = {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    }[source.removeprefix("rel_")]
    sides = (height, width) * 2 if "yxyx" in source else (width, height) * 2
    if source.startswith("rel_"):
        values = np.divide(values, sides)
    images = ops.convert_to_tensor(grey(1, height, width))
    boxes = {"boxes": ops.convert_to_tensor(np.float32([[values]])), "classes": ops.convert_to_tensor([[3]])}
    plain = {"boxes": [[[x1, y1, x2, y2]]], "classes": [[3]]}
    expected = draw_bounding_boxes(grey(1, height, width), plain, RED, "xyxy")
    np.testing.assert_array_equal(draw_bounding_boxes(images, boxes, RED, source), expected)


@once
def test_padding_is_not_drawn():
    image = grey(2, 40, 40)
    boxes = np.float32([[[5, 5, 20, 20], [-1, -1, -1, -1]], [[-1, -1, -1, -1], [-1, -1, -1, -1]]])
    drawn = draw_bounding_boxes(image, {"boxes": boxes, "classes": [[1, -1], [-1, -1]]}, RED, "xyxy")
    assert is_colour(drawn[0], RED).any() and (drawn[1] == image[1]).all()
    detections = {
        "boxes": np.tile(np.float32([3, 3, 30, 30]), (2, 4, 1)),
        "classes": np.zeros((2, 4)),
        "num_detections": [1, 0],
    }
    drawn = draw_bounding_boxes(image, detections, RED, "xyxy")
    assert is_colour(drawn[0], RED).any() and (drawn[1] == image[1]).all()
    nothing = {"boxes": np.zeros((2, 0, 4)), "classes": np.zeros((2, 0))}
    np.testing.assert_array_equal(draw_bounding_boxes(image, nothing, RED, "rel_xywh"), image)
    outside = one_box(50, 50, 60, 60)
    np.testing.assert_array_equal(draw_bounding_boxes(image[0], outside, RED, "xyxy"), image[0])
    broken = one_box(np.nan, 0, 9, 9)
    np.testing.assert_array_equal(draw_bounding_boxes(image[0], broken, RED, "xyxy"), image[0])


@once
def test_lists_and_bad_boxes():
    images = [grey(30, 40), grey(50, 20)]
    drawn = draw_bounding_boxes(images, [one_box(2, 2, 15, 15), one_box(4, 4, 9, 9)], RED, "xyxy")
    assert [image.shape for image in drawn] == [(30, 40, 3), (50, 20, 3)] and (images[0] == 128).all()
    with pytest.raises(ValueError, match="2 images, but boxes for 1"):
        draw_bounding_boxes(images, [one_box(2, 2, 15, 15)], RED, "xyxy")
    with pytest.raises(ValueError, match=r"key 'boxes'; got the keys \['box'\]"):
        draw_bounding_boxes(images, {"box": []}, RED, "xyxy")
    with pytest.raises(ValueError, match="'classes' has the shape"):
        draw_bounding_boxes(images[0], {"boxes": np.zeros((2, 4)), "classes": [1]}, RED, "xyxy")
    with pytest.warns(UserWarning, match="1 boxes end before they begin, read as 'xyxy'"):
        draw_bounding_boxes(images[0], one_box(20, 2, 5, 15), RED, "xyxy")


@once
def test_ragged_boxes_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    boxes = tf.ragged.constant([[[2.0, 2, 20, 20], [5, 5, 9, 9]], []], ragged_rank=1, inner_shape=(4,))
    classes = tf.ragged.constant([[1.0, 2], []])
    drawn = draw_bounding_boxes(grey(2, 30, 30), {"boxes": boxes, "classes": classes}, RED, "xyxy")
    assert is_colour(drawn[0], RED).any() and not is_colour(drawn[1], RED).any()


@once
def test_pictures_stand_in_the_figure_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 255, (100, 150, 3)).astype("uint8")
    pixels = pixels_of(plot_image_gallery([image, image[:, :50], image], cols=3, scale=1, dpi=150))
    gap = 4  # 0.03 * 150
    np.testing.assert_array_equal(pixels[gap : gap + 100, gap : gap + 150], image)
    narrow = pixels[gap : gap + 100, 2 * gap + 150 + 50 : 2 * gap + 150 + 100]
    np.testing.assert_array_equal(narrow, image[:, :50])


@once
def test_galleries_of_any_size_take_what_they_are_given(tmp_path):
    unequal = [grey(20, 30), grey(90, 10), np.zeros((5, 5), "uint8")]
    for images in (unequal, grey(7, 8, 8), grey(12, 12), grey(1, 5, 4000)):
        assert plot_image_gallery(images, (0, 255)).axes
    figure = plot_image_gallery(np.zeros((20, 8, 8, 1)), value_range=(-1, 1), rows=2, cols=3)
    assert len(figure.axes) == 6
    assert (figure.axes[0].images[0].get_array() == 128).all()
    assert len(plot_image_gallery(grey(2, 8, 8), rows=3, cols=3).axes) == 2
    captions = ["one", ("two\nlines", "#c04a00"), "costs $5 and $6 " * 20]
    assert plot_image_gallery(grey(3, 8, 8), captions=captions, title="$").texts
    with pytest.raises(ValueError, match="value_range is"):
        plot_image_gallery(grey(1, 8, 8), value_range=(1, 0))
    with pytest.raises(ValueError, match="There are no images"):
        plot_image_gallery([])
    with pytest.raises(ValueError, match="rows must be at least 1"):
        plot_image_gallery(grey(1, 8, 8), rows=0)
    with pytest.raises(ValueError, match="above 0"):
        plot_image_gallery(grey(1, 8, 8), scale=0)


@once
@pytest.mark.parametrize("kind", ["png", "jpg", "pdf", "svg"])
def test_files_are_written(tmp_path, kind):
    path = tmp_path / f"gallery.{kind}"
    assert plot_image_gallery(grey(4, 8, 8), path=path, dpi=50) is not None
    assert path.stat().st_size > 500
    if kind == "png":
        plot_image_gallery(grey(4, 8, 8), path=path, dpi=50, transparent=True)
        assert Image.open(path).getpixel((0, 0))[3] == 0


@once
def test_no_figure_and_no_pyplot_stays():
    before = set(sys.modules)
    plot_bounding_box_gallery(
        grey(2, 8, 8), (0, 255), "xyxy", y_true=[one_box(1, 1, 5, 5)] * 2, y_pred=[one_box(1, 1, 5, 5)] * 2
    )
    assert "matplotlib.pyplot" not in set(sys.modules) - before
    from matplotlib import pyplot

    assert not pyplot.get_fignums()


def dataset(kind):
    images = np.stack([np.full((8, 10, 3), 40 * i, "uint8") for i in range(6)])
    boxes = {"boxes": np.tile(np.float32([1, 1, 6, 6]), (6, 1, 1)), "classes": np.zeros((6, 1), "float32")}
    if kind == "torch":
        import torch

        rows = [(torch.from_numpy(image), i) for i, image in enumerate(images)]
        return torch.utils.data.DataLoader(rows, batch_size=2)
    import tensorflow as tf

    if kind == "dictionaries":
        return tf.data.Dataset.from_tensor_slices({"images": images, "bounding_boxes": boxes}).batch(4)
    if kind == "pairs":
        return tf.data.Dataset.from_tensor_slices((images, boxes)).batch(4)
    if kind == "unbatched":
        return tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(6)})
    return tf.data.Dataset.from_tensor_slices(images).batch(4)


@once
@pytest.mark.parametrize("kind", ["dictionaries", "pairs", "unbatched", "plain", "torch"])
def test_data_sets(kind):
    pytest.importorskip("torch" if kind == "torch" else "tensorflow")
    figure = plot_image_gallery(dataset(kind), (0, 255), rows=2, cols=3)
    assert [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes] == [0, 40, 80, 120, 160, 200]
    if kind in ("dictionaries", "pairs"):
        figure = plot_bounding_box_gallery(dataset(kind), (0, 255), bounding_box_format="xyxy", rows=1, cols=2)
        assert len(figure.axes) == 2 and is_colour(pixels_of(figure), CYAN).any()


@once
def test_truth_and_prediction_differ_without_colours():
    """Drawn in one colour, the solid and the dashed box still differ, and a legend says which is which."""
    image, box = [grey(100, 100)], [one_box(20, 20, 80, 80)]
    options = {"bounding_box_format": "xyxy", "true_color": RED, "pred_color": RED, "scale": 2, "class_mapping": ["x"]}
    solid = plot_bounding_box_gallery(image, y_true=box, **options)
    dashed = plot_bounding_box_gallery(image, y_pred=box, **options)
    solid, dashed = (figure.axes[0].images[0].get_array() for figure in (solid, dashed))
    edge = slice(100, 200), 60  # of the left side, away from labels
    assert is_colour(solid[edge], RED).all()
    assert 0.3 < is_colour(dashed[edge], RED).mean() < 0.8
    both = plot_bounding_box_gallery(image, y_true=box, y_pred=box, **options)
    assert [text.get_text() for text in both.legends[0].get_texts()] == ["truth", "prediction"]
    assert not plot_bounding_box_gallery(image, y_true=box, y_pred=box, legend=False, **options).legends
    with pytest.raises(ValueError, match="bounding_box_format says how"):
        plot_bounding_box_gallery(image, y_true=box)


@once
def test_code_written_for_keras_cv_runs():
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    boxes = {"boxes": np.tile(np.float32([4, 4, 20, 20]), (4, 2, 1)), "classes": np.ones((4, 2))}
    figure = plot_bounding_box_gallery(
        images,
        value_range=(0, 255),
        rows=2,
        cols=2,
        y_true=boxes,
        y_pred={**boxes, "confidence": np.ones((4, 2))},
        scale=5,
        font_scale=0.7,
        line_thickness=4,
        text_thickness=4,
        bounding_box_format="xywh",
        class_mapping={0: "cat", 1: "dog"},
        legend=True,
        transparent=True,
        dpi=60,
    )
    assert len(figure.axes) == 4
    plot_image_gallery(images, value_range=(0, 255), rows=2, cols=2, scale=2, show=False)
    plot_segmentation_mask_gallery(
        images, value_range=(0, 255), num_classes=3, y_true=boxes["classes"][:, :1, None], rows=2, cols=2
    )


@once
def test_relative_boxes_follow_each_image():
    boxes = [one_box(0.25, 0.5, 0.5, 1.0), one_box(0.25, 0.5, 0.5, 1.0)]
    del boxes[0]["classes"], boxes[1]["classes"]
    figure = plot_bounding_box_gallery([grey(40, 80), grey(80, 40)], bounding_box_format="rel_xyxy", y_true=boxes)
    for axes in figure.axes:
        pixels = axes.images[0].get_array()
        drawn = is_colour(pixels, CYAN)
        rows, columns = np.flatnonzero(drawn.any(1)) / len(pixels), np.flatnonzero(drawn.any(0)) / pixels.shape[1]
        np.testing.assert_allclose([rows[0], rows[-1], columns[0], columns[-1]], [0.5, 1, 0.25, 0.5], atol=0.02)


@once
def test_masks_paint_their_pixels():
    mask = np.zeros((1, 10, 10), "int32")
    mask[0, :5], mask[0, 9] = 2, 255
    scores = np.eye(3)[np.where(mask == 255, 0, mask)]
    figure = plot_segmentation_mask_gallery(
        grey(1, 20, 20),
        num_classes=3,
        y_true=mask[..., None],
        y_pred=scores,
        class_mapping=["nothing", "a", "b"],
        alpha=1,
    )
    image, truth, prediction = (axes.images[0].get_array() for axes in figure.axes)
    half = len(image) // 2
    assert (image == 128).all() and (truth == prediction).all()
    assert (truth[half:] == 128).all() and not (truth[: half - 1] == 128).any()
    assert len(np.unique(truth[: half - 1].reshape(-1, 3), axis=0)) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b"]
    assert [text.get_text() for text in figure.texts] == ["image", "truth", "prediction"]
    with pytest.raises(ValueError, match="num_classes=4 channels"):
        plot_segmentation_mask_gallery(grey(1, 20, 20), num_classes=4, y_pred=scores)
    with pytest.raises(ValueError, match="alpha must lie in 0-1"):
        plot_segmentation_mask_gallery(grey(1, 20, 20), y_pred=scores, alpha=2)
    with pytest.raises(ValueError, match="2 images, but 1 masks"):
        plot_segmentation_mask_gallery(grey(2, 20, 20), y_true=mask)


def flip(batch, training=False):
    """Mirrors images and boxes, in training only."""
    if not training:
        return batch
    boxes = batch["bounding_boxes"]["boxes"]
    width = batch["images"].shape[2]
    turned = np.stack([width - boxes[..., 2], boxes[..., 1], width - boxes[..., 0], boxes[..., 3]], -1)
    padding = batch["bounding_boxes"]["labels"][..., None] == -1
    boxes = {**batch["bounding_boxes"], "boxes": np.where(padding, -1, turned)}
    return {**batch, "images": batch["images"][:, :, ::-1], "bounding_boxes": boxes}


@once
def test_augmentations_with_boxes():
    image = grey(40, 80)
    image[:, :10] = 0
    boxes = {"boxes": np.float32([[0, 0, 10, 40]]), "labels": np.float32([0])}
    figure = show_augmentations(flip, {"images": image, "bounding_boxes": boxes}, "xyxy", rows=2, cols=2, color=RED)
    assert len(figure.axes) == 4 and [text.get_text() for text in figure.texts] == ["original"]
    first, *others = (is_colour(axes.images[0].get_array(), RED).any(0) for axes in figure.axes)
    assert first[:30].any() and not first[-30:].any()
    assert all(other[-30:].any() and not other[:30].any() for other in others)


def test_augmentations_of_a_plain_array_and_a_keras_layer():
    import keras

    layer = keras.layers.RandomBrightness(0.9, seed=1)
    figure = show_augmentations(layer, grey(8, 8), rows=2, cols=3)
    values = {float(axes.images[0].get_array().mean()) for axes in figure.axes}
    assert len(values) > 3 and float(figure.axes[0].images[0].get_array().mean()) == 128
    with pytest.raises(ValueError, match="no room beside the image"):
        show_augmentations(layer, grey(8, 8), rows=1, cols=1)
    with pytest.raises(ValueError, match="bounding_box_format says how"):
        show_augmentations(layer, {"images": grey(8, 8), "bounding_boxes": one_box(1, 1, 5, 5)})


@once
def test_augmentations_show_masks_and_unequal_numbers_of_boxes():
    masks = np.zeros((2, 8, 8, 1), "int32")
    masks[:, :4] = 1
    padded = {
        "boxes": np.stack([np.float32([[1, 1, 5, 5]]), np.full((1, 4), -1, "float32")]),
        "classes": np.float32([[0], [-1]]),
    }
    batch = {"images": grey(2, 8, 8), "segmentation_masks": masks, "bounding_boxes": padded, "labels": [3, 4]}
    seen = []
    figure = show_augmentations(lambda x: seen.append(x) or x, batch, "xyxy", rows=1, cols=3)
    assert seen[0]["bounding_boxes"]["classes"].tolist() == [[0], [-1]] and seen[0]["labels"].tolist() == [3, 4]
    assert (figure.axes[0].images[0].get_array()[:20] != 128).any()


@once
def test_without_a_viewer_there_is_a_warning(monkeypatch):
    monkeypatch.setattr("PIL.ImageShow._viewers", [])
    with pytest.warns(UserWarning, match="give path='NAME.png'"):
        plot_image_gallery(grey(1, 8, 8), show=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_image_gallery(grey(1, 8, 8))
        plot_image_gallery(grey(1, 8, 8), path=io.BytesIO())
