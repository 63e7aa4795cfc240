"""`hf://` addresses through the real `huggingface_hub`, against a hub on the loopback interface: what is fetched."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback_hub import serving

from keras_zoo import PresetError, sources

pytestmark = pytest.mark.once
GPT2 = {"model_type": "gpt2"}
OTHERS = dict.fromkeys(  # what lies beside a preset and is no part of it
    (
        "tf_model.h5",
        "flax_model.msgpack",
        "rust_model.ot",
        "training_args.bin",
        "optimizer.bin",
        "trainer_state.json",
        "onnx/model.onnx",
        "openvino/openvino_model.bin",
        "64.tflite",
        "model.fp16.safetensors",
        "model.fp16-00001-of-00002.safetensors",
        "model-00001-of-00003.safetensors",
        "original/model.safetensors",
        ".gitattributes",
        "run.py",
    ),
    b"x",
)


def index(*names):
    return {"weight_map": {f"tensor{i}": name for i, name in enumerate(names)}}


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
LAYOUTS = {  # files of a repository; those that weights=False fetches, those more for a backbone, those more for a task
    "transformers": (
        {"config.json": GPT2, "vocab.json": {}, "model.safetensors": b"w", "pytorch_model.bin": b"o"} | OTHERS,
        {"config.json", "vocab.json"},
        {"model.safetensors"},
        set(),
    ),
    "older": ({"config.json": GPT2, "pytorch_model.bin": b"o"} | OTHERS, {"config.json"}, {"pytorch_model.bin"}, set()),
    "shards": (
        {"config.json": GPT2, "model.safetensors.index.json": index(*SHARDS), SHARDS[0]: b"1", SHARDS[1]: b"2"}
        | {"model-00001-of-00003.safetensors": b"x", "pytorch_model-00001-of-00002.bin": b"x"},
        {"config.json"},
        {"model.safetensors.index.json", *SHARDS},
        set(),
    ),
    "native": (
        {"config.json": {"registered_name": "keras_zoo>X"}, "assets/tokenizer/merges.txt": "", "README.md": ""}
        | {"task.json": {}, "model.safetensors": b"w"},
        {"config.json", "assets/tokenizer/merges.txt", "README.md", "task.json"},
        {"model.safetensors"},
        set(),
    ),
    "keras_hub": (
        {"config.json": {"registered_name": "keras_hub>X"}, "task.json": {}, "model.weights.h5": b"w"}
        | {"task.weights.h5": b"head", "model.safetensors": b"x"},
        {"config.json", "task.json"},
        {"model.weights.h5"},
        {"task.weights.h5"},
    ),
    "keras_hub_shards": (
        {"config.json": {"registered_name": "keras_nlp>X"}, "model.weights.json": index(["model_0.weights.h5"])}
        | {"model_0.weights.h5": b"w", "model_1.weights.h5": b"x"},
        {"config.json"},
        {"model.weights.json", "model_0.weights.h5"},
        set(),
    ),
    "keras_cv": (
        {"config.json": {"registered_name": "keras_cv.models>X", "weights": "model.weights.h5"}}
        | {"model.weights.h5": b"w", "other.weights.h5": b"x"},
        {"config.json"},
        {"model.weights.h5"},
        set(),
    ),
    "timm": (  # whose configuration is read off the tensors
        {"config.json": {"architecture": "resnet18"}, "model.safetensors": b"w", "pytorch_model.bin": b"o"},
        {"config.json", "model.safetensors"},
        set(),
        set(),
    ),
    "state_dict": ({"resnet.pth": b"w", "README.md": "", "run.py": ""}, {"resnet.pth", "README.md"}, set(), set()),
}


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_what_is_needed_is_fetched_and_once(layout, repository, use_hub):
    files, small, backbone, task = LAYOUTS[layout]
    with serving({"a/b": repository("repository", files)}) as hub:
        use_hub(hub)
        folder = sources.fetch("hf://a/b", weights=False)
        assert names(folder) == small
        assert sources.fetch("hf://a/b", weights="backbone") == folder
        assert names(folder) == small | backbone
        assert sources.fetch("hf://a/b") == folder
        assert names(folder) == small | backbone | task
        asked = len(hub.requested)
        for weights in (True, "backbone", False):
            assert sources.fetch("hf://a/b", weights=weights) == folder
        assert len(hub.requested) == asked
    assert sources.fetch("hf://a/b@main", offline=True) == folder
    (folder / max(small)).unlink()  # what is gone is missed
    with pytest.raises(PresetError, match=max(small)):
        sources.fetch("hf://a/b", offline=True)


def test_revisions_folders_and_files(repository, use_hub):
    old = repository("old", {"config.json": GPT2, "model.safetensors": b"old"})
    files = {"sub/in/config.json": GPT2, "sub/in/model.safetensors": b"new", "sub/a.pt": b"a", "b.pt": b"b"}
    new = repository("new", files)
    revisions = {"main": new, "v1": old, "refs/pr/3": old, "feature/x": old}
    with serving({"a/b": revisions}) as hub:
        use_hub(hub)
        for address in ("hf://a/b@v1", "hf://a/b@refs/pr/3", "hf://a/b@feature%2Fx"):
            assert (sources.fetch(address) / "model.safetensors").read_bytes() == b"old"
        commit = sources.fetch("hf://a/b@v1").name
        assert sources.fetch(f"hf://a/b@{commit}").name == commit
        assert (sources.fetch("hf://a/b/sub/in") / "model.safetensors").read_bytes() == b"new"
        assert sources.fetch("hf://a/b@main/sub/a.pt").read_bytes() == b"a"
        with pytest.raises(PresetError, match="no revision 'v9'"):
            sources.fetch("hf://a/b@v9")
        with pytest.raises(PresetError, match="no folder 'other'"):
            sources.fetch("hf://a/b/other")
        with pytest.raises(PresetError, match=r"no file 'c\.pt'"):
            sources.fetch("hf://a/b/c.pt")
    for address in ("hf://a", "hf://a/b/../c", "hf://a b/c", "hf://a/b@", "hf://a/b@..%2F..%2Fx"):
        with pytest.raises(PresetError, match="is not of the form hf://owner/name"):
            sources.fetch(address)


def test_a_repository_of_several_state_dicts(repository, use_hub):
    with serving({"a/b": repository("r", {"s.pt": b"s", "m.pt": b"m"})}) as hub:
        use_hub(hub)
        with pytest.raises(PresetError, match=r"several files that may be the weights: \['m.pt', 's.pt'\]"):
            sources.fetch("hf://a/b")
        assert sources.fetch("hf://a/b/s.pt").read_bytes() == b"s"


def test_what_is_new_is_fetched_when_asked_for(repository, use_hub):
    first = repository("first", {"config.json": GPT2, "model.safetensors": b"1"})
    with serving({"a/b": {"main": first}}) as hub:
        use_hub(hub)
        folder = sources.download("hf://a/b")
        hub.repositories["a/b"]["main"] = repository("second", {"config.json": GPT2, "model.safetensors": b"2"})
        assert sources.download("hf://a/b") == folder
        newer = sources.download("hf://a/b", refresh=True)
        assert (newer / "model.safetensors").read_bytes() == b"2" and newer != folder
        assert sources.fetch("hf://a/b") == newer
    assert sources.download("hf://a/b", offline=True) == newer


def test_a_cache_that_another_program_filled(repository, use_hub):
    """What `hf download` fetched loads offline; what it left out is named."""
    import huggingface_hub

    files = {"config.json": GPT2, "vocab.json": {}, "model.safetensors": b"w"}
    with serving({"a/b": repository("r", files)}) as hub:
        use_hub(hub)
        huggingface_hub.snapshot_download("a/b", allow_patterns=["*.json"], endpoint=hub.address)
        assert names(sources.fetch("hf://a/b", offline=True, weights=False)) == {"config.json", "vocab.json"}
        with pytest.raises(PresetError, match=r"model.safetensors(.|\n)*download_preset"):
            sources.fetch("hf://a/b", offline=True)
        folder = huggingface_hub.snapshot_download("a/b", endpoint=hub.address)
    assert sources.fetch("hf://a/b", offline=True) == Path(folder)
    assert sources.fetch("hf://a/b") == Path(folder)  # the hub is gone; the cache is whole
    with pytest.raises(PresetError, match="there is nothing of a/c"):
        sources.fetch("hf://a/c", offline=True)


def test_a_renamed_repository(repository, use_hub):
    files = {"config.json": GPT2, "model.safetensors": b"w"}
    with serving({"new/name": repository("r", files)}, renamed={"old/name": "new/name"}) as hub:
        use_hub(hub)
        with pytest.warns(UserWarning, match="'old/name' has been renamed to 'new/name'"):
            folder = sources.fetch("hf://old/name")
        assert names(folder) == set(files)
        asked = len(hub.requested)
        assert sources.fetch("hf://old/name") == folder and len(hub.requested) == asked


def test_what_is_cached(repository, use_hub):
    first, second = (repository(name, {"config.json": GPT2, "model.safetensors": name}) for name in ("first", "second"))
    with serving({"a/b": {"main": first, "v1": second}, "c/d": first}) as hub:
        use_hub(hub)
        assert sources.cache.entries() == []
        for address in ("hf://a/b", "hf://a/b@v1", "hf://c/d"):
            sources.download(address)
        found = {entry.address: entry for entry in sources.cache.entries()}
        assert set(found) == {"hf://a/b", "hf://a/b@v1", "hf://c/d"}
        entry = found["hf://a/b@v1"]
        assert entry.folder == sources.fetch("hf://a/b@v1") and entry.files == 2
        assert entry.size == sum(path.stat().st_size for path in entry.folder.iterdir())
        assert sources.cache.remove(["hf://a/b@v1", "hf://c/d"]) > entry.size
        assert [entry.address for entry in sources.cache.entries()] == ["hf://a/b"]
        with pytest.raises(PresetError, match=r"\['hf://c/d'\] are not in the cache, which holds hf://a/b"):
            sources.cache.remove("hf://c/d")
        assert sources.fetch("hf://c/d").is_dir()


def test_names_that_a_server_makes_up(repository, use_hub, tmp_path):
    """Files that would lie elsewhere are never fetched, nor touched."""
    folder = repository("r", {"config.json": GPT2, "model.safetensors": b"w"})
    mine = tmp_path / "mine.json"
    mine.write_text("{}")
    outside = "assets/" + "../" * 6 + str(mine).lstrip("/")
    with serving({"a/b": folder}, more={outside: b"theirs", str(mine): b"theirs"}) as hub:
        use_hub(hub)
        assert names(sources.fetch("hf://a/b")) == {"config.json", "model.safetensors"}
    assert mine.read_text() == "{}"


def test_an_interrupted_download_goes_on(repository, use_hub):
    """After a lost connection in the same process; after the end of that process in the next."""
    weights = os.urandom(24_000_000)
    with serving({"a/b": repository("r", {"config.json": GPT2, "model.safetensors": weights})}) as hub:
        use_hub(hub, token=hub.token)  # which the storage must not see
        hub.order("GET /storage/", after=15_000_000)
        hub.order("GET /storage/", times=9, pause=0.2)
        process = started("hf://a/b", hub)
        wait_for(lambda: hub.ranges)  # the client goes on by itself
        process.kill()
        process.communicate()
        hub.faults.clear()
        folder = sources.fetch("hf://a/b")
    assert (folder / "model.safetensors").read_bytes() == weights
    first, second = (int(header.removeprefix("bytes=").rstrip("-")) for _, header in hub.ranges)
    assert 10_000_000 < first <= second <= 15_000_000
    assert hub.bodies < 40_000_000


def test_two_processes_at_once(repository, use_hub):
    """They fetch each file once, and both get it whole."""
    files = {"config.json": GPT2, "vocab.json": {"a": 0}, "model.safetensors": os.urandom(1_000_000)}
    with serving({"a/b": repository("r", files)}) as hub:
        use_hub(hub)
        hub.order("GET", times=9, pause=0.1)
        process = started("hf://a/b", hub)
        wait_for(lambda: hub.requested)
        folder = sources.fetch("hf://a/b")
        assert process.communicate()[0] == f"{folder}\n"
    assert (folder / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert len([request for request in hub.requested if request.startswith("GET /storage/")]) == 1


def started(address, hub):
    """Another process that fetches an address into the cache of this one, and prints where it is."""
    from huggingface_hub import constants

    code = "import sys, keras_zoo.sources as s; print(s.fetch(sys.argv[1]))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = environment_of(hub, constants.HF_HUB_CACHE)
    return subprocess.Popen([sys.executable, "-c", code, address], env=environment, **pipes)


def environment_of(hub, cache):
    return os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


CODE = """
import json, sys
from keras_nlp.models import Backbone, Preprocessor, Task, Tokenizer
for line in sys.argv[1:]:
    cls, preset, options = json.loads(line)
    try:
        thing = globals()[cls].from_preset(preset, **options)
        print(json.dumps(float(sum(abs(w.numpy()).sum() for w in getattr(thing, "weights", [])))))
    except ValueError as error:
        print(json.dumps(str(error)))
