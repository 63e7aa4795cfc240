"""Exports to formats that only some backends can write, from all of them.

Where the model runs under another backend it is saved as a preset, and a process of its own loads and exports it.
Run as a program, `python -m keras_zoo.exporting FOLDER` is that process.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import keras

SUFFIXES = {"onnx": ".onnx", "tf_saved_model": "", "litert": ".tflite", "openvino": ".xml"}
# The backends that write a format, the best first, and what each needs for that besides itself.
WRITERS = {
    "onnx": {"tensorflow": ("onnx", "tf2onnx"), "torch": ("onnx", "onnxscript")},
    "tf_saved_model": {"tensorflow": ()},
    "litert": {"tensorflow": ()},
    "openvino": {"tensorflow": ("openvino",)},
}
EXTRAS = {"onnx": "'keras-zoo[onnx]'", "openvino": "'keras-zoo[openvino]'"}


def writer(format):
    """The backend that writes a format: this process' own where it can, else an installed one.

    Raises:
        ValueError: for a format that is not known.
        ImportError: where no backend is installed that writes it, or a package that the backend needs for it.
    """
    if format not in WRITERS:
        raise ValueError(f"format must be one of {', '.join(WRITERS)}; got {format!r}.")
    backends = WRITERS[format]
    own = keras.backend.backend()
    found = [name for name in ([own] if own in backends else backends) if find_spec(name) is not None]
    if not found:
        raise ImportError(f"{format} is written by {' or '.join(backends)}: pip install {next(iter(backends))}")
    complete = [name for name in found if all(find_spec(package) for package in backends[name])]
    if not complete:
        missing = [package for package in backends[found[0]] if not find_spec(package)]
        raise ImportError(f"To write {format}, {found[0]} needs {', '.join(missing)}: pip install {EXTRAS[format]}")
    return complete[0]


def export_under(backend, model, filepath, format, **options):
    """`model.export(filepath, format, **options)` under another backend; the model is a backbone or a task.

    Raises:
        ValueError: for options that are no plain data, and with its message if the export fails.
    """
    try:
        job = json.dumps({"filepath": os.path.abspath(filepath), "format": format} | options)
    except TypeError as error:
        raise ValueError(
            f"This model runs under {keras.backend.backend()} and is exported under {backend}, in a process of its "
            f"own, so options must be numbers, strings and the like: {error}."
        ) from None
    # A GPU is not needed, and may be full of this process' memory.
    environment = {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": "-1"}
    with tempfile.TemporaryDirectory(prefix="keras_zoo_") as folder:
        model.save_to_preset(Path(folder) / "model")
        (Path(folder) / "job.json").write_text(job, encoding="utf-8")
        command = [sys.executable, "-m", "keras_zoo.exporting", folder]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1]
        raise ValueError(f"The export to {format}, in a process under {backend}, failed: {said}")


def main(folder):
    from keras_zoo import Backbone, Task

    base = Task if (Path(folder) / "model" / "task.json").is_file() else Backbone
    job = json.loads((Path(folder) / "job.json").read_text(encoding="utf-8"))
    try:
        base.from_preset(str(Path(folder) / "model")).export(**job)
    except (ValueError, ImportError) as error:
        sys.exit(" ".join(str(error).split("\n")))


if __name__ == "__main__":
    main(sys.argv[1])
