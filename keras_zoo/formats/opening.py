"""From a folder to the layout it is of, recognised by content; all readers and writers by name."""

from pathlib import Path

from keras_zoo import saving
from keras_zoo.errors import PresetError
from keras_zoo.formats import keras_cv, keras_hub, keras_hub_writer, native, state_dict, transformers
from keras_zoo.formats.files import file_in, read_json
from keras_zoo.formats.settings import check_settings
from keras_zoo.formats.supported import advice

LAYOUTS = (
    native.NativeLayout,
    keras_hub.KerasHubLayout,
    keras_cv.KerasCVLayout,
    transformers.TransformersLayout,
    state_dict.TimmLayout,
)
WRITERS = {"keras_zoo": native.write, "transformers": transformers.write, "keras_hub": keras_hub_writer.write}
READERS = {layout.format: layout for layout in LAYOUTS}


def open_folder(folder):
    """The layout of a folder or of a single file of weights, opened. `PresetError` where none is recognised."""
    try:
        layout = recognised(Path(folder))
    except OSError as error:  # what listing or looking for a file raises
        raise PresetError(f"{folder} cannot be read: {error.strerror or error}.") from None
    check_settings(layout.backbone_config and layout.backbone_config | {"dtype": None}, f"The backbone in {folder}")
    check_settings(layout.task_config, f"The task in {folder}", apart=("backbone", "preprocessor"))
    check_settings(layout.preprocessor_config, f"The preprocessor in {folder}", apart=("tokenizer",))
    return layout


def recognised(folder):
    if folder.is_file():
        return state_dict.StateDictLayout(folder)
    path = file_in(folder, "config.json")
    if path is None:
        if killed := saving.interrupted(folder):
            raise PresetError(f"{folder} holds half a preset. {killed}")
        if keras_hub.KerasHubLayout.without_model(folder):
            return keras_hub.KerasHubLayout(folder, None)
        if native.NativeLayout.without_model(folder):
            return native.NativeLayout(folder, None)
        if (file := state_dict.StateDictLayout.file_in(folder)) is not None:
            return state_dict.StateDictLayout(file)
        found = sorted(p.name for p in folder.iterdir())[:10]
        message = f"{folder} is no preset: it has no config.json (it holds {found or 'nothing'})."
        raise PresetError(advice(message))
    config = read_json(path)
    for layout in LAYOUTS:
        if layout.recognises(config):
            return layout(folder, config)
    found = sorted(map(str, config))[:10]
    raise PresetError(advice(f"{folder} is of a layout that cannot be read: its config.json has {found}."))


def is_of(folder, format):
    """Whether a folder's config.json is of the layout that `format` names; so is a folder without one."""
    try:
        return not (folder / "config.json").is_file() or READERS[format].recognises(read_json(folder / "config.json"))
    except PresetError:
        return False
