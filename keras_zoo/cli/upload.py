"""`keras-zoo upload`: a preset's folder to a hub."""

import sys
from pathlib import Path

from keras_zoo.cli.loading import add_command, add_json, no_progress_bars
from keras_zoo.cli.tables import print_json


def add(commands):
    command = add_command(
        commands,
        "upload",
        "upload a preset's folder to a hub",
        "Uploads a folder that save_to_preset or `keras-zoo convert` wrote, and prints the address that it loads by. "
        "The hub's token is that of `hf auth login` or HF_TOKEN.",
        ("keras-zoo upload ./my_model hf://me/my_model", "keras-zoo upload ./my_model hf://me/my_model --private"),
    )
    command.add_argument("folder", type=Path)
    command.add_argument("address", help="where to, such as hf://me/my_model")
    command.add_argument("--private", action="store_true", default=None, help="a new repository is private")
    command.add_argument("--message", help="of the commit")
    add_json(command)
    command.set_defaults(run=run)


def run(arguments):
    if not sys.stdout.isatty():  # which is where uploads are drawn
        no_progress_bars()
    from keras_zoo import upload_preset

    where = upload_preset(arguments.address, arguments.folder, private=arguments.private, message=arguments.message)
    found = str(where or arguments.address)
    print_json({"folder": str(arguments.folder), "address": found}) if arguments.json else print(found)
