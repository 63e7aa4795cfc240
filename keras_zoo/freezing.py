"""Which layers train: chosen by name or by pattern."""

import fnmatch
from itertools import islice

MOST_LISTED = 30


def matching(model, pattern):
    """The layers below `model`, at any depth, whose name is `pattern` or whose path matches it.

    A path is that of the layer's weights without the last part, such as `"transformer_layer_0/attention/query"`; in a
    pattern `*` stands for anything, `/` included. No such layer is a `ValueError` that names those there are.
    """
    layers = [layer for layer in model._flatten_layers(include_self=False) if layer.weights]
    found = [x for x in layers if x.name == pattern or fnmatch.fnmatchcase(path_of(x), str(pattern))]
    if not found:
        inner = (x.name for x in reversed(layers) if "/" in path_of(x))
        raise ValueError(
            f"No layer of {type(model).__name__} has the name {pattern!r} or a path that matches it. Its layers are "
            f"{names(outer_layers(model))}; inside them are {names(inner)}. '*' stands for anything: 'name/*'."
        )
    return found


def path_of(layer):
    return layer.path or layer.name


def outer_layers(model):
    return [layer.name for layer in model.layers if layer.weights]


def names(found):
    found = list(dict.fromkeys(found))
    more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
    return (", ".join(islice(found, MOST_LISTED)) or "none") + more


def set_trainable(layer, value):
    """`layer.trainable = value` for the layer and all below it.

    Under TensorFlow an assignment of the value that an attribute has already does nothing, whatever the layers below
    have; so each gets the other value first.
    """
    for each in layer._flatten_layers():
        each.trainable = not value
        each.trainable = value


def freeze(model, patterns=(), until=None):
    """See `Backbone.freeze`."""
    chosen = [layer for pattern in patterns for layer in matching(model, pattern)]
    if until is not None:
        order = [layer.name for layer in model.layers]
        if until not in order:
            raise ValueError(f"until must name one of the outer layers, {names(outer_layers(model))}; got {until!r}.")
        chosen += model.layers[: order.index(until) + 1]
    for layer in chosen if patterns or until is not None else model.layers:
        set_trainable(layer, False)


def unfreeze(model, patterns=()):
    """See `Backbone.unfreeze`."""
    chosen = [layer for pattern in patterns for layer in matching(model, pattern)]
    if not model.trainable or not patterns:
        set_trainable(model, True)
        if patterns:  # what `model.trainable = False` had frozen stays so, but for what is named
            freeze(model)
    for layer in chosen:
        set_trainable(layer, True)
