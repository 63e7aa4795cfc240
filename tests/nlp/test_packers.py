"""Packing and hiding tokens, eagerly and in tf.data."""

import keras
import numpy as np
import pytest

from keras_nlp.layers import MaskedLMMaskGenerator, MultiSegmentPacker, StartEndPacker

ROWS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], []]


def ragged(rows):
    tf = pytest.importorskip("tensorflow")
    return tf.ragged.constant(rows, dtype="int32")


def in_tf_data(layer, *columns, batch=2):
    """The layer mapped over a data set of ragged batches, its results one below the other."""
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(tuple(map(ragged, columns)))
    dataset = dataset.ragged_batch(batch) if hasattr(dataset, "ragged_batch") else dataset.batch(batch)
    batches = list(dataset.map(lambda *x: layer(x if len(x) > 1 else x[0])))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def test_start_and_end():
    packer = StartEndPacker(6, start_value=1, end_value=2)
    expected = [[1, 5, 6, 7, 2, 0], [1, 8, 9, 10, 11, 2], [1, 2, 0, 0, 0, 0]]
    np.testing.assert_array_equal(packer(ROWS), expected)
    np.testing.assert_array_equal(packer([5, 6, 7]), expected[0])
    np.testing.assert_array_equal(packer(np.array([[5, 6, 7]])), expected[:1])
    np.testing.assert_array_equal(packer(ROWS, sequence_length=4, add_end_value=False)[1], [1, 8, 9, 10])
    np.testing.assert_array_equal(in_tf_data(packer, ROWS), expected)
    assert packer(ROWS).dtype == "int32"


def test_mask_side_and_several_values():
    packer = StartEndPacker(7, [1, 3], [2], pad_value=9, return_padding_mask=True, padding_side="left")
    tokens, mask = packer([5, 6])
    np.testing.assert_array_equal(tokens, [9, 9, 1, 3, 5, 6, 2])
    np.testing.assert_array_equal(mask, [0, 0, 1, 1, 1, 1, 1])
    words = StartEndPacker(5, "<s>", "</s>", "<pad>")([["this", "is"], ["fun"]])
    assert words.tolist() == [["<s>", "this", "is", "</s>", "<pad>"], ["<s>", "fun", "</s>", "<pad>", "<pad>"]]


@pytest.mark.parametrize(
    ("truncate", "expected"),
    [("round_robin", [101, 1, 2, 3, 102, 11, 12, 102]), ("waterfall", [101, 1, 2, 3, 4, 102, 11, 102])],
)
def test_pairs(truncate, expected):
    packer = MultiSegmentPacker(8, 101, 102, truncate=truncate)
    first, second = [1, 2, 3, 4], [11, 12, 13, 14]
    tokens, segments = packer((first, second))
    np.testing.assert_array_equal(tokens, expected)
    assert segments.tolist() == [0] * (expected.index(102) + 1) + [1] * (7 - expected.index(102))
    tokens, segments = packer(([first, [1]], [second, []]))
    np.testing.assert_array_equal(tokens, [expected, [101, 1, 102, 102, 0, 0, 0, 0]])
    np.testing.assert_array_equal(segments[1], [0, 0, 0, 1, 0, 0, 0, 0])
    found = in_tf_data(packer, [first, [1]], [second, []], batch=1)
    np.testing.assert_array_equal(found[0], tokens)
    np.testing.assert_array_equal(found[1], segments)


def test_separators():
    packer = MultiSegmentPacker(10, 101, 102, sep_value=[102, 102], pad_value=7, padding_side="left")
    tokens, segments = packer(([1, 2], [11]))
    np.testing.assert_array_equal(tokens, [7, 7, 7, 101, 1, 2, 102, 102, 11, 102])
    np.testing.assert_array_equal(segments, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1])


@pytest.mark.once
def test_sharing_the_room(random):
    """Round robin by its definition: a token for each text in turn that still wants one."""
    packer = MultiSegmentPacker(8, 1, 2)
    for _ in range(300):
        wanted, room = random.integers(0, 9, random.integers(1, 5)).tolist(), int(random.integers(0, 20))
        kept = [0] * len(wanted)
        while sum(kept) < min(room, sum(wanted)):
            for i in range(len(wanted)):
                kept[i] += kept[i] < wanted[i] and sum(kept) < room
        assert packer.lengths(wanted, room) == kept, (wanted, room)


