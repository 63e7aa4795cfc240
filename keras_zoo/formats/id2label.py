"""The classes of a classifier in transformers' config.json: `id2label`, `label2id`, `problem_type`."""

from keras_zoo.errors import PresetError

PROBLEMS = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}


def read(config):
    """`num_classes`, and `class_names` where they are more than `LABEL_0`, `LABEL_1`, …; two classes by default.

    A name that two classes have, such as ImageNet's "crane", gets the number of the class at its second use.
    """
    labels = config.get("id2label") or {}
    if not isinstance(labels, dict) or not all(str(i).isdecimal() for i in labels):
        raise PresetError(f"id2label must map the number of each class to its name; got {labels!r:.100}.")
    numbers = sorted(int(i) for i in labels)
    if numbers != list(range(len(numbers))):
        raise PresetError(f"id2label must name the classes 0 to n - 1; got {numbers[:10]}.")
    names = [str(labels[key]) for key in sorted(labels, key=int)]
    count = len(names) or int(config.get("num_labels", 2))
    named = names and names != [f"LABEL_{i}" for i in range(count)]
    return {"num_classes": count, "class_names": distinct(names) if named else None}


def distinct(names):
    seen = set()
    return [f"{name} ({i})" if name in seen or seen.add(name) else name for i, name in enumerate(names)]


def write(task):
    names = task.class_names or [f"LABEL_{i}" for i in range(task.num_classes)]
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }


def read_problem(config, num_classes):
    """`problem`: as `problem_type` says, by default one class of several, or the regression of a single number."""
    theirs = config.get("problem_type") or ("regression" if num_classes == 1 else PROBLEMS["single_label"])
    problems = [ours for ours, name in PROBLEMS.items() if name == theirs]
    if not problems:
        raise PresetError(f"problem_type is one of {list(PROBLEMS.values())}; got {theirs!r}.")
    return {"problem": problems[0]}


def write_problem(task):
    return {"problem_type": PROBLEMS[task.problem]}
