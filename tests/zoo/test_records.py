"""Preset records: every published name is there, and what a record says is so."""

import contextlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

import keras_zoo
from keras_nlp.models import (
    BertBackbone,
    BertMaskedLM,
    BertTextClassifier,
    CausalLM,
    GPT2CausalLM,
    TextClassifier,
    TextEmbedder,
    Tokenizer,
)
from keras_zoo import PresetError, Task, list_presets, registry, sources, weights
from keras_zoo.config import argument_names
from keras_zoo.records import index, layout_of, presets_folder, records, task_of

pytestmark = pytest.mark.once
PUBLISHED = {name: record for name, record in list_presets(embedded=False).items() if "alias_of" not in record}

# KerasHub's own counts that are not those of the networks it builds: of two, those of the first version, and a slip.
MISCOUNTED = {
    "resnet_v2_50_imagenet": 23561152,
    "resnet_v2_101_imagenet": 42605504,
    "paraphrase_minilm_l3_v2_en": 17066496,
}


def keras_hub_presets():
    """`{name: (parameters, Kaggle handle)}` of our families, read from KerasHub's files without importing it."""
    package = Path(importlib.util.find_spec("keras_hub").submodule_search_locations[0])
    found = {}
    for family in ("bert", "gpt2", "resnet"):
        for path in (package / "src" / "models" / family).glob("*_presets.py"):
            space = {}
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
            for table in (value for name, value in space.items() if name.endswith("presets")):
                found |= {name: (x["metadata"]["params"], x["kaggle_handle"]) for name, x in table.items()}
    return found


def test_every_preset_of_keras_hub():
    theirs = keras_hub_presets()
    assert len(theirs) >= 57 and set(theirs) <= set(records())
    for name, (count, handle) in theirs.items():
        record = records()[name]
        width = 1000 * (record["config"].get("stackwise_num_filters", [0])[-1] * 4) + 1000
        basic = 1000 * record["config"].get("stackwise_num_filters", [0])[-1] + 1000
        own = record["parameters"]  # some of theirs count the head of 1,000 classes
        assert count in (own, own + width, own + basic, MISCOUNTED.get(name)), name
        assert handle in record["sources"] + record.get("backbone_sources", []), name


def test_every_preset_of_keras_cv():
    """Those of KerasCV 0.9 with our families' networks alone."""
    sizes = (18, 34, 50, 101, 152)
    names = {f"resnet{size}{version}" for size in sizes for version in ("", "_v2")}
    names |= {"resnet50_imagenet", "resnet50_v2_imagenet", "resnet50_v2_imagenet_classifier", "yolo_v8_m_pascalvoc"}
    names |= {f"yolo_v8_{size}_backbone{end}" for size in ("xs", "s", "m", "l", "xl") for end in ("", "_coco")}
    assert names <= set(records())


NEEDED = {"description", "class_name", "parameters", "size", "license", "sources", "config"}
OPTIONAL = {"backbone_sources", "preprocessor", "tokenizer", "task", "prompts", "classes", "vocabulary", "aliases"}
HUB = r"hf://[\w.-]+/[\w.-]+"
KAGGLE = r"kaggle://keras/[\w-]+/keras/[\w.]+/\d+"


@pytest.mark.parametrize("path", sorted(presets_folder().glob("*/*.json")), ids=lambda path: path.stem)
def test_schema(path):
    family = registry.families()[path.stem]
    for name, record in json.loads(path.read_text(encoding="utf-8")).items():
        assert set(record) >= NEEDED and set(record) <= NEEDED | OPTIONAL, name
        cls = family.classes[record["class_name"]]
        assert record["description"].endswith(".") and record["license"] and re.fullmatch(r"[\w.]+", name)
        addresses = record["sources"] + record.get("backbone_sources", [])
        assert len(set(addresses)) == len(addresses)
        for address in addresses:
            assert re.fullmatch(f"{HUB}|{KAGGLE}", address), address
            assert getattr(family, {"timm": "state_dict"}.get(layout_of(address), layout_of(address))), address
        assert set(record["config"]) <= set(argument_names(family.backbone))
        assert set(record.get("task", {})) <= set(argument_names(cls))
        if record.get("preprocessor"):
            assert set(record["preprocessor"]) <= set(argument_names(cls.preprocessor_class))
        assert set(record.get("tokenizer") or {}) <= set(argument_names(family.tokenizer) if family.tokenizer else ())
        if (
            "vocabulary" in record and record["tokenizer"] is not None
        ):  # KerasHub's folders and others would differ in it
            assert record["tokenizer"]["special_tokens_in_strings"]
        assert all(isinstance(text, str) for text in record.get("prompts", {}).values())
        # a byte count of the weights: four or two a parameter, and a head, tied tensors and stored masks beside them
        share = record["size"] / record["parameters"]
        assert (3.99 < share < 4.8 or 1.99 < share < 2.2) if record["sources"] else record["size"] == 0, name


class EnoughError(Exception):
    """Leaves `weights.deferred` before anything is allocated."""


@pytest.mark.parametrize("family", ["bert", "gpt2", "yolo_v8"])  # ResNet's are counted in test_resnet_records.py
def test_full_size_networks_have_the_parameters(family):
    """Each architecture is built as it is, without values: a GPT-2 of six gigabytes costs nothing."""
    counted = {}
    for name, record in PUBLISHED.items():
        if record["family"] != family:
            continue
        key = json.dumps([record["config"], record["class_name"] == "YOLOV8Detector"])
        if key not in counted:
            counted[key] = count(name, record)
        assert counted[key] == record["parameters"], name


