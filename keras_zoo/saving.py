"""Writing the files of a preset all together or not at all."""

import contextlib
import os
import re
import shutil
import uuid
from pathlib import Path

from keras_zoo.errors import PresetError

# What a save of a model replaces: everything of an earlier one, so that no stale shard or head stays beside the new.
OF_A_MODEL = re.compile(r"(config|task|metadata|model\.safetensors\.index)\.json|model(-\d{5}-of-\d{5})?\.safetensors")


@contextlib.contextmanager
def staged(folder, replaces_model=False):
    """A hidden folder to write into; its files move to `folder` when the block ends without an error.

    An error or a full disk leaves `folder` as it was. Other files in it stay, untouched. `config.json` goes first and
    comes last, so that a kill between two renames leaves a folder that is no preset rather than a wrong one.
    """
    folder = Path(folder)
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise PresetError(f"{folder} is a file; a preset is saved into a folder.")
    fresh = not target.exists()
    name = f".saving-{uuid.uuid4().hex[:12]}"
    stage = target.parent / name if fresh else target / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
    except OSError as error:
        raise PresetError(f"{folder} cannot be written: {error.strerror or error}.") from None
    try:
        yield stage
        if fresh:
            stage.rename(target)
        else:
            replace(stage, target, replaces_model)
    except OSError as error:
        raise PresetError(f"{folder} could not be written: {error}. What was there before is untouched.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def replace(stage, target, replaces_model):
    """Moves the files of `stage` to `target`; should a step fail, those before it are undone."""
    new = sorted((p.relative_to(stage) for p in stage.rglob("*") if p.is_file()), key=lambda p: p.name == "config.json")
    for path in new:
        if any((target / parent).is_symlink() for parent in path.parents if parent != Path(".")):
            raise PresetError(f"{target / path.parent} is a symbolic link; nothing is written through it.")
    stale = [p.relative_to(target) for p in target.iterdir() if replaces_model and OF_A_MODEL.fullmatch(p.name)]
    outgoing = sorted({*new, *stale}, key=lambda p: p.name != "config.json")
    old = {path: stage / f".old-{i}" for i, path in enumerate(outgoing)}
    moved, placed = [], []
    try:
        for path, backup in old.items():
            if os.path.lexists(target / path):
                os.replace(target / path, backup)
                moved.append(path)
        for path in new:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / path, target / path)
            placed.append(path)
    except OSError:
        for path in placed:
            (target / path).unlink()
        for path in moved:
            os.replace(old[path], target / path)
        raise
