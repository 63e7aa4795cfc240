"""`keras-zoo list` and `keras-zoo show`."""


def add(commands):
    command = commands.add_parser("list", help="list the presets")
    command.add_argument("--family", help="only one family, such as gpt2")
    command.set_defaults(run=run_list)

    command = commands.add_parser("show", help="show what is known of a preset")
    command.add_argument("preset")
    command.set_defaults(run=run_show)


def run_list(arguments):
    from keras_zoo import list_presets

    rows = [("NAME", "PARAMETERS", "CLASS", "", "DESCRIPTION")]
    for name, record in sorted(list_presets(arguments.family).items()):
        where = "embedded" if record["embedded"] else ""
        rows.append((name, f"{record['parameters']:,}", record["class_name"], where, record["description"]))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]))


def run_show(arguments):
    from keras_zoo import registry

    records = registry.records()
    if arguments.preset not in records:
        raise registry.unknown_preset(arguments.preset)
    for key, value in records[arguments.preset].items():
        print(f"{key}: {value}")
