"""The table of what can be read: in errors, and word by word in the documentation."""

import json
from pathlib import Path

import pytest

from keras_zoo import Backbone, PresetError, registry
from keras_zoo.formats import opening
from keras_zoo.formats.supported import ROWS, table

pytestmark = pytest.mark.once
PAGE = Path(__file__).parent.parent.parent / "docs" / "presets.md"


@pytest.fixture(autouse=True)
def ours(monkeypatch):
    """Without families that other tests have registered."""
    known = {name: f for name, f in registry.families().items() if f.backbone.__module__.startswith("keras_")}
    monkeypatch.setattr(registry, "FAMILIES", known)


def test_the_documentation_has_it():
    assert table() in PAGE.read_text(encoding="utf-8"), f"docs/presets.md must have this table:\n{table()}"


def test_every_layout_and_every_task_is_there():
    assert {row.format for row in ROWS if row.format} == set(opening.WRITERS)
    for family in registry.families().values():
        assert f"| {family.name} " in table()
        assert all(task.__base__.__name__ in table() for task in family.tasks)


def test_another_family_appears(monkeypatch):
    """Derived from the registry: nothing to write twice."""
    bert = registry.families()["bert"]
    mine = registry.Family("my_net", bert.backbone, bert.tasks[:1], keras_hub=bert.keras_hub)
    monkeypatch.setitem(registry.FAMILIES, "my_net", mine)
    rows = [line for line in table().splitlines() if "my_net" in line]
    assert len(rows) == 2 and all("TextClassifier" in row and "MaskedLM" not in row for row in rows)


CONFIGS = {
    "nothing that is known": ({"foo": 1}, r"its config.json has \['foo'\]"),
    "a model type": ({"model_type": "llama"}, "is a transformers 'llama'"),
    "an architecture": ({"architecture": "vit_base_patch16_224"}, "is timm's 'vit_base_patch16_224'"),
    "a class of KerasHub": ({"registered_name": "keras_hub>GemmaBackbone", "config": {}}, "'GemmaBackbone'"),
    "a class of KerasCV": ({"registered_name": "keras_cv>CSPDarkNetBackbone", "config": {}}, "'CSPDarkNetBackbone'"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_errors_show_it(tmp_path, kind):
    config, message = CONFIGS[kind]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(PresetError, match=message) as error:
        Backbone.from_preset(tmp_path)
    assert str(error.value).endswith(f"What can be read:\n\n{table()}")


def test_a_folder_without_a_preset_shows_it(tmp_path):
    with pytest.raises(PresetError, match=r"it has no config\.json") as error:
        Backbone.from_preset(tmp_path)
    assert table() in str(error.value)
