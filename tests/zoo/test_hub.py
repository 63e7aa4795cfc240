"""`hf://` addresses through the real `huggingface_hub`, against a hub on the loopback interface."""

import json
import os
import subprocess
import sys

import pytest
from loopback_hub import serving

from keras_nlp.models import BertBackbone
from keras_nlp.models.bert import FAMILY

pytestmark = pytest.mark.once
CODE = """
import json, sys
from keras_nlp.models import Backbone
for preset in sys.argv[1:]:
    try:
        print(json.dumps(float(sum(abs(w.numpy()).sum() for w in Backbone.from_preset(preset).weights))))
    except ValueError as error:
        print(json.dumps(str(error)))
"""


def loaded(address, cache, *presets):
    """For each preset the sum of its weights as another process fetches it, or the error's message."""
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(cache)}
    result = subprocess.run([sys.executable, "-c", CODE, *presets], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.strip().split("\n")]


def test_addresses_of_the_hub(tmp_path):
    """Older weights are fetched where there are no others; what is in the cache needs no server."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    backbone = BertBackbone(**FAMILY.tiny)
    for name in ("new", "old"):
        backbone.save_to_preset(tmp_path / name, format="transformers")
        torch.save(load_file(tmp_path / name / "model.safetensors"), tmp_path / name / "pytorch_model.bin")
    (tmp_path / "old" / "model.safetensors").unlink()
    expected = pytest.approx(float(sum(abs(weight.numpy()).sum() for weight in backbone.weights)), rel=1e-6)
    with serving({"an/old": tmp_path / "old", "a/new": tmp_path / "new"}) as (address, requested):
        *found, wrong = loaded(address, tmp_path / "cache", "hf://an/old", "hf://a/new@main", "hf://nobody/nothing")
    assert found == [expected, expected]
    assert "'hf://nobody/nothing' could not be fetched: RepositoryNotFoundError" in wrong
    assert "GET /an/old/resolve/" in str(requested) and "/a/new/resolve/" in str(requested)
    assert {path.split("/")[2] for path in requested if path.endswith("/pytorch_model.bin")} == {"old"}
    assert loaded(address, tmp_path / "cache", "hf://a/new") == [expected]
