"""`keras-zoo download`: fetches a preset's files, so that it loads without a network later."""

from keras_zoo.cli.loading import PRESET, add_command, add_json
from keras_zoo.cli.tables import print_json


def add(commands):
    command = add_command(
        commands,
        "download",
        "fetch a preset into the cache",
        "Fetches what a preset is made of and prints the folder it lies in. What is there is not fetched again.",
        (
            "keras-zoo download gpt2_base_en",
            "keras-zoo download hf://openai-community/gpt2@main --refresh",
            'ls "$(keras-zoo download bert_base_en --offline)"',
        ),
    )
    command.add_argument("preset", help=PRESET)
    command.add_argument("--refresh", action="store_true", help="ask the hub whether there is something newer")
    command.add_argument("--offline", action="store_true", help="ask no network: fail where it is not in the cache")
    add_json(command)
    command.set_defaults(run=run, usage=command)


def run(arguments):
    if arguments.refresh and arguments.offline:
        arguments.usage.error("--refresh asks the hub, which --offline forbids")
    from keras_zoo import sources

    folder = sources.download(arguments.preset, offline=arguments.offline, refresh=arguments.refresh)
    print_json({"preset": arguments.preset, "folder": str(folder)}) if arguments.json else print(folder)
