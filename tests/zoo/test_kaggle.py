"""`kaggle://` addresses through the real `kagglehub`, against a server on the loopback interface."""

import sys

import pytest
from loopback_kaggle import serving

from keras_nlp.models import BertBackbone
from keras_nlp.models.bert import FAMILY
from keras_zoo import PresetError, sources, upload_preset
from keras_zoo.sources import cache

pytestmark = pytest.mark.once
FILES = {"config.json": "{}", "assets/tokenizer/merges.txt": "a b", "model.weights.h5": b"weights"}
NAME = "keras/gpt2/keras/small"


@pytest.fixture
def server(repository, tmp_path, monkeypatch):
    env = pytest.importorskip("kagglesdk.kaggle_env")
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"KAGGLEHUB_CACHE": "kaggle", "KAGGLE_CONFIG_DIR": "none", "KERAS_ZOO_CACHE": "zoo"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    versions = {version: repository(f"v{version}", FILES | {"version.txt": str(version)}) for version in (1, 2)}
    with serving({NAME: versions}) as server:
        monkeypatch.setitem(env._env_to_endpoint, env.KaggleEnv.LOCAL, server.address)
        yield server


def test_a_model_of_kaggle(server, monkeypatch):
    """Fetched once, with a version and without; what is in the cache needs neither a server nor the client."""
    folder = sources.fetch(f"kaggle://{NAME}/1")
    assert {name: (folder / name).read_text() for name in FILES} == {**FILES, "model.weights.h5": "weights"}
    latest = sources.fetch(f"kaggle://{NAME}")
    assert (folder / "version.txt").read_text(), (latest / "version.txt").read_text() == ("1", "2")
    asked = len(server.requested)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "kagglehub", None)
        for address, expected in ((f"kaggle://{NAME}/1", folder), (f"kaggle://{NAME}", latest)):
            assert sources.fetch(address) == sources.fetch(address, offline=True) == expected
    assert len(server.requested) == asked
    (folder / "config.json").unlink()  # what is gone is fetched again
    assert (sources.fetch(f"kaggle://{NAME}/1") / "config.json").is_file() and len(server.requested) > asked
    assert {entry.address: entry.files for entry in cache.entries()} == {f"kaggle://{NAME}/1": 4, f"kaggle://{NAME}": 4}
    cache.remove([f"kaggle://{NAME}/1", f"kaggle://{NAME}"])
    with pytest.raises(PresetError, match="is not in the cache of kagglehub"):
        sources.fetch(f"kaggle://{NAME}/1", offline=True)
    assert sources.fetch(f"kaggle://{NAME}/1") == folder


def test_upload(server, tmp_path, monkeypatch):
    """The files of the preset, in their folders, and nothing that lies beside them."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token")
    folder = tmp_path / "my_model[1]"
    BertBackbone(**FAMILY.tiny).save_to_preset(folder)
    own = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in (".env", "train[1].py", "model.safetensors.bak"):
        (folder / name).write_bytes(b"mine")
    (folder / "logs").mkdir()
    (folder / "logs" / "model.safetensors").write_bytes(b"mine")
    assert upload_preset("kaggle://me/bert/keras/small", folder, license="Apache 2.0") == "kaggle://me/bert/keras/small"
    assert {path.rpartition("/")[2]: data for path, data in server.blobs.items()} == own
    (_, model), (_, instance) = server.created
    assert model["slug"] == "bert" and model["isPrivate"]
    assert instance["body"]["licenseName"] == "Apache 2.0" and len(instance["body"]["files"]) == len(own)


def test_a_cache_that_kagglehub_filled(server):
    import kagglehub

    folder = kagglehub.model_download(f"{NAME}/1")
    assert str(sources.fetch(f"kaggle://{NAME}/1", offline=True)) == folder
    assert str(sources.fetch(f"kaggle://{NAME}", offline=True)) == folder
    with pytest.raises(PresetError, match="is not in the cache of kagglehub"):
        sources.fetch(f"kaggle://{NAME}/2", offline=True)


@pytest.mark.parametrize(
    "status, message",
    [
        (401, "Kaggle wants to know who asks: .*KAGGLE_API_TOKEN"),
        (403, "Accept the model's terms at https://www.kaggle.com/models/keras/gpt2/keras/small, .*KAGGLE_API_TOKEN"),
        (404, "there is no such model, variation or version; see https://www.kaggle.com"),
        (429, "too many requests"),
        (500, "the server is in trouble"),
    ],
)
def test_refusals(server, status, message):
    server.status = status
    with pytest.raises(PresetError, match=message):
        sources.fetch(f"kaggle://{NAME}/1")


def test_addresses_and_networks(server, monkeypatch):
    import kagglesdk.kaggle_env as env

    with pytest.raises(PresetError, match="there is no such model"):
        sources.fetch("kaggle://keras/gpt2/keras/large/1")
    for address in ("kaggle://keras/gpt2", "kaggle://keras/gpt2/keras/../1", "kaggle://keras/gpt2/keras/small/latest"):
        with pytest.raises(PresetError, match="is not of the form kaggle://owner/model"):
            sources.fetch(address)
    monkeypatch.setitem(env._env_to_endpoint, env.KaggleEnv.LOCAL, "http://127.0.0.1:9")
    with pytest.raises(PresetError, match="could not be reached"):
        sources.fetch(f"kaggle://{NAME}/1")


def test_sources_in_order(server, monkeypatch):
    """The first that has it; one in the cache before any other; the reason of each where none does."""
    record = {"sources": ["hf://nobody/nothing", f"kaggle://{NAME}/1"]}
    assert sources.fetch_record("small", record).name == "1"
    asked = len(server.requested)
    assert sources.fetch_record("small", record).name == sources.fetch_record("small", record, offline=True).name == "1"
    assert len(server.requested) == asked
    record["sources"][1] = f"kaggle://{NAME}/3"
    with pytest.raises(
        PresetError, match=r"any of its sources:\n  'hf://nobody/nothing'.*\n  'kaggle://.*no such model"
    ):
        sources.fetch_record("small", record)