def count(name, record):
    family, found = registry.families()[record["family"]], []
    with contextlib.suppress(EnoughError), weights.deferred():
        model = family.backbone(**record["config"])
        if record["class_name"] == "YOLOV8Detector":  # which is counted with its head
            model = family.classes[record["class_name"]](model, **record["task"])
        found.append(model.count_params())
        raise EnoughError
    return found[0]


def test_index_says_what_the_classes_are():
    """`presets/index.json` names every class of every family once, under the class that families share."""
    named = [name for names in index()["tasks"].values() for name in names]
    families = [f for f in registry.families().values() if f.backbone.__module__.startswith(registry.ROOMS)]
    classes = {cls.__name__: cls for family in families for cls in (family.backbone, *family.tasks)}
    assert sorted(named) == sorted(classes)
    for task, names in index()["tasks"].items():
        assert all(task in (base.__name__ for base in classes[name].__mro__) for name in names)
    assert {task_of(record) for record in records().values()} <= set(index()["tasks"])


def test_filters():
    embedders = list_presets(task="TextEmbedder")
    assert "bge_small_v1.5_en" in embedders and len(embedders) == 26
    assert list_presets(task="BertTextEmbedder") == embedders
    assert set(list_presets(task="CausalLM")) == set(GPT2CausalLM.presets) == set(list_presets(family="gpt2"))
    assert set(list_presets(task=CausalLM, max_parameters=30_000_000)) == {"gpt2_tiny_en_prose"}
    assert set(list_presets(task=TextClassifier)) == {"bert_tiny_en_uncased_sst2", "bert_tiny_en_uncased_reviews"}
    assert set(list_presets(task=TextClassifier)) < set(TextClassifier.presets)  # any BERT can become one
    assert set(list_presets("bert", task=TextClassifier, embedded=True)) == {"bert_tiny_en_uncased_reviews"}
    bare = list_presets(task="Backbone")
    assert set(list_presets(task=keras_zoo.Backbone)) == set(bare) and "resnet50" in bare
    assert set(list_presets(task=Task)) == set(records()) - set(bare)
    mine = type("Mine", (GPT2CausalLM,), {})
    assert set(list_presets(task=mine)) == set(GPT2CausalLM.presets)
    small = list_presets(max_parameters=4_000_000).values()
    assert small and all(record["parameters"] <= 4_000_000 for record in small)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"family": "gpt3"}, "no family 'gpt3'; presets are of bert, gpt2, resnet, yolo_v8"),
        ({"task": "Summarizer"}, "no task 'Summarizer'; known are CausalLM, .*BertMaskedLM"),
        ({"task": dict}, "dict is no task; tasks are CausalLM"),
    ],
)
def test_what_nothing_has(asked, message):
    with pytest.raises(PresetError, match=message):
        list_presets(**asked)


def test_a_vocabulary_that_no_tokenizer_reads(monkeypatch):
    """Multilingual E5 has XLM-R's: an error says so before anything is fetched, and the model alone loads."""
    monkeypatch.setitem(records()["multilingual_e5_small"]["config"], "vocabulary_size", 50)
    name, options = "multilingual_e5_small", {"load_weights": False, "num_layers": 1}
    with pytest.raises(
        PresetError, match=f"BertTokenizer cannot express the vocabulary of '{name}'.*preprocessor=None"
    ):
        TextEmbedder.from_preset(name, **options)
    with pytest.raises(PresetError, match="cannot express the vocabulary"):
        Tokenizer.from_preset(name)
    embedder = TextEmbedder.from_preset(name, preprocessor=None, **options)
    assert (embedder.pooling_mode, embedder.normalize) == ("mean", True)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """`bert_tiny_en_uncased` with a small network; its first source is away, its second holds the backbone alone."""
    config = {"vocabulary_size": 30522, "num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    BertBackbone(**config).save_to_preset(tmp_path / "bare")
    record = records()["bert_tiny_en_uncased"]
    for key, value in (("config", config), ("sources", ["file:///nowhere"])):
        monkeypatch.setitem(record, key, value)
    monkeypatch.setitem(record, "backbone_sources", [f"file://{tmp_path / 'bare'}"])
    return tmp_path / "bare"


def test_a_head_is_not_random_without_a_sign(bare, monkeypatch):
    with pytest.raises(PresetError, match=r"file:///nowhere(.|\n)*hold no head of a BertMaskedLM: file://.*/bare"):
        Task.from_preset("bert_tiny_en_uncased")
    with pytest.raises(PresetError, match="hold no head of a BertMaskedLM"):
        BertMaskedLM.from_preset("bert_tiny_en_uncased")
    monkeypatch.setitem(records()["bert_tiny_en_uncased"], "sources", [f"file://{bare}"])  # a record that is wrong
    with pytest.raises(PresetError, match=r"has no such head: .*mlm_head/dense/kernel.* would be random"):
        BertMaskedLM.from_preset("bert_tiny_en_uncased")


def test_what_needs_no_head_loads_from_a_bare_backbone(bare):
    expected = BertBackbone.from_preset(bare).get_weights()
    found = BertBackbone.from_preset("bert_tiny_en_uncased").get_weights()
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    classifier = BertTextClassifier.from_preset("bert_tiny_en_uncased", num_classes=2)
    assert (classifier.backbone.get_weights()[0] == expected[0]).all()
    assert BertMaskedLM.from_preset("bert_tiny_en_uncased", load_weights=False).preprocessor is not None


def test_source_order(bare, monkeypatch):
    """All that was tried is named, in the order of the record."""
    record = records()["bert_tiny_en_uncased"]
    tried = ["file:///first", "file:///second"]
    monkeypatch.setitem(record, "sources", tried)
    monkeypatch.setitem(record, "backbone_sources", [])
    with pytest.raises(PresetError) as raised:
        sources.fetch_record("bert_tiny_en_uncased", record)
    assert re.findall(r"'(file://\S+)'", str(raised.value)) == tried
