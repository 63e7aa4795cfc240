"""`keras-zoo list`: what presets there are."""

from keras_zoo.cli.loading import add_command, add_json
from keras_zoo.cli.tables import count_text, parse_count, print_json, print_table, size_text


def add(commands):
    command = add_command(
        commands,
        "list",
        "list the presets",
        "Lists the presets by name, smallest first within a family and a task: what each is for, its parameters, and "
        "what there is to fetch. Other names of the same presets are found by --search and shown by --json.",
        (
            "keras-zoo list --family bert --max-parameters 30M",
            "keras-zoo list --task TextEmbedder --search chinese",
            "keras-zoo list --embedded",
            "keras-zoo list --json | jq -r '.[].name'",
        ),
    )
    command.add_argument("--family", help="only this family, such as gpt2")
    command.add_argument("--task", help="only what is ready for this task, such as TextClassifier")
    command.add_argument("--max-parameters", type=parse_count, metavar="N", help="at most so many, such as 30M")
    command.add_argument("--embedded", action="store_true", help="only what needs no network")
    command.add_argument("--search", metavar="WORD", help="only where name, task or description has the word")
    add_json(command, "print the records as JSON")
    command.set_defaults(run=run)


def run(arguments):
    from keras_zoo.records import task_of
    from keras_zoo.registry import list_presets

    found = list_presets(
        arguments.family, arguments.task, arguments.max_parameters, embedded=True if arguments.embedded else None
    )
    aliases = {}
    for name, record in found.items():
        aliases.setdefault(record.get("alias_of", name), []).append(name)
    if arguments.search:
        found = {name: record for name, record in found.items() if mentions(arguments.search, name, record, aliases)}
    if arguments.json:
        rows = [{"name": name, "task": task_of(record), **public(record)} for name, record in found.items()]
        print_json(rows)
        return 0
    found = {name: record for name, record in found.items() if "alias_of" not in record}
    if not found:
        raise ValueError("no preset fits all of that; `keras-zoo list` shows what there is")
    order = sorted(found, key=lambda n: (found[n]["family"], task_of(found[n]), found[n]["parameters"], n))
    print_table(
        ("NAME", "TASK", "PARAMS", "FETCH", "DESCRIPTION"),
        [
            (name, task_of(record), count_text(record["parameters"]), to_fetch(record), record["description"])
            for name, record in ((name, found[name]) for name in order)
        ],
        right=(2, 3),
    )
    return 0


def mentions(word, name, record, aliases):
    from keras_zoo.records import task_of

    words = (*aliases.get(name, [name]), record["family"], task_of(record), record["class_name"], record["description"])
    return word.lower() in " ".join(words).lower()


def to_fetch(record):
    """What a preset's weights cost in bytes, where they have to be fetched."""
    if record["embedded"]:
        return "embedded"
    return size_text(record["size"]) if record["sources"] else "no weights"


def public(record):
    """A record without the places of its files, and with its task's arguments under another name than the task."""
    record = {key: value for key, value in record.items() if key not in ("assets", "folder")}
    return {"task_arguments" if key == "task" else key: value for key, value in record.items()}
