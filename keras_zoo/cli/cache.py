"""`keras-zoo cache`: what was fetched, and how to be rid of it."""

import dataclasses
import time

from keras_zoo.cli.loading import add_command, add_json
from keras_zoo.cli.tables import print_json, print_table, size_text

SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def add(commands):
    command = add_command(
        commands,
        "cache",
        "list or remove what was fetched",
        "Lists what was fetched, with sizes, removes some of it, or says where it lies.",
        (
            "keras-zoo cache list",
            "keras-zoo cache remove hf://openai-community/gpt2",
            "keras-zoo cache remove --all",
            'du -sh "$(keras-zoo cache path)"',
        ),
    )
    actions = command.add_subparsers(required=True, metavar="ACTION", title="actions")
    listed = add_command(actions, "list", "list what is in the cache, the largest first")
    add_json(listed)
    listed.set_defaults(run=run_list)
    removed = add_command(actions, "remove", "remove entries, by their addresses")
    removed.add_argument("addresses", nargs="*", metavar="address", help="as `keras-zoo cache list` shows it")
    removed.add_argument("--all", action="store_true", help="remove everything that it shows")
    removed.set_defaults(run=run_remove, usage=removed)
    add_command(actions, "path", "print the cache's folder").set_defaults(run=run_path)


def run_list(arguments):
    from keras_zoo.sources import cache

    entries = sorted(cache.entries(), key=lambda entry: -entry.size)
    if arguments.json:
        print_json([dataclasses.asdict(entry) for entry in entries])
        return
    rows = [(size_text(x.size), str(x.files), ago(x.last_used), x.address) for x in entries]
    total = size_text(sum(entry.size for entry in entries))
    print_table(("SIZE", "FILES", "USED", "ADDRESS"), [*rows, (total, "", "", f"in all, {len(rows)}")], right=(0, 1))


def ago(when):
    """How long ago a moment in seconds since 1970 was: `"3 days ago"`."""
    passed = time.time() - when
    for seconds, name in SPANS:
        if passed >= seconds:
            number = int(passed // seconds)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


def run_remove(arguments):
    from keras_zoo.sources import cache

    if bool(arguments.addresses) == arguments.all:
        arguments.usage.error("give the addresses to remove, or --all")
    addresses = [entry.address for entry in cache.entries()] if arguments.all else arguments.addresses
    freed = cache.remove(addresses) if addresses else 0
    print(f"{size_text(freed)} freed")


def run_path(arguments):
    from keras_zoo.sources import cache

    print(cache.folder())
