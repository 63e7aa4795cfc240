"""What the commands share: options of a model, and the model."""

import os
import sys


def add_model_options(command):
    command.add_argument("--dtype", default=None, help="a dtype policy such as bfloat16")
    command.add_argument("--backend", choices=("jax", "tensorflow", "torch"), help="overrides KERAS_BACKEND")


def load(arguments, preset, method=None, job=None, **overrides):
    """The preset's task; a `ValueError` if it has no such `method`, which is there for the `job`."""
    from keras_zoo import Task

    task = Task.from_preset(preset, dtype=arguments.dtype, **overrides)
    if method is not None and not hasattr(task, method):
        raise ValueError(f"{preset!r} is a {type(task).__name__}, which does not {job}.")
    return task


def restart(arguments, backend):
    """The same command under another backend, in place of this process: by now Keras is imported."""
    command = [sys.executable, "-m", "keras_zoo.cli", *arguments.argv]
    os.execve(sys.executable, command, os.environ | {"KERAS_BACKEND": backend})
