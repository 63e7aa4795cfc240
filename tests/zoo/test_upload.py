"""Uploads through the real clients: to a hub on the loopback interface, and to one that speaks as Kaggle does."""

import sys

import pytest
from loopback_hub import contents, serving

import keras_zoo
from keras_nlp.models import Backbone, BertBackbone, BertTextClassifier, BertTextEmbedder
from keras_nlp.models.bert import FAMILY
from keras_zoo import PresetError, sources
from keras_zoo.formats.opening import WRITERS
from keras_zoo.sources.upload import files_of

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A folder of a small classifier, with files beside it that are no part of it."""
    folder = tmp_path_factory.mktemp("presets") / "my_model"
    preprocessor = FAMILY.tiny_preprocessors["BertTextClassifier"]()
    task = BertTextClassifier(BertBackbone(**FAMILY.tiny), num_classes=2, preprocessor=preprocessor)
    task.save_to_preset(folder, max_shard_size=1e-5)
    (folder / "checkpoints").mkdir()
    for name in ("train.py", ".env", "checkpoints/model.safetensors", "optimizer.bin"):
        (folder / name).write_bytes(b"mine")
    return folder


@pytest.fixture
def hub(tmp_path, use_hub):
    (tmp_path / "repositories").mkdir()
    with serving({}, folder=tmp_path / "repositories") as hub:
        yield use_hub(hub, token=hub.token)


def test_to_the_hub_and_back(preset, hub, tmp_path):
    assert keras_zoo.upload_preset("hf://me/model", preset, private=True) == "hf://me/model"
    own = {name for name in contents(preset) if not name.startswith(("train", ".env", "check", "optimizer"))}
    uploaded = contents(hub.repositories["me/model"]["main"])
    assert set(uploaded) == own and sum("-of-" in name for name in own) > 1
    assert hub.commits == [("me/model", "main", "Upload my_model")] and hub.private == {"me/model"}
    folder = sources.fetch("hf://me/model")
    assert contents(folder) == uploaded
    assert Backbone.from_preset("hf://me/model").count_params() == Backbone.from_preset(preset).count_params()


def test_again_to_a_branch_and_a_folder(preset, hub, tmp_path):
    """What an earlier upload left is replaced: no shard of it stays beside the new weights; other files stay."""
    keras_zoo.upload_preset("hf://me/model", preset)
    small = tmp_path / "small"
    Backbone.from_preset(preset).save_to_preset(small)
    keras_zoo.upload_preset("hf://me/model@v2", small, message="Smaller")
    branch = contents(hub.repositories["me/model"]["v2"])
    assert {"config.json", "model.safetensors", "metadata.json", "README.md"} == set(branch)
    assert any("-of-" in name for name in contents(hub.repositories["me/model"]["main"]))
    keras_zoo.upload_preset("hf://me/model/inner/one", small)
    main = contents(hub.repositories["me/model"]["main"])
    assert "inner/one/model.safetensors" in main and any("-of-" in name for name in main)
    assert [commit[1:] for commit in hub.commits[1:]] == [("v2", "Smaller"), ("main", "Upload small")]
    assert (sources.fetch("hf://me/model/inner/one") / "config.json").is_file()


def test_other_presets_of_the_repository_stay(preset, hub, repository):
    """A preset in the root takes away what an earlier one there had, in whichever layout, and nothing below."""
    others = ("model_large/model.safetensors", "pytorch_models/model.bin", "assets/picture.png", "adapter.safetensors")
    before = ("modules.json", "metadata.json", "vocab.json", "pytorch_model.bin", "model_00000.weights.h5")
    hub.repositories["me/model"] = {"main": repository("before", dict.fromkeys(others + before, "x"))}
    keras_zoo.upload_preset("hf://me/model", preset)
    assert set(contents(hub.repositories["me/model"]["main"])) == {*others, *files_of(preset)}


def test_every_file_that_is_written_is_taken(lm, tmp_path):
    """So also what is fetched: both go by the same choice."""
    preprocessor = FAMILY.tiny_preprocessors["BertTextEmbedder"]()
    embedder = BertTextEmbedder(BertBackbone(**FAMILY.tiny), preprocessor=preprocessor)
    saves = [(lm, form) for form in WRITERS] + [(embedder, "keras_zoo"), (embedder, "transformers")]
    for number, (model, form) in enumerate(saves):
        folder = tmp_path / str(number)
        model.save_to_preset(folder, format=form)
        assert files_of(folder) == sorted(contents(folder)), form
    embedder.backbone.enable_lora(2)
    embedder.save_to_preset(tmp_path / "adapted", merge_lora=False)
    assert "model.lora.safetensors" in files_of(tmp_path / "adapted") == sorted(contents(tmp_path / "adapted"))


def test_what_is_no_preset_is_not_sent(preset, hub, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(PresetError, match="is no preset"):
        keras_zoo.upload_preset("hf://me/model", other)
    (other / "config.json").write_bytes((preset / "config.json").read_bytes())
    with pytest.raises(PresetError, match="holds no weights"):
        keras_zoo.upload_preset("hf://me/model", other)
    (other / "model.safetensors").write_bytes(b"\x09")
    with pytest.raises(PresetError, match="truncated or corrupt"):
        keras_zoo.upload_preset("hf://me/model", other)
    (other / "model.safetensors").unlink()
    (other / "model.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(PresetError, match="symbolic link"):
        keras_zoo.upload_preset("hf://me/model", other)
    with pytest.raises(PresetError, match="is not a local folder"):
        keras_zoo.upload_preset("hf://me/model", "bert_tiny_en_uncased")
    for uri in (
        "me/model",
        "s3://me/model",
        "hf://model",
        "hf://me/model/weights.pth",
        "kaggle://me/model/keras/small/1",
    ):
        with pytest.raises(PresetError, match=r"is no address|is not of the form|names a file"):
            keras_zoo.upload_preset(uri, preset)
    assert not hub.requested


def test_a_refused_upload(preset, hub, use_hub):
    use_hub(hub, token="hf_wrong")
    with pytest.raises(PresetError, match=r"could not be uploaded to: the token was refused.*hf auth login"):
        keras_zoo.upload_preset("hf://me/model", preset)
    use_hub(hub)
    with pytest.raises(PresetError, match=r"could not be uploaded to: nobody is logged in: .*hf auth login"):
        keras_zoo.upload_preset("hf://me/model", preset)
    use_hub(hub, token=hub.token)
    hub.order("POST /api/repos/create", status=403)
    with pytest.raises(PresetError, match="access is forbidden"):
        keras_zoo.upload_preset("hf://me/model", preset)
    assert hub.commits == []


def test_without_kagglehub(preset, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(PresetError, match=r"pip install 'keras-zoo\[kaggle\]'"):
        keras_zoo.upload_preset("kaggle://me/model/keras/small", preset)
    with pytest.raises(PresetError, match=r"pip install 'keras-zoo\[kaggle\]'"):
        sources.fetch("kaggle://me/model/keras/small/1")
