"""Model cards: what the Hub reads in them, programs that run, numbers of training, and where a model came from."""

import json
import runpy

import huggingface_hub
import keras
import numpy as np
import pytest

import keras_nlp.models
from keras_cv.models import ImageClassifier
from keras_cv.models.resnet import FAMILY as RESNET
from keras_cv.models.yolo_v8 import FAMILY as YOLO
from keras_nlp.models import Backbone, BertTextClassifier, GPT2CausalLM, TextClassifier
from keras_nlp.models.bert import FAMILY as BERT
from keras_nlp.models.gpt2 import FAMILY as GPT2
from keras_zoo import Task, model_card, origin
from keras_zoo.testing import tiny_backbone, tiny_task

pytestmark = pytest.mark.once
TASKS = [(family, task) for family in (BERT, GPT2, RESNET, YOLO) for task in family.tasks]


def card_of(folder):
    return huggingface_hub.ModelCard.load(folder / "README.md")


def program(card):
    return card.text.partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize(("family", "task"), TASKS, ids=[task.__name__ for _, task in TASKS])
def test_the_program_runs(tmp_path, monkeypatch, family, task):
    """As it stands, with the preprocessor and without; of all that is the Hub's, it knows everything."""
    model = tiny_task(task, family, family.tiny_preprocessors[task.__name__]())
    model.save_to_preset(tmp_path / "it's mine")
    card = card_of(tmp_path / "it's mine")
    assert card.data.pipeline_tag == task.pipeline_tag and card.data.library_name == "keras-zoo"
    assert {"keras", family.name} <= set(card.data.tags) and card.data.license is None
    (tmp_path / "program.py").write_text(program(card))
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("program.py")
    assert type(found["model"]) is task
    assert f"{model.count_params():,}" in card.text


@pytest.mark.parametrize("family", [GPT2, RESNET], ids=["tokens", "images"])
def test_the_program_of_a_backbone(tmp_path, monkeypatch, family):
    tiny_backbone(family).save_to_preset(tmp_path / "bare")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(program(card_of(tmp_path / "bare")))
    assert np.isfinite(runpy.run_path("program.py")["outputs"]).all()


def test_front_matter(lm, tmp_path):
    origin.remember(lm, {"preset": "gpt2_base_en", "license": "MIT", "repository": "openai-community/gpt2"})
    try:
        for format, library in model_card.LIBRARIES.items():
            lm.save_to_preset(tmp_path / format, format=format)
            data = card_of(tmp_path / format).data
            assert (data.library_name, data.license) == (library, "mit")
            assert (data.base_model, data.pipeline_tag) == ("openai-community/gpt2", "text-generation")
        record = {"license": "Some licence: of\nmine", "description": "Words.", "metrics": {"test_accuracy": 0.5}}
        lm.save_to_preset(tmp_path / "record", record=record)
    finally:
        origin.remember(lm, {})
    card = card_of(tmp_path / "record")
    assert card.data.license == "other" and card.data.license_name == "Some licence: of\nmine"
    assert "| test_accuracy | 0.5 |" in card.text and "\nWords.\n" in card.text


def test_what_training_measured(tmp_path):
    task = tiny_task(BertTextClassifier, BERT, BERT.tiny_preprocessors["BertTextClassifier"]())
    task.class_names = ["bad", "fair", "good"]
    task.fit(["a", "b"], [0, 1], epochs=2, validation_data=(["a"], [2]), verbose=0)
    task.save_to_preset(tmp_path)
    text, history = (tmp_path / "README.md").read_text(), task.history.history
    assert "In the last of 2 epochs" in text and "bad, fair, good" in text
    assert f"| loss | training data | {history['loss'][-1]:g} |" in text
    name = next(name for name in history if name.startswith("val_") and name != "val_loss")
    assert f"| {name.removeprefix('val_')} | validation data | {history[name][-1]:g} |" in text
    Task.from_preset(tmp_path).save_to_preset(tmp_path)
    assert "training data" not in (tmp_path / "README.md").read_text()


def test_where_it_came_from(monkeypatch, tmp_path):
    """Kept through folders, `.keras` files and a new head; the configuration knows nothing of it."""
    tiny_task(BertTextClassifier, BERT).save_to_preset(tmp_path / "source")
    record = {"folder": str(tmp_path / "source"), "embedded": True, "license": "Apache-2.0"}
    monkeypatch.setattr("keras_zoo.registry.records", lambda: {"published": record})
    known = {"preset": "published", "license": "Apache-2.0"}
    task = TextClassifier.from_preset("published")
    assert origin.of(task) == known and "origin" not in json.dumps(task.get_config())
    task.save_to_preset(tmp_path / "folder")
    assert json.loads((tmp_path / "folder" / "metadata.json").read_text())["origin"] == known
    again = BertTextClassifier(Backbone.from_preset(tmp_path / "folder"), num_classes=4)
    assert origin.of(again) == known
    again.save_to_preset(tmp_path / "again")
    text = (tmp_path / "again" / "README.md").read_text()
    assert "Loaded from `published`." in text and "That of the weights it began with: Apache-2.0." in text
    again.save(tmp_path / "model.keras")
    revived = keras.saving.load_model(tmp_path / "model.keras")
    assert origin.of(revived) == known and revived.get_config() == again.get_config()
    assert origin.of(tiny_backbone(BERT)) == {}
    assert origin.of(BertTextClassifier.from_preset(tmp_path / "again", load_weights=False)) == {}


def test_names_and_addresses(monkeypatch, tmp_path):
    record = {"license": "MIT", "sources": ["kaggle://a/b/c/d/1", "hf://owner/name@main/sub"]}
    monkeypatch.setattr("keras_zoo.registry.records", lambda: {"published": record})
    found = origin.of_preset("published", {"preset": "other"})
    assert found == {"preset": "published", "license": "MIT", "repository": "owner/name"}
    found = origin.of_preset("hf://me/mine@v1", {"license": "MIT", "preset": "other"})
    assert found == {"preset": "hf://me/mine@v1", "license": "MIT", "repository": "me/mine"}
    assert origin.of_preset("kaggle://a/b/c/d/1", {}) == {"preset": "kaggle://a/b/c/d/1"}
    assert origin.of_preset(tmp_path / "folder", {}) == {"preset": "folder"}
    assert origin.of_preset(tmp_path / "folder", {"preset": "published"}) == {"preset": "published"}


@pytest.mark.parametrize(
    "wrong", [[1], {"preset": 3}, {"preset": "x" * 300}, {"evil": "x"}, None, "text"], ids=lambda wrong: str(wrong)[:12]
)
def test_what_is_no_origin_is_left_out(wrong):
    assert origin.read({"origin": wrong}) == {}
    assert origin.from_bytes(json.dumps(wrong).encode()) == {} == origin.from_bytes(b"[" * 4000)


def test_ones_own_class_and_card(lm, tmp_path):
    """The class that is loaded is the family's; a card without the last line stays."""

    class Mine(GPT2CausalLM):
        pass

    Mine(lm.backbone).save_to_preset(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "from keras_nlp.models import GPT2CausalLM\n" in text and "Mine" not in text
    (tmp_path / "README.md").write_text("my card")
    lm.save_to_preset(tmp_path)
    assert (tmp_path / "README.md").read_text() == "my card"


def test_every_task_says_what_it_is():
    for name in keras_nlp.models.__all__:
        cls = getattr(keras_nlp.models, name)
        if isinstance(cls, type) and issubclass(cls, Task) and cls is not Task:
            assert cls.pipeline_tag, name
    assert ImageClassifier.pipeline_tag
