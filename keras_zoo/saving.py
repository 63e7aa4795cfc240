"""Writing the files of a preset all together or not at all."""

import contextlib
import os
import re
import shutil
import uuid
from pathlib import Path

from keras_zoo.errors import PresetError

STAGE, OLD = ".saving-", ".old"  # what the hidden folder's name begins with, and the folder in it for what goes
# What a save of a model replaces: everything of an earlier one, so that no stale shard or head stays beside the new.
OF_A_MODEL = re.compile(
    r"(config|task|metadata|model\.safetensors\.index|model\.weights)\.json|model(-\d{5}-of-\d{5}|\.lora)?\.safetensors"
    r"|((model|task)|model_\d{5})\.weights\.h5"
)
# What it replaces besides where another preprocessor comes, or another layout, in which these say something else.
OF_A_PREPROCESSOR = re.compile(
    r"(preprocessor|tokenizer|image_converter|tokenizer_config|special_tokens_map|added_tokens|preprocessor_config"
    r"|modules|sentence_bert_config|config_sentence_transformers)\.json"
)


@contextlib.contextmanager
def staged(folder, *replaced):
    """A hidden folder to write into; its files move to `folder` when the block ends without an error.

    Files of `folder` whose names fit one of the patterns `replaced` go, and all others stay, untouched. An error, a
    full disk or an interrupt leaves `folder` as it was. `config.json` goes first and comes last, so that a kill between
    two renames leaves a folder that is no preset rather than a wrong one; what was there then lies in
    `.saving-…/.old`, under its names.
    """
    if "://" in str(folder) or not str(folder):
        raise PresetError(
            f"A preset is saved into a folder; got {str(folder)!r}. keras_zoo.upload_preset brings that to a hub."
        )
    folder = Path(folder)
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise PresetError(f"{folder} is a file; a preset is saved into a folder.")
    fresh = not target.exists()
    name = f"{STAGE}{uuid.uuid4().hex[:12]}"
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
            replace(stage, target, replaced)
    except OSError as error:
        raise PresetError(f"{folder} could not be written: {error}. What was there before is untouched.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def replace(stage, target, replaced):
    """Moves the files of `stage` to `target`; should a step fail, those before it are undone."""
    new = [path.relative_to(stage) for path in stage.rglob("*") if path.is_file()]
    new.sort(key=lambda path: path == Path("config.json"))
    for path in new:
        if any((target / parent).is_symlink() for parent in path.parents if parent != Path(".")):
            raise PresetError(f"{target / path.parent} is a symbolic link; nothing is written through it.")
    there = [path.relative_to(target) for path in target.iterdir() if not path.is_dir()]
    stale = [path for path in there if any(pattern.fullmatch(path.name) for pattern in replaced)]
    outgoing = sorted({*new, *stale}, key=lambda path: path != Path("config.json"))
    moved, placed = [], []
    try:
        for path in outgoing:
            if os.path.lexists(target / path):
                (stage / OLD / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(target / path, stage / OLD / path)
                moved.append(path)
        for path in new:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / path, target / path)
            placed.append(path)
    except BaseException:  # Ctrl-C among them
        for path in placed:
            (target / path).unlink()
        for path in moved:
            os.replace(stage / OLD / path, target / path)
        raise


def interrupted(folder):
    """A sentence on a save of `folder` that was killed half-way, empty where there was none."""
    found = sorted(Path(folder).glob(f"{STAGE}*/{OLD}"))
    return f"A save was killed half-way; what was there before lies in {found[0]}." if found else ""