"""


def loaded(hub, cache, *calls):
    """For each call of from_preset the sum of the weights as another process has it, or the error's message."""
    arguments = [json.dumps(call) for call in calls]
    environment = environment_of(hub, cache)
    result = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.strip().split("\n")]


def test_from_preset(tmp_path, monkeypatch):
    """By every class that has it, with a network and without."""
    from keras_nlp.models import BertBackbone
    from keras_nlp.models.bert import FAMILY

    monkeypatch.setenv("KERAS_ZOO_CACHE", str(tmp_path / "zoo"))
    task = next(task for task in FAMILY.tasks if task.__name__ == "BertTextClassifier")
    preprocessor = FAMILY.tiny_preprocessors["BertTextClassifier"]()
    model = task(BertBackbone(**FAMILY.tiny), num_classes=2, preprocessor=preprocessor)
    model.save_to_preset(tmp_path / "new", format="transformers")
    expected = [
        pytest.approx(float(sum(abs(w.numpy()).sum() for w in weights)), rel=1e-6)
        for weights in (model.weights, model.backbone.weights)
    ]
    with serving({"a/new": tmp_path / "new"}) as hub:
        tokenizer, preprocessor, not_yet, fetched, missing = loaded(
            hub,
            tmp_path / "cache",
            ("Tokenizer", "hf://a/new", {}),
            ("Preprocessor", "hf://a/new", {}),
            ("Task", "hf://a/new", {"offline": True}),
            ("Task", "hf://a/new", {}),
            ("Task", "hf://nobody/nothing", {}),
        )
    assert (tokenizer, preprocessor, fetched) == (0, 0, expected[0])
    assert "missing are model.safetensors" in not_yet and "there is no such repository" in missing
    calls = [(cls, "hf://a/new", {"offline": True}) for cls in ("Task", "Backbone", "Tokenizer", "Preprocessor")]
    assert loaded(hub, tmp_path / "cache", *calls) == [*expected, 0, 0]
