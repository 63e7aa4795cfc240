"""`keras-zoo`: presets on the command line. Each command is a module with `add`, which says what it takes."""

import argparse
import os
import sys

from keras_zoo.cli import classify, demo, detect, export, generate, listing
from keras_zoo.cli.loading import restart

COMMANDS = (listing, generate, classify, detect, export, demo)


def main(argv=None):
    arguments = parser().parse_args(argv)
    backend = getattr(arguments, "backend", None)
    arguments.argv = sys.argv[1:] if argv is None else argv
    if backend and backend != os.environ.get("KERAS_BACKEND"):
        restart(arguments, backend)
    try:
        return arguments.run(arguments) or 0
    except (ValueError, ImportError) as error:
        print(f"keras-zoo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def parser():
    top = argparse.ArgumentParser(prog="keras-zoo", description="Pretrained models for Keras 3.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
