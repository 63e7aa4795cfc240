"""A repository of the Hugging Face Hub: what an address names, and where the client's cache has it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from keras_zoo.errors import PresetError
from keras_zoo.sources import choice
from keras_zoo.sources.choice import STATE_DICTS

FORM = "hf://owner/name, hf://owner/name@revision, and either with /folder or /file.pth after it"
# A revision with slashes is one of the hub's own, or written with %2F.
ADDRESS = re.compile(r"([\w.-]+/[\w.-]+)(?:@(refs/\w+/[^/]+|[^/]+))?(?:/(.+?))?/?")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Repository:
    """What an address names."""

    address: str
    name: str
    revision: str = "main"
    inner: str = ""  # the folder, or the file of weights, inside

    @classmethod
    def at(cls, address):
        found = ADDRESS.fullmatch(address.removeprefix("hf://"))
        revision = unquote(found[2] or "main") if found else ""
        if found is None or not choice.is_plain(revision) or not choice.is_plain(found[3] or "-"):
            raise PresetError(f"{address!r} is not of the form {FORM}.")
        return cls(address, found[1], revision, found[3] or "")

    @property
    def is_file(self):
        return self.inner.endswith(STATE_DICTS)

    def needed(self, names, weights, read):
        """Of a repository's files `names` those that a load reads; `read(name)` gives the JSON object in one."""
        if self.is_file:
            if self.inner not in names:
                raise PresetError(f"{self.address!r}: the repository has no file {self.inner!r}.")
            return [self.inner]
        prefix = f"{self.inner}/" if self.inner else ""
        inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        if not inside:
            raise PresetError(f"{self.address!r}: the repository has no folder {self.inner!r}.")
        found = choice.needed(inside, weights, lambda name: read(prefix + name))
        if not set(found) - {"README.md"}:
            raise PresetError(f"{self.address!r} holds no preset{self.elsewhere(inside, prefix)}.")
        return [prefix + name for name in found]

    def elsewhere(self, names, prefix):
        """The addresses of presets in folders below, as the end of a sentence; empty where there are none."""
        folders = sorted(name.removesuffix("/config.json") for name in names if name.endswith("/config.json"))
        plain, revision = f"hf://{self.name}", "" if self.revision == "main" else f"@{quote(self.revision, safe='')}"
        found = [f"{plain}{revision}/{prefix}{folder}" for folder in folders[:5]]
        return f"; try {', '.join(found)}" if found else ""

    @cached_property
    def key(self):
        from huggingface_hub import constants

        return "\n".join((constants.ENDPOINT, str(constants.HF_HUB_CACHE), self.name, self.revision))

    @property
    def page(self):
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{self.name}"


def snapshot(name, commit):
    """The folder of a commit in the client's cache, as its documentation describes it."""
    return storage(name) / "snapshots" / commit


def storage(name):
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser() / f"models--{name.replace('/', '--')}"


def reference(name, revision):
    """The commit that a revision was last known to be, None where the cache does not say."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        return (storage(name) / "refs" / revision).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None
