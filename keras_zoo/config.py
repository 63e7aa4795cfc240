"""Configuration read off the constructor's own signature.

A class that stores every constructor argument under its own name needs no `get_config` of its own: `Configured` walks
the signature. Nested objects (a backbone inside a task) are serialised by Keras under the name `keras_zoo>Class`.
"""

import inspect

import keras

from keras_zoo.errors import PresetError

PACKAGE = "keras_zoo"


def serializable(cls):
    """Registers `cls` with Keras as `keras_zoo>Class`, so that `.keras` files can name it."""
    return keras.saving.register_keras_serializable(PACKAGE)(cls)


def argument_names(cls):
    """The names of the constructor's arguments, those handed on through `**kwargs` to a base class included."""
    names = []
    for base in cls.__mro__:
        if "_config_root" in base.__dict__:
            break
        init = base.__dict__.get("__init__")
        if init is None:
            continue
        parameters = list(inspect.signature(init).parameters.values())[1:]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(names))


def refuse_more_arguments(thing, cls):
    """`PresetError` where the class of `thing`, a user's own, has arguments that its base `cls` does not take."""
    if extra := sorted(set(argument_names(type(thing))) - {"name", *argument_names(cls)}):
        raise PresetError(
            f"{type(thing).__name__} has arguments that {cls.__name__} does not take: {extra}. To save it, give it a "
            "Family of its own with keras_zoo.registry.register."
        )


def policy_name(policy):
    """A dtype policy as JSON: its name where that says all (`"mixed_bfloat16"`), else Keras' own serialisation."""
    plain = type(policy) in (keras.dtype_policies.DTypePolicy, keras.DTypePolicy)
    return policy.name if plain else keras.saving.serialize_keras_object(policy)


class Configured:
    """Mixin: `get_config` from the constructor's signature, `from_config` back."""

    _config_root = True

    def get_config(self):
        return self.config_of(argument_names(type(self)))

    def config_of(self, names):
        """The configuration, of these arguments alone."""
        config = {}
        for name in names:
            value = getattr(self, name)
            if name == "dtype":
                value = policy_name(self.dtype_policy)
            elif isinstance(value, keras.DTypePolicy):
                value = policy_name(value)
            elif hasattr(value, "get_config"):
                value = keras.saving.serialize_keras_object(value)
            elif isinstance(value, list) and any(hasattr(part, "get_config") for part in value):
                value = [keras.saving.serialize_keras_object(part) for part in value]
            config[name] = value
        for name in ("name", "trainable"):  # what Keras itself keeps of a model or layer
            if isinstance(self, keras.layers.Layer):
                config[name] = getattr(self, name)
        return config

    @classmethod
    def from_config(cls, config):
        def revive(value):
            if isinstance(value, dict) and "class_name" in value and "config" in value:
                return keras.saving.deserialize_keras_object(value)
            return [revive(part) for part in value] if isinstance(value, list) else value

        return cls(**{name: revive(value) for name, value in config.items()})
