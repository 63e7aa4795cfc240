"""`hf://` addresses by several processes, against a hub on the loopback interface: killed ones, two at once, models."""

import json
import os
import subprocess
import sys
import time

import pytest
from loopback_hub import serving

from keras_zoo import sources

pytestmark = pytest.mark.once
GPT2 = {"model_type": "gpt2"}


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
