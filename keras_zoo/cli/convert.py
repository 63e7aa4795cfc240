"""`keras-zoo convert`: a preset in another layout."""

from pathlib import Path

from keras_zoo.cli.loading import PRESET, add_command, add_json, add_model_options, offline, options
from keras_zoo.cli.show import files_of
from keras_zoo.cli.tables import parse_count, print_json

FORMATS = ("keras_zoo", "transformers", "keras_hub")


def add(commands):
    command = add_command(
        commands,
        "convert",
        "write a preset in another layout",
        "Loads a preset of any layout and writes it in another: weights, head, classes, tokenizer and preprocessing. "
        "Prints the folder.",
        (
            "keras-zoo convert bert_tiny_en_uncased_reviews my_bert --format transformers",
            "keras-zoo convert hf://openai-community/gpt2 gpt2_half --format keras_zoo --dtype bfloat16",
            "keras-zoo convert ./my_model ./my_model_hub --format keras_hub --max-shard-size 2GB",
        ),
    )
    command.add_argument("source", metavar="SRC", help=PRESET)
    command.add_argument("folder", metavar="DST", type=Path, help="the folder to write")
    command.add_argument("--format", required=True, choices=FORMATS, help="the layout to write")
    command.add_argument("--max-shard-size", type=parse_size, metavar="SIZE", help="of a file, such as 500MB (5GB)")
    command.add_argument("--force", action="store_true", help="write into a folder that is not empty")
    add_model_options(command)
    add_json(command)
    command.set_defaults(run=run)


def parse_size(text):
    """Gigabytes, as `save_to_preset` takes them, from what people write: `"500MB"`, `"2GB"`, or bytes."""
    return parse_count(text.upper().removesuffix("B").strip() or text) / 1e9


def run(arguments):
    folder = arguments.folder
    if folder.is_dir() and any(folder.iterdir()) and not arguments.force:
        raise ValueError(f"{str(folder)!r} is not empty; --force writes into it.")
    limit = {} if arguments.max_shard_size is None else {"max_shard_size": arguments.max_shard_size}
    save(arguments, limit)
    if arguments.json:
        print_json({"folder": str(folder), "format": arguments.format, "files": files_of(folder)})
    else:
        print(folder)


def save(arguments, limit):
    """A task whole; of a preset without a task the backbone, and in this library's layout its tokenizer too."""
    from keras_zoo import Backbone, Task, presets

    layout = presets.open_preset(arguments.source, **offline(arguments))
    if layout.task_class is not None:
        task = Task.from_preset(arguments.source, **options(arguments))
        task.save_to_preset(arguments.folder, format=arguments.format, **limit)
        return
    backbone = Backbone.from_preset(arguments.source, **options(arguments))
    tokenizer = layout.family.tokenizer
    own = arguments.format == "keras_zoo" and tokenizer is not None and layout.preprocessor_config is not None
    also = {"tokenizer": presets.make_tokenizer(tokenizer, layout, {})} if own else {}
    presets.save(arguments.folder, format=arguments.format, backbone=backbone, **also, **limit)
