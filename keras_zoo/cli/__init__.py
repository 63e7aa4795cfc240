"""`keras-zoo`: presets on the command line. Each command is a module with `add`, which says what it takes.

Modules import what they need inside functions: lists and helps need no Keras, which takes seconds.
"""

import argparse
import importlib.util
import os
import sys

from keras_zoo import __version__
from keras_zoo.cli import (
    cache,
    classify,
    convert,
    demo,
    detect,
    download,
    embed,
    export,
    generate,
    listing,
    show,
    upload,
)
from keras_zoo.cli.loading import no_progress_bars, restart

COMMANDS = (listing, show, download, generate, classify, detect, embed, convert, export, upload, cache, demo)
DESCRIPTION = """\
Pretrained models for Keras 3, by name.

A preset is a name that `keras-zoo list` shows, a folder, or an address such as
hf://owner/name. Where a command takes text or an image, - reads it from a pipe.
"""
EPILOG = """\
examples:
  keras-zoo list --task TextEmbedder
  keras-zoo show gpt2_base_en
  keras-zoo generate gpt2_tiny_en_prose "Once upon a time"
  keras-zoo COMMAND --help

exit status: 0 done, 1 failed (one message on standard error), 2 wrong usage,
130 interrupted
"""


def main(argv=None):
    """Runs a command; returns the exit status: 0 done, 1 failed, 130 interrupted. Wrong usage leaves with status 2."""
    arguments = parser().parse_args(argv)
    arguments.argv = sys.argv[1:] if argv is None else argv
    if not sys.stderr.isatty():
        no_progress_bars()
    try:
        choose_backend(arguments)
        status = arguments.run(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of a pipe has gone, and what is left in the buffer has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, ImportError, OSError) as error:
        print(f"keras-zoo: {said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def choose_backend(arguments):
    """Sets `KERAS_BACKEND` to what `--backend` asks for; where Keras is imported already, begins again."""
    backend = getattr(arguments, "backend", None)
    if backend in (None, os.environ.get("KERAS_BACKEND")):
        return
    if importlib.util.find_spec(backend) is None:
        raise ImportError(f"{backend} is not installed: pip install 'keras-zoo[{backend}]'.")
    if "keras" in sys.modules:
        restart(arguments, backend)
    os.environ["KERAS_BACKEND"] = backend


def said(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def parser():
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("keras-zoo", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"keras-zoo {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        command.add(commands)
    return top
