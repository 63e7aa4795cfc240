"""`keras-zoo` through its real entry point: every command, its help, its errors, and what it is in a pipe."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_nlp import models
from keras_nlp.models import BertTextEmbedder, BertTokenizer, CausalLM, bert
from keras_zoo import Backbone, Task, __version__, list_presets
from keras_zoo.cli import parser
from keras_zoo.cli.tables import count_text, parse_count, size_text, table_lines
from keras_zoo.formats import opening
from keras_zoo.registry import records

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[2]
COMMANDS = (
    ["list"], ["show"], ["download"], ["generate"], ["classify"], ["detect"], ["embed"], ["convert"], ["export"],
    ["upload"], ["cache"], ["cache", "list"], ["cache", "remove"], ["cache", "path"], ["demo"],
)  # fmt: skip
REVIEWS, PROSE = "bert_tiny_en_uncased_reviews", "gpt2_tiny_en_prose"


@pytest.fixture
def pipe(monkeypatch):
    """Puts bytes or text on the standard input."""

    def pipe(data):
        data = data.encode() if isinstance(data, str) else data
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return pipe


# Helps, versions, and how quick they are.


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(run, command):
    """Every example in a help is one that the parser takes."""
    status, out, _ = run(*command, "--help")
    assert status == 0 and f"keras-zoo {' '.join(command)}" in out and max(map(len, out.split("\n"))) <= 100
    if command[0] != "cache" or len(command) == 1:
        examples = re.findall(r"keras-zoo ([^|>\n]+)", out.split("examples:")[1])
        assert examples
        for example in examples:
            assert parser().parse_args(shlex.split(example.removesuffix(')"'))).run


def test_help_of_all(run):
    status, out, _ = run("--help")
    assert status == 0 and "exit status: 0 done, 1 failed" in out
    assert all(re.search(rf"^    {command[0]} ", out, re.MULTILINE) for command in COMMANDS)
    assert run("--version") == (0, f"keras-zoo {__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["list", "--max-parameters", "many"], ["show"], ["cache"]])
def test_wrong_usage(run, arguments):
    status, out, err = run(*arguments)
    assert status == 2 and not out and "usage: keras-zoo" in err


def test_lists_need_no_keras():
    code = (
        "import contextlib, sys\nfrom keras_zoo.cli import main\n"
        "for command in ('list', 'list --task CausalLM --json', 'show gpt2_base_en', 'cache list'):\n"
        "    assert main(command.split()) == 0\n"
        "with contextlib.suppress(SystemExit): main(['embed', '--help'])\n"
        "assert not {'keras', 'jax', 'torch', 'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


# Lists and records.


def names_in(out):
    return [line.split()[0] for line in out.splitlines()[1:]]


def test_list(run):
    status, out, err = run("list")
    assert status == 0 and not err and out.startswith("NAME ")
    mains = {name for name, record in records().items() if "alias_of" not in record}
    assert set(names_in(out)) == mains and len(names_in(out)) == len(mains)
    line = next(line for line in out.splitlines() if line.startswith("gpt2_base_en "))
    assert line.split() == [
        "gpt2_base_en",
        "CausalLM",
        "124.4M",
        "548.1",
        "MB",
        *records()["gpt2_base_en"]["description"].split(),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--family", "gpt2"], list_presets(family="gpt2")),
        (["--task", "TextClassifier"], list_presets(task="TextClassifier")),
        (["--embedded"], list_presets(embedded=True)),
        (["--max-parameters", "5M", "--family", "bert"], list_presets("bert", max_parameters=5_000_000)),
        (["--search", "CHINESE", "--task", "MaskedLM"], ["bert_base_zh"]),
        (["--search", "resnet50_v2_imagenet_classifier"], ["resnet_v2_50_imagenet"]),
    ],
)
def test_filters_of_list(run, options, expected):
    status, out, _ = run("list", *options)
    assert status == 0 and set(names_in(out)) == set(expected)


def test_list_as_json(run):
    status, out, _ = run("list", "--json", "--family", "resnet", "--max-parameters", "12M")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0 and set(rows) == set(list_presets("resnet", max_parameters=12_000_000))
    assert rows["resnet18_imagenet"]["alias_of"] == "resnet_18_imagenet"
    assert rows["resnet_18_imagenet"]["task"] == "ImageClassifier" and rows["resnet_18_imagenet"]["size"] > 44e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--family", "llama"], "no family 'llama'; presets are of bert"),
        (["--task", "Translator"], "no task 'Translator'; known are CausalLM"),
        (["--search", "zzzz"], "no preset fits all of that"),
    ],
)
def test_list_of_nothing(run, options, message):
    status, out, err = run("list", *options)
    assert status == 1 and not out and message in err and err.startswith("keras-zoo: ") and err.count("\n") == 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_a_terminal(width):
    rows = [
        ("resnet_vd_50_ssld_v2_fix_imagenet", "1.2M", "A description that is longer than what is left of the line.")
    ]
    lines = list(table_lines(("NAME", "PARAMS", "DESCRIPTION"), rows, right=(1,), width=width))
    assert max(map(len, lines)) <= width and all(rows[0][0] in line for line in lines[1:])
    assert ("DESCRIPTION" in lines[0]) == (width > 60) and lines[1].endswith({60: "1.2M", 80: "…", 120: "line."}[width])


def test_numbers_for_people():
    assert [count_text(n) for n in (500, 1_251_898, 999_600_000, 1_557_611_200)] == ["500", "1.3M", "1.00B", "1.56B"]
    assert [size_text(n) for n in (0, 999, 1_000, 548_090_880)] == ["0 bytes", "999 bytes", "1.0 kB", "548.1 MB"]
    assert [parse_count(text) for text in ("500k", "30M", "1.5B", "7")] == [500_000, 30_000_000, 1_500_000_000, 7]


def test_show_what_is_embedded(run):
    status, out, _ = run("show", REVIEWS)
    record = records()[REVIEWS]
    for text in (
        "TextClassifier, BertTextClassifier",
        "5,793,666",
        "negative, positive",
        "sequence_length=128",
        "Apache-2.0",
    ):
        assert text in out
    assert status == 0 and record["folder"] in out and "model.safetensors, 11.6 MB" in out
    _, out, _ = run("show", REVIEWS, "--json")
    found = json.loads(out)
    assert found["classes"] == ["negative", "positive"] and found["files"]["config.json"] > 100


def test_show_a_folder(run, embedder):
    status, out, _ = run("show", embedder[0])
    assert status == 0 and "TextEmbedder, BertTextEmbedder" in out and "pooling_mode='mean'" in out
    assert "layout         keras_zoo\n" in out and "float32" in out and "the folder does not say" in out
    (embedder[0] / "README.md").write_text("---\nlibrary_name: keras\nlicense: mit\n---\n# Mine\n")
    _, out, _ = run("show", embedder[0], "--json")
    found = json.loads(out)
    assert found["license"] == "mit" and found["dtypes"] == ["float32"]
    assert found["stored_values"] == embedder[1].count_params() and found["network"]["num_layers"] == 1
    _, out, _ = run("show", f"file://{records()[PROSE]['folder']}")
    assert "GPT2CausalLM" in out and "float16" in out


@pytest.mark.parametrize("preset", ["gpt2_bse_en", "./nothing", "file:///nothing"])
def test_show_what_is_not_there(run, preset):
    status, out, err = run("show", preset)
    assert status == 1 and not out and preset in err and "Traceback" not in err


# Models.


def test_generate(run, pipe):
    options = ("--max-new-tokens", "6", "--sampler", "greedy")
    status, out, err = run("generate", PROSE, "The king", *options)
    expected = CausalLM.from_preset(PROSE).generate("The king", max_new_tokens=6, sampler="greedy")
    assert (status, out) == (0, expected + "\n") and re.fullmatch(r"\[6 tokens, \d+ tokens/s\]\n", err)
    pipe("The king\n")
    status, out, err = run("generate", PROSE, "-", *options, "--json")
    found = json.loads(out)
    assert status == 0 and not err and found["prompt"] + found["text"] == expected and found["tokens"] == 6


def test_generate_refused(run):
    status, _, err = run("generate", PROSE, "x", "--sampler", "greedy", "--temperature", "2")
    assert status == 1 and "--temperature belongs to the default sampler" in err
    assert run("generate", PROSE, "x", "--sampler", "best")[0] == 2
    status, _, err = run("generate", REVIEWS, "x")
    assert status == 1 and "is a BertTextClassifier, which does not write text" in err
    status, _, err = run("generate", "bert_base_en_uncased", "x", "--offline")  # known before weights are fetched
    assert status == 1 and "is a BertMaskedLM, which does not write text" in err


TEXTS = ["A warm and funny film.", "A complete waste of time."]


def test_classify(run, pipe):
    status, out, _ = run("classify", REVIEWS, *TEXTS)
    good, bad = out.strip().split("\n")
    assert status == 0 and good.startswith("positive (") and good.endswith(TEXTS[0]) and bad.startswith("negative (")
    pipe("".join(f"{text}\n" for text in TEXTS))
    assert run("classify", REVIEWS, "-")[1] == out
    _, out, _ = run("classify", REVIEWS, TEXTS[1], "--json")
    assert json.loads(out)[0]["class_name"] == "negative" and json.loads(out)[0]["input"] == TEXTS[1]


def test_classify_refused(run, pipe):
    pipe("")
    status, _, err = run("classify", REVIEWS, "-")
    assert status == 1 and "the standard input is empty" in err
    pipe(b"\xff\xfe")
    status, _, err = run("classify", REVIEWS, "-")
    assert status == 1 and "is not text in UTF-8" in err
    status, _, err = run("classify", PROSE, "x")
    assert status == 1 and "does not put texts or images into classes" in err


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        ("BertTokenClassifier", {"class_names": ["O", "PER"]}, "is a BertTokenClassifier, which does not put"),
        ("BertTextClassifier", {"num_classes": 2, "preprocessor": None}, "has no preprocessor: it takes tensors"),
        ("BertTextClassifier", {"problem": "regression"}, "gives numbers, not classes"),
    ],
)
def test_classify_by_other_heads(run, tmp_path, cls, arguments, message):
    preprocessor = bert.FAMILY.tiny_preprocessors[cls]()
    arguments = {"preprocessor": preprocessor} | arguments
    getattr(models, cls)(models.BertBackbone(**bert.FAMILY.tiny), **arguments).save_to_preset(tmp_path / "x")
    status, _, err = run("classify", tmp_path / "x", "x")
    assert status == 1 and message in err


def test_lines_of_windows(run, pipe):
    pipe("\ufeffA fine film.\r\nDull.\r\n")
    found = json.loads(run("classify", REVIEWS, "-", "--json")[1])
    assert [answer["input"] for answer in found] == ["A fine film.", "Dull."]


def test_classify_images(run, pipe, tmp_path):
    example = Path(records()["resnet_tiny_fashion_mnist"]["folder"]) / "example.png"
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "deep" / "boot.png").write_bytes(example.read_bytes())
    pipe(example.read_bytes())
    status, out, _ = run("classify", "resnet_tiny_fashion_mnist", example, tmp_path / "photos", "-", "--json")
    found = json.loads(out)
    assert status == 0 and {x["class_name"] for x in found} == {"Ankle boot"}
    assert [x["input"] for x in found] == [str(example), str(tmp_path / "photos" / "deep" / "boot.png"), "stdin"]
    assert found[0]["probability"] == found[0]["probabilities"]["Ankle boot"] == pytest.approx(0.906, abs=0.01)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("nothing.png", "does not exist"),
        ("text.png", "is not an image"),
        ("empty", "no image files"),
    ):
        status, _, err = run("classify", "resnet_tiny_fashion_mnist", tmp_path / name)
        assert status == 1 and message in err and str(tmp_path / name) in err


def test_embed(run, pipe, embedder, tmp_path):
    folder, model = embedder
    texts = ["the king", "the sea, and", "", "an old man"]
    expected = model.embed(texts)
    (tmp_path / "texts.txt").write_text("\n".join(texts[2:]) + "\n")
    status, out, err = run("embed", folder, *texts[:2], "--file", tmp_path / "texts.txt")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and not err and [row["text"] for row in rows] == texts
    np.testing.assert_array_equal(np.float32([row["vector"] for row in rows]), expected)
    pipe("\n".join(texts))
    assert run("embed", folder, "-")[1] == out
    for name in ("x.npy", "x.npz", "x.jsonl"):
        assert run("embed", folder, *texts, "--out", tmp_path / name, "--batch-size", 2)[:2] == (
            0,
            f"{tmp_path / name}\n",
        )
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, atol=1e-6)
    arrays = np.load(tmp_path / "x.npz")
    np.testing.assert_allclose(arrays["vectors"], expected, atol=1e-6)
    assert arrays["texts"].tolist() == texts and len((tmp_path / "x.jsonl").read_text().splitlines()) == 4


def test_embed_with_a_prompt(run, embedder, monkeypatch):
    folder, model = embedder
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "the queen "}}')
    _, out, _ = run("embed", folder, "sang", "--prompt", "query")
    np.testing.assert_array_equal(np.float32(json.loads(out)["vector"]), model.embed("the queen sang"))
    status, _, err = run("embed", folder, "sang", "--prompt", "passage")
    assert status == 1 and "has no prompt 'passage': it has query" in err
    status, _, err = run("embed", "all_minilm_l6_v2_en", "sang", "--prompt", "query")
    assert status == 1 and "'all_minilm_l6_v2_en' has no prompt 'query': it has none" in err


def test_embed_refused(run, embedder, tmp_path):
    assert run("embed", embedder[0])[0] == 2
    status, _, err = run("embed", embedder[0], "x", "--out", "x.csv")
    assert status == 2 and "--out must end with one of .npy, .npz, .jsonl; got 'x.csv'" in err
    status, _, err = run("embed", embedder[0], "--file", tmp_path / "nothing.txt")
    assert status == 1 and err == f"keras-zoo: {tmp_path / 'nothing.txt'}: No such file or directory\n"
    status, _, err = run("embed", PROSE, "x")
    assert status == 1 and "is a GPT2CausalLM, which does not give texts vectors" in err


@pytest.mark.parametrize("layout", opening.WRITERS)
def test_convert_to_any_layout(run, embedder, tmp_path, layout):
    """From the folder that it writes the same model loads, in every layout that can be written."""
    status, out, _ = run("convert", embedder[0], tmp_path / "other", "--format", layout)
    assert (status, out) == (0, f"{tmp_path / 'other'}\n")
    found, expected = (x.embed(["the king"]) for x in (Task.from_preset(tmp_path / "other"), embedder[1]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_convert(run, embedder, tmp_path):
    folder, model = embedder
    texts, own = ["the king and the queen"], ("--format", "keras_zoo")
    status, out, _ = run("convert", folder, tmp_path / "hf", "--format", "transformers")
    assert (status, out) == (0, f"{tmp_path / 'hf'}\n") and (tmp_path / "hf" / "modules.json").is_file()
    status, out, _ = run(
        "convert", tmp_path / "hf", tmp_path / "own", "--format", "keras_zoo", "--dtype", "bfloat16", "--json"
    )
    assert "model.safetensors" in json.loads(out)["files"] and status == 0
    found = Task.from_preset(tmp_path / "own")
    assert type(found) is BertTextEmbedder and found.dtype_policy.name == "bfloat16"
    np.testing.assert_allclose(found.embed(texts), model.embed(texts), atol=0.05)
    status, _, err = run("convert", folder, tmp_path / "own", *own)
    assert status == 1 and err == f"keras-zoo: '{tmp_path / 'own'}' is not empty; --force writes into it.\n"
    run("convert", folder, tmp_path / "own", *own, "--force", "--max-shard-size", "2KB")
    assert len(list((tmp_path / "own").glob("model-*.safetensors"))) > 1
    np.testing.assert_array_equal(Task.from_preset(tmp_path / "own").embed(texts), model.embed(texts))


def test_convert_a_bare_backbone(run, embedder, tmp_path):
    """With its tokenizer, in this library's own layout."""
    bare = tmp_path / "bare"
    embedder[1].backbone.save_to_preset(bare, format="transformers")
    embedder[1].preprocessor.tokenizer.write_assets(bare, "vocab.txt")
    assert run("convert", bare, tmp_path / "own", "--format", "keras_zoo")[0] == 0
    weights = [x.get_weights() for x in (Backbone.from_preset(tmp_path / "own"), embedder[1].backbone)]
    assert all((a == b).all() for a, b in zip(*weights, strict=True))
    assert BertTokenizer.from_preset(tmp_path / "own").vocabulary == embedder[1].preprocessor.tokenizer.vocabulary
    assert run("convert", bare, tmp_path / "hf", "--format", "transformers")[0] == 0


# Processes: pipes, interruptions, backends.


def process(*arguments, **options):
    command = [sys.executable, "-m", "keras_zoo.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, **options)


def test_a_reader_that_goes_away():
    for arguments in (["list"], ["show", REVIEWS, "--json"]):
        running = process(*arguments)
        running.stdout.close()
        assert running.wait() == 0 and running.stderr.read() == b""


def test_interrupted():
    def listen():  # a shell has what it starts in the background ignore interrupts, and that is inherited
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    running = process("classify", REVIEWS, "-", stdin=subprocess.PIPE, preexec_fn=listen)
    time.sleep(1.5)  # it waits for its input
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130 and b"Traceback" not in err


def test_another_backend(embedder):
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    running = process("embed", embedder[0], "the king", "--backend", "torch", env=environment)
    out, err = running.communicate()
    assert running.returncode == 0, err
    np.testing.assert_allclose(json.loads(out)["vector"], embedder[1].embed("the king"), atol=1e-5)
    assert b"%|" not in err  # no progress bar where nobody looks


def test_a_backend_that_is_not_there(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, err = run("embed", "x", "y", "--backend", "torch")
    assert status == 1 and "is not installed: pip install 'keras-zoo[" in err
