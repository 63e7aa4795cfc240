"""The files that sentence-transformers puts beside a transformers folder: how the vectors are pooled."""

from pathlib import Path

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, read_json, read_json_list, read_optional, write_json

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
POOLING_CONFIG = "1_Pooling/config.json"
MODES = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}
READ = ("Transformer", "Pooling", "Normalize")


def read(folder):
    """The arguments of a `TextEmbedder`: `pooling_mode` and `normalize`."""
    modules = read_json_list(folder / MODULES)
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, dict)]
    if kinds not in (list(READ[:2]), list(READ)):
        raise PresetError(f"{folder / MODULES} lists {kinds}; TextEmbedder expresses {list(READ)}, the last optional.")
    path = file_in(folder, Path(modules[1].get("path") or "1_Pooling") / "config.json")
    if path is None:
        raise PresetError(
            f"{folder / MODULES} names the folder {modules[1].get('path')!r:.200}, without a config.json."
        )
    pooling = read_json(path)
    wanted = (
        [str(pooling["pooling_mode"])]
        if "pooling_mode" in pooling
        else [name for name, value in pooling.items() if name.startswith("pooling_mode") and value is True]
    )
    modes = [mode for mode, name in MODES.items() if wanted in ([name], [mode])]
    if not modes:
        raise PresetError(f"{path} asks for {wanted}; TextEmbedder pools by one of {list(MODES)}.")
    check_settings(folder, pooling.get("word_embedding_dimension", pooling.get("embedding_dimension")))
    return {"pooling_mode": modes[0], "normalize": "Normalize" in kinds}


def check_settings(folder, width):
    """`PresetError` where sentence-transformers would put words before each text, or cut the vectors of `width`."""
    settings, path = read_optional(folder, SETTINGS), folder / SETTINGS
    name, prompts = settings.get("default_prompt_name"), settings.get("prompts") or {}
    if name is not None and prompts.get(name):
        raise PresetError(
            f"{path} has the default_prompt_name {name!r}: {prompts[name]!r:.100} would stand before each text, which "
            "TextEmbedder does not express. Set it to null and put the prompt into the texts yourself."
        )
    cut = settings.get("truncate_dim")
    if cut is not None and not (isinstance(cut, int) and isinstance(width, int) and cut >= width):
        raise PresetError(
            f"{path} has truncate_dim={cut!r} for vectors of {width}, which TextEmbedder does not express. Set it to "
            "null and cut the vectors yourself."
        )


def sequence_length(folder):
    """The length that texts are cut to, None where the folder does not say."""
    return read_optional(folder, "sentence_bert_config.json").get("max_seq_length")


def lowercases(folder):
    """Whether texts are lower-cased, whatever the tokenizer does."""
    return bool(read_optional(folder, "sentence_bert_config.json").get("do_lower_case"))


def write(task, folder):
    """Writes the files for `task`, a `TextEmbedder`."""
    kinds = READ if task.normalize else READ[:2]
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=False))
    ]
    write_json(folder / MODULES, modules)
    width = {"word_embedding_dimension": task.backbone.hidden_dim}
    write_json(folder / POOLING_CONFIG, width | {name: task.pooling_mode == mode for mode, name in MODES.items()})
    if task.preprocessor is not None:
        length = {"max_seq_length": task.preprocessor.sequence_length, "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", length)