def test_hiding():
    keras.utils.set_random_seed(0)
    token_ids = np.random.default_rng(0).integers(5, 50, (200, 40))
    token_ids[:, 0], token_ids[:, -3:] = 1, 0
    masker = MaskedLMMaskGenerator(50, 0.25, 4, 12, unselectable_token_ids=[0, 1])
    found = masker(token_ids)
    chosen = found["mask_weights"] == 1
    rows = np.arange(200)[:, None].repeat(12, 1)[chosen]
    places = found["mask_positions"][chosen]
    assert (chosen.sum(1) == 9).all()  # a quarter of 36, as many in every row
    np.testing.assert_array_equal(found["mask_ids"][chosen], token_ids[rows, places])
    assert not np.isin(token_ids[rows, places], [0, 1]).any()
    assert (np.diff(found["mask_positions"][:, :9], axis=1) > 0).all()
    untouched = np.ones_like(token_ids, "bool")
    untouched[rows, places] = False
    np.testing.assert_array_equal(found["token_ids"][untouched], token_ids[untouched])
    hidden = found["token_ids"][rows, places]
    assert 0.75 < (hidden == 4).mean() < 0.85  # mask_token_rate
    assert 0.07 < (hidden == token_ids[rows, places]).mean() < 0.13  # what stays
    counts = np.bincount(places, minlength=40)[1:37]
    assert counts.min() > 0.5 * counts.mean()  # no place is favoured
    assert not np.array_equal(masker(token_ids)["mask_positions"], found["mask_positions"])
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(masker(token_ids)["mask_positions"], found["mask_positions"])


def test_hiding_in_unequal_rows():
    masker = MaskedLMMaskGenerator(50, 0.5, 4, unselectable_token_ids=[1])
    found = masker([[1, 7, 8, 9, 10], [1], [1, 7]])
    assert found["mask_weights"].sum(1).tolist() == [2, 0, 1] and found["mask_positions"].shape == (3, 2)
    assert found["token_ids"].shape == (3, 5)
    one = MaskedLMMaskGenerator(50, 0.2, 4, mask_selection_length=5)([1, 2, 3, 4, 5])
    assert one["mask_positions"].shape == (5,) and one["token_ids"].shape == (5,)
    rows = [[7, 8, 9, 10], [7], [9, 8]]
    batch = in_tf_data(MaskedLMMaskGenerator(50, 0.5, 4, mask_selection_length=3), rows, batch=3)
    assert batch["mask_weights"].sum(1).tolist() == [2, 1, 1] and batch["token_ids"].shape == (3, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StartEndPacker(1, 1, 2)([[5]]), "sequence_length=1 has no room for 2"),
        (lambda: StartEndPacker(4, start_value={})([[5]]), "start_value must be"),
        (lambda: StartEndPacker(4, padding_side="up"), "padding_side must be 'right' or 'left'; got 'up'"),
        (lambda: StartEndPacker(4)(([1], [2])), "takes one batch of rows; got 2"),
        (lambda: MultiSegmentPacker(4, 1, 2, truncate="none"), "truncate must be one of .*'none'"),
        (lambda: MultiSegmentPacker(8, 1, 2)(([1], [[2]])), "one row each or batches"),
        (lambda: MultiSegmentPacker(8, 1, 2)(()), "at least one batch"),
        (lambda: MaskedLMMaskGenerator(9, 0.1, 9), r"mask_token_id must lie in \[0, 9\); got 9"),
        (lambda: MaskedLMMaskGenerator(9, 1.5, 1), "mask_selection_rate.*1.5"),
        (lambda: MaskedLMMaskGenerator(9, 0.5, 1, mask_token_rate=0.8, random_token_rate=0.3), "at most 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rows_without_tokens():
    assert StartEndPacker(4, 1, 2)([]).tolist() == [1, 2, 0, 0]
    token_ids, segment_ids = MultiSegmentPacker(7, 101, 102)(([1, 2], []))
    assert token_ids.tolist() == [101, 1, 2, 102, 102, 0, 0] and segment_ids.tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert StartEndPacker(4, 1, 2)([[]]).shape == (1, 4)
