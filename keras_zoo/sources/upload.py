"""Presets to a hub: `hf://owner/name[@revision][/folder]` and `kaggle://owner/model/framework/variation`."""

import glob
import re
from pathlib import Path

from keras_zoo import saving
from keras_zoo.errors import PresetError
from keras_zoo.sources import choice, kaggle, reasons
from keras_zoo.sources.local import refuse_links
from keras_zoo.sources.repository import Repository

# What an upload takes away with it besides what a save replaces, so that nothing of an earlier preset contradicts it.
EARLIER = re.compile(r"pytorch_model[^/]*\.bin(\.index\.json)?|vocab\.(json|txt)|merges\.txt|assets/tokenizer/.+")
REPLACED = (saving.OF_A_MODEL, saving.OF_A_PREPROCESSOR, EARLIER)


def upload_preset(uri, preset, private=None, message=None, license=None):
    """Uploads a preset's folder, and returns the address that `from_preset` loads it by.

        model.save_to_preset("my_model")
        keras_zoo.upload_preset("hf://me/my_model", "my_model")

    Args:
        uri: where to, `hf://owner/name`, also with `@branch` and `/folder`, or `kaggle://owner/model/framework/variation`.
            What is not there yet is made: repository, branch, model.
        preset: a local folder in any of the layouts that can be read. Only the files of the preset are taken, and they
            are opened before anything is sent.
        private: whether a repository that is made is private; the hub's default where None. Kaggle's are private until
            they are made public there.
        message: the message of the commit, or Kaggle's notes on the version.
        license: Kaggle's name of the licence, such as "Apache 2.0". The Hugging Face Hub reads it in README.md.

    An upload to the Hugging Face Hub is one commit, so nobody sees half of it. It needs a token that may write:
    `hf auth login` or HF_TOKEN. Raises `PresetError` where the folder is no preset, or the hub refuses.
    """
    folder = Path(preset)
    names = files_of(folder)
    scheme = str(uri).partition("://")[0]
    if scheme == "hf":
        return to_hub(str(uri), folder, names, private, message)
    if scheme == "kaggle":
        return to_kaggle(str(uri), folder, names, message, license)
    raise PresetError(f"{uri!r} is no address to upload to; those are 'hf://owner/name' and '{kaggle.FORM}'.")


def files_of(folder):
    """The names of a preset's files in a local folder, which must be one that can be loaded."""
    from keras_zoo.formats.opening import open_folder

    if not folder.is_dir():
        raise PresetError(f"{str(folder)!r} is not a local folder. What save_to_preset writes can be uploaded.")
    refuse_links(folder)
    layout = open_folder(folder)
    if layout.backbone_config is not None:
        layout.tensors()  # headers and shards are checked, no weights are read
    return choice.needed(choice.files_below(folder), True, lambda name: choice.read_json(folder / name))


def to_hub(uri, folder, names, private, message):
    import huggingface_hub
    from huggingface_hub import constants

    repository = Repository.at(uri)
    if repository.is_file:
        raise PresetError(f"{uri!r} names a file; a preset is uploaded as a folder.")
    api = huggingface_hub.HfApi(endpoint=constants.ENDPOINT, library_name="keras-zoo")
    try:
        api.create_repo(repository.name, private=private, exist_ok=True)
        if repository.revision != "main" and not repository.revision.startswith("refs/"):
            api.create_branch(repository.name, branch=repository.revision, exist_ok=True)
        api.upload_folder(
            repo_id=repository.name,
            folder_path=folder,
            path_in_repo=repository.inner or None,
            revision=repository.revision,
            commit_message=message or f"Upload {folder.resolve().name}",
            allow_patterns=[glob.escape(name) for name in names],
            delete_patterns=[glob.escape(name) for name in earlier(api, repository)],
        )
    except Exception as error:  # the client raises its own, the HTTP library's and the file system's errors
        raise refused(error, uri, "hf", page=repository.page, token=huggingface_hub.get_token() is not None) from error
    return uri


def earlier(api, repository):
    """The files of an earlier preset there, by their names in its folder; what lies in other folders is not its."""
    prefix = f"{repository.inner}/" if repository.inner else ""
    names = api.list_repo_files(repository.name, revision=repository.revision)
    inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return [name for name in inside if any(pattern.fullmatch(name) for pattern in REPLACED)]


def to_kaggle(uri, folder, names, message, license):
    handle = uri.removeprefix("kaggle://").rstrip("/")
    found = kaggle.HANDLE.fullmatch(handle)
    if found is None or found[3]:
        raise PresetError(
            f"{uri!r} is no address to upload to: kaggle://owner/model/framework/variation, without version."
        )
    kagglehub = kaggle.imported(uri)
    ignored = [glob.escape(name) for name in choice.files_below(folder) if name not in names]
    notes = message or f"Upload {folder.resolve().name}"
    try:
        kagglehub.model_upload(handle, str(folder), license_name=license, version_notes=notes, ignore_patterns=ignored)
    except Exception as error:  # as above
        page = f"https://www.kaggle.com/models/{found[1]}"
        raise refused(error, uri, "kaggle", page=page) from error
    return uri


def refused(error, uri, scheme, **facts):
    reason = str(reasons.explained(error, uri, scheme, **facts)[0])
    return PresetError(reason.replace("could not be fetched", "could not be uploaded to", 1))
