"""`hf://` addresses through the real `huggingface_hub`, against a hub on the loopback interface: what is fetched."""

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


def test_a_repository_without_a_preset_in_its_root(repository, use_hub):
    files = {"README.md": "two", "large/config.json": GPT2, "small/config.json": GPT2, "small/model.safetensors": b""}
    with serving({"a/b": {"feature/x": repository("r", files)}, "a/c": repository("c", {"model.gguf": b"w"})}) as hub:
        use_hub(hub)
        both = "hf://a/b@feature%2Fx/large, hf://a/b@feature%2Fx/small"
        with pytest.raises(PresetError, match=rf"holds no preset; try {both}\."):
            sources.fetch("hf://a/b@feature%2Fx")
        with pytest.raises(PresetError, match=r"'hf://a/c' holds no preset\."):
            sources.download("hf://a/c")


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
        before = sorted(path for path in tmp_path.rglob("*") if "hf" not in path.parts)
        lfs = {"sha256": "../" * 6 + str(tmp_path / "theirs").lstrip("/"), "size": 30_000_000, "pointerSize": 130}
        weights = {"rfilename": "model.safetensors", "size": 30_000_000, "lfs": lfs}
        for lies in ({"sha": "../" * 9}, {"sha": None}, {"siblings": [weights, {"rfilename": "config.json"}]}):
            hub.lies = lies
            with pytest.raises(PresetError, match=r"is no commit|came with 1 of 30000000 bytes"):
                sources.download("hf://a/b", refresh=True)
        assert sorted(path for path in tmp_path.rglob("*") if "hf" not in path.parts) == before
    assert mine.read_text() == "{}"
