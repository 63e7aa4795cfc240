"""How Keras serialises objects and names their variables in a file: what KerasHub's and KerasCV's layouts share.

A JSON file holds `{module, class_name, config, registered_name}`. The class is looked up in a table by the registered
name, such as `keras_hub>BertBackbone`; the module is not looked at, and nothing is built by Keras from a file's word.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from keras_zoo import weights
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import understood

POLICIES = ("DTypePolicy", "FloatDTypePolicy")  # those that their name describes; others are of quantised models
# Settings that are read from a file or an object of their own, or say nothing about what is computed.
PARTS = ("dtype", "backbone", "preprocessor", "tokenizer", "image_converter", "vocabulary", "merges")
ELSEWHERE = ("name", "trainable", "config_file", *PARTS)
NOWHERE = object()  # equals no value


@dataclass(frozen=True)
class Settings:
    """What of the configuration of one class is read, and written.

    names      arguments that are called the same there and here
    renamed    {setting: argument here}
    defaults   arguments that the configuration does not name, or not always: the one value that is computed there
    only       {setting: the one value that the class here has}
    unread     settings that say nothing about what is read here
    unsaid     arguments that have no place there and change nothing of what is computed
    convert    {argument: theirs -> ours}
    prepare    configuration -> configuration, where what a setting means depends on another or on its value
    restate    arguments -> arguments, before they are written: those that say the same in one form, that of `defaults`
    also       older names of the class
    """

    names: tuple = ()
    renamed: dict = field(default_factory=dict)
    defaults: dict = field(default_factory=dict)
    only: dict = field(default_factory=dict)
    unread: tuple = ()
    unsaid: tuple = ()
    convert: dict = field(default_factory=dict)
    prepare: Callable = dict
    restate: Callable = dict
    also: tuple = ()

    def read(self, config, where):
        """The arguments here. A setting that is not known may change what is computed: a `PresetError`."""
        with understood(where):
            config = self.prepare(config)
            known = (*self.names, *self.renamed, *self.unread, *ELSEWHERE)
            self.check(config, known, where)
            found = {self.renamed.get(k, k): config[k] for k in (*self.names, *self.renamed) if k in config}
            return self.defaults | {k: self.convert[k](v) if k in self.convert else v for k, v in found.items()}

    def check(self, config, known, where):
        wrong = [
            f"{name}={value!r:.100}"
            for name, value in config.items()
            if name not in known and not (name in self.only and value == self.only[name])
        ]
        if wrong:
            expected = "".join(f", {name}={value!r}" for name, value in self.only.items())
            raise PresetError(
                f"{where} has settings that the class here does not express: {', '.join(wrong)}. It expresses "
                f"{', '.join((*self.names, *self.renamed))}{expected}."
            )

    def write(self, arguments, where):
        """The configuration there of `arguments` here. One that is not expressed there is a `PresetError`."""
        arguments = {k: v for k, v in self.restate(arguments).items() if k not in (*ELSEWHERE, *self.unsaid)}
        spelt = dict(zip(self.names, self.names, strict=True)) | {ours: theirs for theirs, ours in self.renamed.items()}
        wrong = {k: v for k, v in arguments.items() if k not in spelt and self.defaults.get(k, NOWHERE) != v}
        if wrong:
            copied = (
                " Where that is close enough, make the backbone with it and copy the weights, as docs/presets.md says."
            )
            raise PresetError(
                f"{where} cannot express {', '.join(self.difference(k, v) for k, v in wrong.items())}."
                + (copied if any(name in self.defaults for name in wrong) else "")
            )
        return self.only | {spelt[name]: value for name, value in arguments.items() if name in spelt}

    def difference(self, name, value):
        there = f" (there it is always {self.defaults[name]!r})" if name in self.defaults else ""
        return f"{name}={value!r:.100}{there}"


def described(data, where, packages):
    """`(where, class name, configuration)` of a serialised object; `where` is what errors call it."""
    data = data if isinstance(data, dict) else {}
    package, _, name = str(data.get("registered_name", "")).partition(">")
    if package not in packages or not isinstance(data.get("config"), dict):
        raise PresetError(
            f"{where} must hold a registered_name of {' or '.join(packages)} and a config; got the name "
            f"{data.get('registered_name')!r:.100}."
        )
    return where, name, data["config"]


def recognised(config, packages):
    return str(config.get("registered_name", "")).startswith(tuple(f"{package}>" for package in packages))


def dtype_of(config, where):
    """`{"dtype": name}` of a backbone's configuration, empty where it does not say."""
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") in POLICIES and isinstance(dtype.get("config"), dict):
        dtype = dtype["config"].get("name")
    if dtype is None or isinstance(dtype, str):
        return {} if dtype is None else {"dtype": dtype}
    raise PresetError(
        f"{where}: dtype is a name or one of {', '.join(POLICIES)}; got {dtype!r:.100}. Quantised models are not read: "
        "save the model before it is quantised, and call quantize here."
    )


def read_activation(activation):
    """A name; a function that Keras serialised as an object is not revived."""
    if not isinstance(activation, str | None):
        raise PresetError(f"The classifier's activation must be a name; got {activation!r:.100}.")
    return None if activation == "linear" else activation


def variables(group, *leaves, **shapes):
    """An entry of a weight table: the variables of the layer `group`, in the order in which Keras keeps them.

    `shapes` are those in the file, where they are not the variable's.
    """
    return {
        leaf: weights.Binding(f"{group}/vars/{i}", shape=tuple(shapes[leaf]) if leaf in shapes else None)
        for i, leaf in enumerate(leaves)
    }


def bound(prefix, variables, table):
    """`{path: Binding}` of a weight table whose names all begin with `prefix` in the file."""
    bindings = weights.table_bindings(variables, table)
    return {path: binding._replace(name=prefix + binding.name) for path, binding in bindings.items()}
