"""What the commands share: how one is declared, options of a model, and the model."""

import argparse
import os
import sys
import textwrap

PRESET = "a name, a folder or an address such as hf://owner/name"


def add_command(commands, name, help, description="", examples=()):
    """A command's parser; its help shows the `examples`, one on each line."""
    return commands.add_parser(
        name,
        help=help,
        description=textwrap.fill(description or f"{help[0].upper()}{help[1:]}.", 80),
        epilog="\n  ".join(["examples:", *examples]) if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json(command, help="print JSON"):
    command.add_argument("--json", action="store_true", help=help)


def add_model_options(command, dtype=True):
    if dtype:
        command.add_argument("--dtype", help="a dtype policy such as bfloat16")
    command.add_argument("--backend", choices=("jax", "tensorflow", "torch"), help="overrides KERAS_BACKEND")
    command.add_argument("--offline", action="store_true", help="take what is in the cache and ask no network")


def options(arguments):
    """What `from_preset` is given for `add_model_options`."""
    return {"dtype": arguments.dtype} | offline(arguments)


def offline(arguments):
    return {"offline": True} if arguments.offline else {}


def load(arguments, preset, method=None, job=None, **overrides):
    """The preset's task, which must have the `method` that is there for the `job`, and a preprocessor then.

    Raises `ValueError` where it has not; of the method that is said before weights are fetched.
    """
    from keras_zoo import Task, presets

    if method is not None:
        layout = presets.open_preset(preset, weights=False, **offline(arguments))
        if not hasattr(layout.task_class or layout.family.tasks[0], method):
            found = layout.task_class or layout.family.backbone
            raise ValueError(f"{preset!r} is a {found.__name__}, which does not {job}.")
    task = Task.from_preset(preset, **options(arguments), **overrides)
    if method is not None and task.preprocessor is None:
        raise ValueError(f"{preset!r} has no preprocessor: it takes tensors, and does not {job}.")
    return task


def no_progress_bars():
    """Keeps `huggingface_hub`, which is imported later, from drawing bars where nobody looks."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def restart(arguments, backend):
    """The same command under another backend, in place of this process: by now Keras is imported."""
    command = [sys.executable, "-m", "keras_zoo.cli", *arguments.argv]
    os.execve(sys.executable, command, os.environ | {"KERAS_BACKEND": backend})
