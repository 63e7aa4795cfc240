"""Checks of what the constructors of networks are given."""


def check_choice(name, value, accepted):
    if value not in accepted:
        raise ValueError(f"{name} must be one of {accepted}; got {value!r}.")


def check_sizes(prefix, **lists):
    """`ValueError` unless all are lists of one length, which is not 0, of whole numbers above 0."""
    given = ", ".join(f"{prefix}{name}={value}" for name, value in lists.items())
    wrong = [x for values in lists.values() for x in values if isinstance(x, bool) or not isinstance(x, int) or x < 1]
    if wrong or len({len(values) for values in lists.values()}) != 1 or not all(lists.values()):
        raise ValueError(f"{given} must be lists of one length, of whole numbers above 0.")


def image_shape_for(data_format, image_shape):
    """`image_shape` as a tuple; the default has its three channels wherever `data_format` has them."""
    shape = tuple(image_shape)
    if shape == (None, None, 3) and data_format == "channels_first":
        shape = (3, None, None)
    channels = shape[-1 if data_format == "channels_last" else 0] if len(shape) == 3 else None
    if channels is None:
        order = "(height, width, channels)" if data_format == "channels_last" else "(channels, height, width)"
        raise ValueError(f"image_shape must be {order} for {data_format!r}, with known channels; got {image_shape}.")
    return shape
