"""Writing a folder all at once or not at all."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from keras_zoo.errors import PresetError


@contextlib.contextmanager
def staged(folder):
    """A copy of `folder` beside it to write into, put in its place when the block ends without an error.

    An error or a full disk leaves `folder` as it was, and so does a kill while files are written (between the two
    renames at the end it would leave the old folder under a hidden name). Files that are not written again stay.
    """
    folder = Path(folder)
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise PresetError(f"{folder} is a file; a preset is saved into a folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = beside(target)
        stage.mkdir()
    except OSError as error:
        raise PresetError(f"{folder} cannot be written: {error.strerror or error}.") from None
    try:
        if target.exists():
            if not os.access(target, os.W_OK):
                raise PresetError(f"{folder} cannot be written: permission denied.")
            shutil.copytree(target, stage, dirs_exist_ok=True, symlinks=True)
        yield stage
        swap(stage, target)
    except OSError as error:
        raise PresetError(f"{folder} could not be written: {error}. What was there before is untouched.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def swap(stage, target):
    """Puts `stage` where `target` is; should the second step fail, the first is undone."""
    if not target.exists():
        stage.rename(target)
        return
    old = beside(target)
    target.rename(old)
    try:
        stage.rename(target)
    except OSError:
        old.rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def beside(target):
    """A hidden name in the same folder, so that renaming is one step of the file system."""
    return target.parent / f".{target.name}-{uuid.uuid4().hex[:12]}"
