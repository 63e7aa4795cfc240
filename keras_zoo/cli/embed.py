"""`keras-zoo embed`: texts as vectors."""

import json
import sys
from pathlib import Path

from keras_zoo.cli.inputs import add_texts, texts_of
from keras_zoo.cli.loading import PRESET, add_command, add_model_options, load

SUFFIXES = (".npy", ".npz", ".jsonl")


def add(commands):
    command = add_command(
        commands,
        "embed",
        "give texts a vector each",
        "Prints a line of JSON for each text, with text and vector, or writes a file: .npy holds the vectors as an "
        "array of float32 (texts, width), .npz that as `vectors` with the `texts`, .jsonl the lines.",
        (
            "keras-zoo embed all_minilm_l6_v2_en 'A cat sleeps.' 'Stocks fell.'",
            "keras-zoo embed all_minilm_l6_v2_en --file titles.txt --out titles.npy",
            "sort -u queries.txt | keras-zoo embed bge_small_v1.5_en - --prompt query > queries.jsonl",
        ),
    )
    command.add_argument("preset", help=PRESET)
    add_texts(command, "texts")
    command.add_argument("--out", type=Path, metavar="FILE", help=f"write there: {', '.join(SUFFIXES)}")
    command.add_argument("--prompt", metavar="NAME", help="put the preset's prompt of this name before each text")
    command.add_argument("--batch-size", type=int, metavar="N", help="texts in a batch (default: 4,096 tokens)")
    command.add_argument("--json", action="store_true", help="print lines of JSON: the default")
    add_model_options(command)
    command.set_defaults(run=run, usage=command)


def run(arguments):
    if arguments.out is not None and arguments.out.suffix not in SUFFIXES:
        arguments.usage.error(f"--out must end with one of {', '.join(SUFFIXES)}; got {str(arguments.out)!r}")
    texts = texts_of(arguments)
    prompt = "" if arguments.prompt is None else prompt_of(arguments)
    embedder = load(arguments, arguments.preset, "embed", "give texts vectors")
    vectors = embedder.embed([prompt + text for text in texts], arguments.batch_size)
    if arguments.out is None:
        write_lines(sys.stdout, texts, vectors)
        return
    save(arguments.out, texts, vectors)
    print(arguments.out)


def save(path, texts, vectors):
    import numpy as np

    if path.suffix == ".npy":
        np.save(path, vectors)
    elif path.suffix == ".npz":
        np.savez(path, vectors=vectors, texts=np.asarray(texts))
    else:
        with path.open("w", encoding="utf-8") as file:
            write_lines(file, texts, vectors)


def write_lines(file, texts, vectors):
    for text, vector in zip(texts, vectors, strict=True):
        numbers = [float(str(x)) for x in vector]  # as few digits as tell float32 numbers apart
        print(json.dumps({"text": text, "vector": numbers}, ensure_ascii=False), file=file)


def prompt_of(arguments):
    """The prompt that was asked for, by the preset's record or by the sentence-transformers file in its folder."""
    from keras_zoo import sources
    from keras_zoo.formats.files import read_json
    from keras_zoo.records import records

    preset, name = arguments.preset, arguments.prompt
    if preset in records():
        prompts = records()[preset].get("prompts", {})
    else:
        settings = sources.download(preset, arguments.offline) / "config_sentence_transformers.json"
        prompts = (read_json(settings).get("prompts") or {}) if settings.is_file() else {}
    if name not in prompts:
        known = f"it has {', '.join(sorted(prompts))}" if prompts else "it has none"
        raise ValueError(f"{preset!r} has no prompt {name!r}: {known}.")
    return prompts[name]
