"""What a process costs: imports, memory, the command line, an installed wheel; each in processes of its own."""

import json
import os
import shutil
import struct
import subprocess
import sys
import venv
from pathlib import Path

import keras
import pytest

from keras_cv.images import load_image
from keras_zoo import list_presets
from keras_zoo.cli.demo import embedded_detectors
from keras_zoo.registry import records

ROOT = Path(__file__).parents[2]
BACKEND = keras.backend.backend()


def run(code, **environment):
    """Runs Python code in a new process; returns what it printed last, as JSON."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.strip().split("\n")[-1])


def test_imports():
    """Nothing heavy comes in that Keras under this backend had not brought."""
    code = """
import json, sys
import keras
before = set(sys.modules)
import keras_nlp, keras_zoo
new = {name.split(".")[0] for name in set(sys.modules) - before}
heavy = ("tensorflow", "torch", "jax", "transformers", "huggingface_hub", "h5py", "sentencepiece")
print(json.dumps(sorted(new & set(heavy))))
"""
    assert run(code) == []


MEDIUM = records()["gpt2_medium_en"]["config"]


def sparse_preset(folder):
    """A preset of GPT-2 medium's shape whose weights file is one large hole: all zeros, and no disk."""
    from keras_nlp.models import GPT2Backbone

    tiny = GPT2Backbone(**MEDIUM | {"num_layers": 1, "hidden_dim": 16, "intermediate_dim": 64, "vocabulary_size": 300})
    tiny.save_to_preset(folder)
    config = json.loads((folder / "config.json").read_text())
    config["config"].update(MEDIUM)
    (folder / "config.json").write_text(json.dumps(config))
    sizes = {16: MEDIUM["hidden_dim"], 64: MEDIUM["intermediate_dim"], 300: MEDIUM["vocabulary_size"]}
    header, end = {}, 0
    for weight in tiny.weights:
        shape = [sizes.get(n, n) for n in weight.shape]
        number = MEDIUM["num_layers"] if weight.path.startswith("transformer_layer_0") else 1
        for i in range(number):
            size = 4
            for n in shape:
                size *= n
            name = weight.path.replace("transformer_layer_0", f"transformer_layer_{i}")
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
            end += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return end


MEASURE = """
import json, resource, sys
import keras, keras_nlp
from keras_nlp.models import GPT2Backbone
keras.ops.convert_to_numpy(keras.ops.ones((2, 2)) @ keras.ops.ones((2, 2)))
GPT2Backbone(300, 1, 2, 16, 64)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
baseline = peak()
model = GPT2Backbone.from_preset(sys.argv[1], **json.loads(sys.argv[2]))
print(json.dumps([baseline, peak(), model.count_params()]))
"""


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}], ids=["float32", "as bfloat16"])
def test_peak_memory_of_loading(tmp_path, options):
    """GPT-2 medium's shape, 1.4 GB: the peak over the process's baseline is at most 1.3 x the model's weights."""
    sparse_preset(tmp_path / "medium")
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "medium"), json.dumps(options)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    baseline, peak, parameters = json.loads(result.stdout.strip().split("\n")[-1])
    size = parameters * (2 if options else 4)
    assert parameters == records()["gpt2_medium_en"]["parameters"]
    ratio = (peak - baseline) / size
    print(f"{BACKEND}: peak {ratio:.2f} x weights over a baseline of {baseline / 1e6:.0f} MB")
    assert ratio <= 1.3


def command_line(*arguments, **options):
    command = [sys.executable, "-m", "keras_zoo.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


def test_demo(tmp_path):
    result = command_line("demo", "--max-new-tokens", "4", "--picture", str(tmp_path / "seen.png"))
    assert result.returncode == 0, result.stderr
    assert "tokens/s" in result.stdout and "positive (" in result.stdout and "Ankle boot (" in result.stdout
    assert str(tmp_path / "seen.png") in result.stdout
    detectors = embedded_detectors()
    assert all(name in result.stdout for name in detectors) and ("BOTTOM" in result.stdout) == bool(detectors)
    assert (tmp_path / "seen_boxes.png").is_file() == bool(detectors)
    picture = load_image(tmp_path / "seen.png")
    assert min(picture.shape[:2]) > 250 and picture[:250].std() > 50  # the boot on black, enlarged, and its caption
    assert (picture[-60:] < 128).any() and (picture[-60:] > 128).mean() > 0.8


@pytest.mark.once
def test_wheel_in_a_clean_environment(tmp_path):
    """A wheel built from the checkout, installed with nothing but the JAX backend, carries the presets."""
    wheelhouse = Path(sys.prefix) / "wheelhouse"
    if not wheelhouse.is_dir():
        pytest.skip("the wheelhouse is made by `make test`")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."]
    subprocess.run(build, check=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("keras_zoo-*.whl")
    assert wheel.stat().st_size < 40e6
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean/bin/python"
    install = [python, "-m", "pip", "install", "-q", "--no-index", "--find-links", str(wheelhouse), f"{wheel}[jax]"]
    subprocess.run(install, check=True, env=clean_environment())
    code = """
import importlib.util, json, keras_nlp, keras_zoo
import numpy as np
assert not any(importlib.util.find_spec(name) for name in ("tensorflow", "torch", "transformers"))
embedded = keras_zoo.list_presets(embedded=True)
tasks = [keras_zoo.Task.from_preset(name) for name in embedded]
texts = [task.generate("The king", max_new_tokens=8) for task in tasks if hasattr(task, "generate")]
texts += [task.predict(["A warm and funny film."], return_classes=True)[0]["class_name"] for task in tasks[:1]]
black = np.zeros((1, 56, 56, 3), "float32")
shapes = [task.predict(black).shape for task in tasks if hasattr(task, "top_k")]
tokenizer = keras_nlp.models.GPT2Tokenizer.from_preset("gpt2_base_en")
print(json.dumps([keras_zoo.__file__, list(embedded), texts, tokenizer("Hello world"), shapes]))
"""
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, env=clean_environment(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    where, embedded, texts, ids, shapes = json.loads(result.stdout.strip().split("\n")[-1])
    assert where.startswith(str(tmp_path)) and embedded == list(list_presets(embedded=True)) != []
    (text, judged) = texts
    assert text.startswith("The king") and len(text) > 12 and judged == "positive"
    assert ids == [15496, 995] and shapes == [[1, 10]]
    shutil.rmtree(tmp_path / "clean")


def clean_environment():
    """No KERAS_BACKEND either: the only backend that is installed is found."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PIP_", "KERAS"))}
