"""`keras-zoo download`, `cache`, `upload` and `show` with the real client and a hub on the loopback interface."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from loopback_hub import serving

from keras_nlp.models import CausalLM
from keras_zoo.registry import records

pytestmark = pytest.mark.once
ADDRESS = "hf://me/tiny"


@pytest.fixture
def hub(lm, tmp_path, use_hub):
    """A hub that has one preset, and takes more."""
    lm.save_to_preset(tmp_path / "tiny")
    with serving({"me/tiny": tmp_path / "tiny"}, folder=tmp_path / "uploads") as hub:
        yield use_hub(hub, token=hub.token)


def test_download(run, hub, lm):
    status, _, err = run("show", ADDRESS)
    assert status == 1 and err.endswith(f"`keras-zoo download {ADDRESS}` fetches it.\n")
    assert run("download", ADDRESS, "--offline")[0] == 1 and not hub.requested
    status, out, err = run("download", ADDRESS)
    folder = out.removesuffix("\n")
    assert status == 0 and "\n" not in folder
    assert CausalLM.from_preset(folder).count_params() == lm.count_params()
    hub.requested.clear()
    assert run("download", ADDRESS, "--offline")[1] == out and not hub.requested
    assert json.loads(run("download", ADDRESS, "--json")[1]) == {"preset": ADDRESS, "folder": folder}
    assert run("download", ADDRESS, "--refresh")[0] == 0 and hub.requested
    status, out, _ = run("show", ADDRESS)
    assert status == 0 and "CausalLM, GPT2CausalLM" in out and folder in out


def test_download_refused(run, hub):
    status, _, err = run("download", ADDRESS, "--refresh", "--offline")
    assert status == 2 and "--refresh asks the hub, which --offline forbids" in err
    for preset in ("hf://me/other", "resnet50", "s3://x/y"):
        status, out, err = run("download", preset)
        assert status == 1 and not out and preset in err and "Traceback" not in err


def test_generate_offline(run, hub):
    options = ("--max-new-tokens", "2", "--sampler", "greedy")
    assert run("generate", ADDRESS, "the king", *options, "--offline")[0] == 1
    status, out, _ = run("generate", ADDRESS, "the king", *options)
    assert status == 0 and run("generate", ADDRESS, "the king", *options, "--offline")[:2] == (0, out)


def test_embed_with_the_prompt_of_an_address(run, embedder, tmp_path, use_hub):
    folder = tmp_path / "vectors"
    embedder[1].save_to_preset(folder, format="transformers")
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "the queen "}}')
    with serving({"me/vectors": folder}) as hub:
        use_hub(hub)
        status, out, _ = run("embed", "hf://me/vectors", "sang", "--prompt", "query")
    assert status == 0
    np.testing.assert_allclose(json.loads(out)["vector"], embedder[1].embed("the queen sang"), atol=1e-6)


def test_cache(run, hub, tmp_path):
    assert run("cache", "path") == (0, f"{tmp_path / 'zoo'}\n", "")
    assert json.loads(run("cache", "list", "--json")[1]) == []
    folder = run("download", ADDRESS)[1].strip()
    (entry,) = json.loads(run("cache", "list", "--json")[1])
    assert (entry["address"], entry["folder"]) == (ADDRESS, folder) and entry["size"] > 10_000
    status, out, _ = run("cache", "list")
    assert status == 0 and f"just now  {ADDRESS}" in out and out.splitlines()[-1].endswith("in all, 1")
    status, _, err = run("cache", "remove", "hf://me/other")
    assert status == 1 and "are not in the cache" in err and run("cache", "remove")[0] == 2
    status, out, _ = run("cache", "remove", ADDRESS)
    assert status == 0 and out.endswith(" kB freed\n")
    assert json.loads(run("cache", "list", "--json")[1]) == []
    assert run("cache", "remove", "--all")[:2] == (0, "0 bytes freed\n")


def test_show_says_where_it_is_cached(run, hub, monkeypatch):
    monkeypatch.setitem(records()["gpt2_base_en"], "sources", ["hf://me/other", ADDRESS])
    assert "cached         no\n" in run("show", "gpt2_base_en")[1]
    folder = run("download", ADDRESS)[1].strip()
    assert f"cached         {folder}\n" in run("show", "gpt2_base_en")[1]


def test_upload(run, hub, tmp_path, lm):
    status, out, _ = run("upload", tmp_path / "tiny", "hf://me/mine", "--private", "--message", "First")
    assert status == 0 and out == "hf://me/mine\n"
    assert CausalLM.from_preset("hf://me/mine").count_params() == lm.count_params()
    for folder, address, message in (
        (tmp_path / "nothing", "hf://me/x", "not a local folder"),
        (tmp_path / "tiny", "nowhere", "no address to upload to"),
    ):
        status, _, err = run("upload", folder, address)
        assert status == 1 and message in err


def test_in_a_pipe(hub, tmp_path):
    """Nothing but what was asked for, and no progress bar where nobody looks."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": hub.token,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "KERAS_ZOO_CACHE": str(tmp_path / "zoo"),
    }
    command = [sys.executable, "-m", "keras_zoo.cli"]
    uploaded = subprocess.run(
        [*command, "upload", str(tmp_path / "tiny"), "hf://me/piped", "--json"], capture_output=True, env=environment
    )
    assert (uploaded.returncode, uploaded.stderr) == (0, b""), uploaded.stderr.decode()
    assert json.loads(uploaded.stdout) == {"folder": str(tmp_path / "tiny"), "address": "hf://me/piped"}
    fetched = subprocess.run([*command, "download", "hf://me/piped"], capture_output=True, env=environment, text=True)
    assert fetched.returncode == 0 and fetched.stdout.count("\n") == 1 and not fetched.stderr
