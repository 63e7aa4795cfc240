"""Lets Keras start on whichever backend is installed.

Keras takes the backend of `KERAS_BACKEND`, else of its configuration file, else TensorFlow, and fails where that one is
not installed. Imported before Keras, this module names one that is, but only where Keras would fail.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("jax", "torch", "tensorflow")


def configured():
    """The backend Keras would take by itself."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(home) / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def installed(name):
    return importlib.util.find_spec(name) is not None


def settle():
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    if configured() in BACKENDS and not installed(configured()):
        found = next((name for name in BACKENDS if installed(name)), None)
        if found is None:
            raise ImportError(
                "Keras needs a backend: install keras-zoo[jax], keras-zoo[tensorflow] or keras-zoo[torch]."
            )
        os.environ["KERAS_BACKEND"] = found


settle()
