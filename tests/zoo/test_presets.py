"""from_preset and save_to_preset: what loads, and what is refused with a clear word."""

import json
import os
import shutil
import struct

import keras
import numpy as np
import pytest

import keras_zoo
from keras_nlp.models import CausalLM, GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_zoo import Backbone, Preprocessor, PresetError, Task
from keras_zoo.formats.safetensors_file import read_header
from keras_zoo.registry import records


@pytest.fixture
def folder(lm, tmp_path):
    lm.save_to_preset(tmp_path / "preset")
    return tmp_path / "preset"


def values(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


def assert_equal_weights(a, b):
    for x, y in zip(values(a), values(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_files(folder):
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert found == [
        "README.md",
        "assets/tokenizer/config.json",
        "assets/tokenizer/merges.txt",
        "assets/tokenizer/vocabulary.json",
        "config.json",
        "metadata.json",
        "model.safetensors",
        "preprocessor.json",
        "task.json",
    ]
    assert json.loads((folder / "config.json").read_text())["registered_name"] == "keras_zoo>GPT2Backbone"


def test_everything_comes_back(lm, folder):
    again = GPT2CausalLM.from_preset(str(folder))
    assert_equal_weights(again, lm)
    assert again.get_config() == lm.get_config()
    assert again.generate("the king", sampler="greedy") == lm.generate("the king", sampler="greedy")


@pytest.mark.parametrize("base", [Task, CausalLM, GPT2CausalLM])
def test_base_classes_find_the_family(base, folder):
    assert type(base.from_preset(folder)) is GPT2CausalLM


def test_parts(lm, folder):
    assert type(Backbone.from_preset(folder)) is GPT2Backbone
    assert type(Preprocessor.from_preset(folder)) is GPT2CausalLMPreprocessor
    assert GPT2CausalLMPreprocessor.from_preset(folder, sequence_length=7).sequence_length == 7
    assert GPT2Tokenizer.from_preset(folder)("the sea") == lm.preprocessor.tokenizer("the sea")
    assert GPT2CausalLM.from_preset(folder, preprocessor=None).preprocessor is None
    assert GPT2CausalLM.from_preset(f"file://{folder}").name == lm.name


def test_subclass_of_ones_own(folder):
    class Mine(GPT2CausalLM):
        pass

    mine = Mine.from_preset(folder)
    assert type(mine) is Mine
    mine.save_to_preset(folder)
    assert type(Task.from_preset(folder)) is GPT2CausalLM and type(Mine.from_preset(folder)) is Mine


def test_overrides(lm, folder):
    again = GPT2CausalLM.from_preset(folder, dropout=0.3, dtype="mixed_bfloat16", name="mine")
    assert again.backbone.dropout == 0.3 and again.name == "mine"
    assert again.dtype_policy.name == again.backbone.dtype_policy.name == "mixed_bfloat16"
    small = GPT2Backbone.from_preset(folder, load_weights=False, num_layers=1)
    assert small.num_layers == 1 and len(small.weights) < len(lm.weights)
    fresh = GPT2CausalLM.from_preset(folder, load_weights=False)
    assert not np.array_equal(values(fresh)[0], values(lm)[0])
    with pytest.raises(ValueError, match=r"does not take \['num_layer'\]; it takes .*num_layers"):
        GPT2CausalLM.from_preset(folder, num_layer=3)


def test_other_dtypes_on_disk(lm, tmp_path):
    """A half-precision preset loads as float32, a float32 one as half, each rounded once."""
    model = GPT2CausalLM.from_preset(saved(lm, tmp_path / "float32"), dtype="bfloat16")
    again = GPT2CausalLM.from_preset(saved(model, tmp_path / "bfloat16"), dtype="float32")
    for a, b in zip(values(again), values(lm), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2**-8, atol=1e-6)
    assert GPT2CausalLM.from_preset(tmp_path / "bfloat16").dtype_policy.name == "bfloat16"
    assert {str(t.dtype) for t in read_header(tmp_path / "bfloat16/model.safetensors").values()} == {"bfloat16"}


def test_half_precision_storage(lm, tmp_path):
    """A file of half the size that loads as float32."""
    folder = saved(lm, tmp_path / "half", weights_dtype="float16")
    assert {str(t.dtype) for t in read_header(folder / "model.safetensors").values()} == {"float16"}
    again = GPT2CausalLM.from_preset(folder)
    assert again.dtype_policy.name == "float32"
    for a, b in zip(values(again), values(lm), strict=True):
        np.testing.assert_allclose(a, b, rtol=2**-10, atol=1e-6)


def saved(model, folder, **options):
    model.save_to_preset(folder, **options)
    return folder


def test_shards(lm, tmp_path):
    folder = saved(lm, tmp_path / "sharded", max_shard_size=1e-5)
    assert len(list(folder.glob("model-*.safetensors"))) > 2 and not (folder / "model.safetensors").exists()
    assert_equal_weights(GPT2CausalLM.from_preset(folder), lm)
    saved(lm, folder)  # as one file again: no stale shard stays
    assert [p.name for p in folder.glob("model*")] == ["model.safetensors"]
    assert_equal_weights(GPT2CausalLM.from_preset(folder), lm)


def test_published_presets_without_a_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sizes = {"gpt2_base_en": 12, "gpt2_medium_en": 24, "gpt2_large_en": 36, "gpt2_extra_large_en": 48}
    for name, layers in sizes.items():
        record = keras_zoo.list_presets(family="gpt2")[name]
        assert record["config"]["num_layers"] == layers and not record["embedded"]
    model = CausalLM.from_preset("gpt2_base_en", load_weights=False, num_layers=1, dtype="bfloat16")
    assert model.backbone.hidden_dim == 768 and model.preprocessor.tokenizer("Hello world") == [15496, 995]
    assert model.preprocessor.add_start_token and model.preprocessor.sequence_length == 1024
    with pytest.raises(PresetError, match=r"could not be had from any of its sources(.|\n)*load_weights=False"):
        GPT2CausalLM.from_preset("gpt2_base_en")


def test_parameter_counts_of_records():
    records = [keras_zoo.list_presets(family, embedded=False) for family in ("gpt2", "bert")]
    for record in (record for found in records for record in found.values()):
        config = record["config"]
        width, inner, layers = config["hidden_dim"], config["intermediate_dim"], config["num_layers"]
        block = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
        rows = config["vocabulary_size"] + config["max_sequence_length"] + config.get("num_segments", 0)
        pooler = width * width + width if record["family"] == "bert" else 0
        assert record["parameters"] == rows * width + layers * block + 2 * width + pooler


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt2_base", "Did you mean .*'gpt2_base_en'"),
        ("nothing_like_it_at_all_zzz", "There is no preset and no folder"),
        ("./not/there", "no file and no folder './not/there'"),
        ("best.pt", "no file and no folder 'best.pt'"),
        ("openai-community/gpt2", "Is it 'hf://openai-community/gpt2'"),
        ("s3://bucket/x", "scheme 's3' is not known"),
        ("hf://gpt2", "not of the form"),
        ("file:///not/there", "not a folder"),
        (None, "got None"),
        ("", "got ''"),
    ],
)
def test_unknown_presets(name, message):
    with pytest.raises(PresetError, match=message):
        Task.from_preset(name)


def test_wrong_kind(folder, tmp_path):
    with pytest.raises(PresetError, match="a preset is a folder"):
        Task.from_preset(str(folder / "config.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PresetError, match=r"no config.json \(it holds nothing\)"):
        Task.from_preset(tmp_path / "empty")
    with pytest.raises(PresetError, match="is a GPT2CausalLM, not a Other"):
        other = type("Other", (CausalLM,), {})
        other.from_preset(folder)


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


BROKEN_CONFIGS = {
    "not JSON": (lambda p: p.write_text("{"), "cannot be read"),
    "a list": (lambda p: p.write_text("[]"), "JSON object"),
    "not text": (lambda p: p.write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "another library": (lambda p: p.write_text('{"foo": 1}'), r"has \['foo'\](.|\n)*\| transformers \|"),
    "unknown class": (lambda p: edit(p, lambda d: d.update(class_name="os.system")), "no family here has"),
    "unknown model type": (lambda p: p.write_text('{"model_type": "llama"}'), "known model types are"),
    "a key too many": (lambda p: edit(p, lambda d: d["config"].update(depth=3)), "does not fit GPT2Backbone"),
    "a key too few": (lambda p: edit(p, lambda d: d["config"].pop("num_heads")), "does not fit GPT2Backbone"),
    "heads": (lambda p: edit(p, lambda d: d["config"].update(num_heads=3)), "multiple of num_heads"),
    "no heads": (lambda p: edit(p, lambda d: d["config"].update(num_heads=0)), "does not fit GPT2Backbone"),
    "a dtype object": (lambda p: edit(p, lambda d: d["config"].update(dtype={"module": "os"})), "name of a policy"),
    "no config": (lambda p: edit(p, lambda d: d.pop("config")), "class_name and a config"),
}


@pytest.mark.parametrize("kind", BROKEN_CONFIGS)
def test_broken_configs(folder, kind):
    change, message = BROKEN_CONFIGS[kind]
    change(folder / "config.json")
    with pytest.raises(ValueError, match=message):
        Task.from_preset(folder)


def header_of(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_with_header(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def claim(name, **entry):
    """An edit of a weights file whose header claims something else of one tensor."""

    def change(path):
        header, body = header_of(path)
        header[name] = header[name] | entry
        write_with_header(path, header, body)

    return change


NORM = "layer_norm/gamma"
BROKEN_WEIGHTS = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-1000]), "truncated or corrupt"),
    "empty": (lambda p: p.write_bytes(b""), "truncated or corrupt"),
    "a word": (lambda p: p.write_bytes(b"hello"), "truncated or corrupt"),
    "header too long": (lambda p: p.write_bytes(struct.pack("<Q", 1 << 60) + b"{}"), "its header claims"),
    "header not JSON": (lambda p: p.write_bytes(struct.pack("<Q", 4) + b"nope"), "truncated or corrupt"),
    "header a list": (lambda p: p.write_bytes(struct.pack("<Q", 2) + b"[]"), "does not hold a JSON object"),
    "10 TB": (claim(NORM, shape=[10**13]), "should take"),
    "negative": (claim(NORM, shape=[-16]), "no whole numbers"),
    "outside": (claim(NORM, data_offsets=[10**9, 10**9 + 64]), "the file ends"),
    "unknown dtype": (claim(NORM, dtype="F8"), "dtype 'F8'"),
    "deep": (lambda p: p.write_bytes(struct.pack("<Q", 200_000) + b"[" * 200_000), "truncated or corrupt"),
    "missing": (lambda p: p.unlink(), "holds no weights"),
}


@pytest.mark.parametrize("kind", BROKEN_WEIGHTS)
def test_broken_weights(folder, kind):
    change, message = BROKEN_WEIGHTS[kind]
    change(folder / "model.safetensors")
    with pytest.raises(PresetError, match=message):
        Task.from_preset(folder)
    assert GPT2CausalLM.from_preset(folder, load_weights=False).preprocessor is not None
    keras.layers.Dense(2).build((None, 3))  # a failed load leaves nothing behind that breaks the next layer
    with keras.StatelessScope():
        pass


def test_all_problems_at_once(folder):
    header, body = header_of(folder / "model.safetensors")
    header["extra/kernel"] = header.pop(NORM)
    header["layer_norm/beta"]["shape"] = [4, 4]
    write_with_header(folder / "model.safetensors", header, body)
    with pytest.raises(PresetError) as error:
        Task.from_preset(folder)
    message = str(error.value)
    assert "1 missing from the file:\n    layer_norm/gamma" in message
    assert "1 in the file but not in the model:\n    extra/kernel" in message
    assert "1 of another shape:\n    layer_norm/beta: the file has (4, 4), expected (16,)" in message


def test_another_size_is_named(folder):
    with pytest.raises(PresetError, match=r"of another shape(.|\n)*the file has \(300, 16\), expected \(301, 16\)"):
        GPT2CausalLM.from_preset(folder, vocabulary_size=301)


@pytest.mark.parametrize("sizes", [{"hidden_dim": 2**31 - 2}, {"vocabulary_size": 2**31 - 1}, {"num_layers": 10**6}])
def test_sizes_are_refused_before_anything_is_made(sizes, folder):
    """Under every backend; see test_hostile_presets for more of the kind."""
    edit(folder / "config.json", lambda data: data["config"].update(sizes))
    with pytest.raises(PresetError, match=r"that no file fills|layers; a file may have"):
        GPT2Backbone.from_preset(folder, load_weights=False)


def test_shard_indices_cannot_reach_outside(lm, tmp_path):
    folder = saved(lm, tmp_path / "sharded", max_shard_size=1e-5)
    index = folder / "model.safetensors.index.json"
    for name in ("../secret.safetensors", "/etc/passwd", "gone.safetensors", 7):
        edit(index, lambda d, name=name: d["weight_map"].update({NORM: name}))
        with pytest.raises(PresetError):
            Task.from_preset(folder)
        edit(index, lambda d: d["weight_map"].pop(NORM))


def test_without_tokenizer_files(lm, folder):
    shutil.rmtree(folder / "assets")
    with pytest.raises(PresetError, match="preprocessor=None"):
        Task.from_preset(folder)
    assert_equal_weights(Task.from_preset(folder, preprocessor=None), lm)


def test_saving_keeps_what_else_is_in_the_folder(lm, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "README.md").write_text("my card")
    lm.backbone.save_to_preset(folder)
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "README.md").read_text() == "my card"
    assert not (folder / "task.json").exists()  # the folder now holds a bare backbone
    lm.preprocessor.save_to_preset(folder)
    assert type(Preprocessor.from_preset(folder)) is GPT2CausalLMPreprocessor


def test_saving_is_all_or_nothing(lm, folder, monkeypatch):
    """An error in the middle of writing leaves the old preset whole, and nothing beside it."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_zoo.formats.native.write_tensors", full_disk)
    with pytest.raises(PresetError, match=r"No space left on device(.|\n)*untouched"):
        lm.save_to_preset(folder)
    with pytest.raises(PresetError, match="No space left"):
        lm.save_to_preset(folder.parent / "new")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in folder.parent.iterdir()) == ["preset"]
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_a_failing_rename_is_undone(lm, folder, monkeypatch):
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    move, count = os.replace, iter(range(100))

    def failing(source, target):
        if next(count) == 9:
            raise OSError(5, "Input/output error")
        move(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(PresetError, match="Input/output error"):
        lm.save_to_preset(folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_saving_does_not_disturb_the_folder(lm, folder, monkeypatch):
    """An open log goes on, the working directory stays, other weights stay, links are not written through."""
    (folder / "model_ema.safetensors").write_text("mine")
    outside = folder.parent / "precious.json"
    outside.write_text("{}")
    (folder / "preprocessor.json").unlink()
    (folder / "preprocessor.json").symlink_to(outside)
    monkeypatch.chdir(folder)
    with open(folder / "log.csv", "a") as log:
        lm.save_to_preset(".")
        log.write("line")
    assert os.getcwd() == str(folder) and (folder / "log.csv").read_text() == "line"
    assert (folder / "model_ema.safetensors").read_text() == "mine" and outside.read_text() == "{}"
    assert not (folder / "preprocessor.json").is_symlink()
    shutil.move(folder / "assets", folder.parent / "elsewhere")
    (folder / "assets").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(PresetError, match="symbolic link"):
        lm.save_to_preset(folder)


def test_parts_saved_alone(lm, tmp_path):
    lm.preprocessor.save_to_preset(tmp_path / "preprocessor")
    again = Preprocessor.from_preset(tmp_path / "preprocessor")
    assert again.get_config() == lm.preprocessor.get_config()
    with pytest.raises(PresetError, match="holds no model"):
        Task.from_preset(tmp_path / "preprocessor")


def test_bad_save_options(lm, tmp_path):
    for options, message in (
        ({"weights_dtype": "int8"}, "weights_dtype must be one of"),
        ({"max_shard_size": 0}, "greater than 0"),
        ({"max_shard_size": "5GB"}, "a number, of GB, such as 5 or 0.5; got '5GB'"),
        ({"shards": 3}, r"does not take \['shards'\]; it takes max_shard_size, weights_dtype, merge_lora, record\."),
        (
            {"format": "transformers", "weights_dtype": "float16"},
            r"does not take .*; it takes max_shard_size, record\.",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            lm.save_to_preset(tmp_path / "new", **options)
    assert not list(tmp_path.iterdir())
    for folder in ("", "hf://me/new"):
        with pytest.raises(ValueError, match=r"saved into a folder; got .*upload_preset"):
            lm.save_to_preset(folder)


def test_arguments_of_a_subclass_are_not_lost_in_silence(lm, tmp_path):
    class Scaled(GPT2CausalLM):
        def __init__(self, backbone, preprocessor=None, scale=1.0, **kwargs):
            super().__init__(backbone, preprocessor, **kwargs)
            self.scale = scale

    with pytest.raises(PresetError, match=r"does not take: \['scale'\]"):
        Scaled(lm.backbone, scale=2.0).save_to_preset(tmp_path / "scaled")


def test_half_written_folders(lm, folder):
    """What another program left unfinished is an error when read, and is replaced when written."""
    for name in ("model.safetensors", "config.json"):
        (folder / name).unlink()
        with pytest.raises(PresetError):
            Task.from_preset(folder)
    lm.save_to_preset(folder)
    assert_equal_weights(Task.from_preset(folder), lm)


def test_unwritable_targets(lm, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PresetError, match="is a file"):
        lm.save_to_preset(tmp_path / "file")
    with pytest.raises(PresetError, match="cannot be written"):
        lm.save_to_preset(tmp_path / "file" / "below")
    if os.access("/proc/self", os.W_OK) or os.geteuid() == 0:
        with pytest.raises(PresetError, match="cannot be written"):
            lm.save_to_preset("/proc/nowhere")
    with pytest.raises(ValueError, match="format must be one of"):
        lm.save_to_preset(tmp_path / "x", format="onnx")
    assert not (tmp_path / "x").exists()


def test_nothing_from_a_file_is_executed(folder, monkeypatch):
    """A module path in a configuration is not imported, whatever it says."""
    import importlib

    load = importlib.import_module

    def refuse(name, *args):
        assert name in ("keras_nlp", "keras_cv"), name
        return load(name, *args)

    edit(folder / "config.json", lambda d: d.update(module="evil", class_name="GPT2Backbone"))
    edit(folder / "task.json", lambda d: d.update(module="evil"))
    Task.from_preset(folder)
    monkeypatch.setattr(importlib, "import_module", refuse)
    edit(folder / "task.json", lambda d: d.update(class_name="evil.Task"))
    with pytest.raises(PresetError, match="unknown class"):
        GPT2CausalLM.from_preset(folder)


def test_records_name_known_things():
    for name, record in records().items():
        assert record["class_name"] and record["description"] and record["license"] and record["parameters"], name
