"""Writing a folder all at once or not at all."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from keras_zoo.errors import PresetError


@contextlib.contextmanager
def staged(folder):
    """A copy of `folder` beside it to write into, put in its place when the block ends without an error.

    An error, a full disk or a kill leaves `folder` as it was. Files that are not written again stay.
    """
    folder = Path(folder)
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise PresetError(f"{folder} is a file; a preset is saved into a folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise PresetError(f"{folder} cannot be written: {error.strerror or error}.") from None
    try:
        if target.exists():
            if not os.access(target, os.W_OK):
                raise PresetError(f"{folder} cannot be written: permission denied.")
            shutil.copytree(target, stage, dirs_exist_ok=True, symlinks=True)
        stage.chmod(target.stat().st_mode if target.exists() else 0o777 & ~current_umask())
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
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.rename(old / target.name)
    try:
        stage.rename(target)
    except OSError:
        (old / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
