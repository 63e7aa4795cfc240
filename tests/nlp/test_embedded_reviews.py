"""The embedded sentiment classifier: it loads by its name, is small, and is right where the case is clear."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_nlp.models import BertTextClassifier, TextClassifier
from keras_zoo.registry import presets_folder

PRESET = "bert_tiny_en_uncased_reviews"
GOOD = [
    "A warm, funny and deeply moving film with a wonderful cast.",
    "One of the best pictures of the year; I enjoyed every minute.",
    "Beautifully photographed, and the acting is superb.",
    "A delightful comedy that charms from beginning to end.",
]
BAD = [
    "A dull, lifeless mess with no story and terrible acting.",
    "The jokes fall flat and the plot makes no sense.",
    "A complete waste of time; I was bored after ten minutes.",
    "Tedious, clumsy and far too long.",
]


@pytest.fixture(scope="module")
def classifier():
    return TextClassifier.from_preset(PRESET)


def test_clear_sentences(classifier):
    found = classifier.predict(GOOD + BAD, return_classes=True)
    assert type(classifier) is BertTextClassifier
    assert [answer["class_name"] for answer in found] == ["positive"] * len(GOOD) + ["negative"] * len(BAD)
    for answer in found:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["probability"] == max(answer["probabilities"].values())


def test_any_text(classifier):
    texts = ["", " \n", "été 映画 🎬", GOOD[0] + " and so on" * 500]
    with pytest.warns(UserWarning, match="was cut"):
        outputs = classifier.predict(texts)
    assert outputs.shape == (4, 2) and np.isfinite(outputs).all()
    alone = np.concatenate([classifier.predict([text]) for text in texts])
    np.testing.assert_allclose(outputs, alone, atol=1e-4)


def test_it_learns_on(classifier):
    """One step on raw strings with the classes' names changes the answer that way."""
    fresh = TextClassifier.from_preset(PRESET, dropout=0.0)
    fresh.compile(keras.optimizers.Adam(1e-3))
    fresh.fit(["A table and a chair."] * 4, ["positive"] * 4, epochs=2, verbose=0)
    before, after = (model.predict(["A table and a chair."])[0] for model in (classifier, fresh))
    assert after[1] - after[0] > before[1] - before[0]


OTHER = """
import sys, numpy as np
from keras_nlp.models import TextClassifier
np.save(sys.argv[2], TextClassifier.from_preset(sys.argv[1]).predict(sys.argv[3:], verbose=0))
"""


@pytest.mark.once
@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_fine_tuned_here_and_loaded_under_another_backend(classifier, backend, tmp_path):
    pytest.importorskip(backend)
    tuned = TextClassifier.from_preset(PRESET)
    tuned.fit(GOOD + BAD, [0] * 4 + [1] * 4, batch_size=4, verbose=0)
    tuned.save_to_preset(tmp_path / "tuned")
    expected = tuned.predict(GOOD + BAD, verbose=0)
    assert abs(expected - classifier.predict(GOOD + BAD, verbose=0)).max() > 0.01
    command = [sys.executable, "-c", OTHER, str(tmp_path / "tuned"), str(tmp_path / "found.npy"), *GOOD, *BAD]
    subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": backend})
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_it_is_recorded_as_better_than_words_alone():
    """By five points and more: logistic regression on TF-IDF has 76.1 % on the same test part."""
    record = json.loads((presets_folder() / "embedded" / PRESET / "metadata.json").read_text(encoding="utf-8"))
    assert record["preset"]["metrics"]["test_accuracy"] >= 0.7611 + 0.05


def test_the_folder_is_small():
    files = [path for path in (presets_folder() / "embedded" / PRESET).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12e6
