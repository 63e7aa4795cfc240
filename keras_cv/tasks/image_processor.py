"""The preprocessor_config.json of transformers' image processors that resize, cut the middle and normalise."""

import math

from keras_cv.layers.image_converter import from_mean_and_std
from keras_zoo.errors import PresetError
from keras_zoo.formats.files import file_in, read_json, understood, write_json

FILE = "preprocessor_config.json"
RESAMPLE = {"nearest": 0, "lanczos3": 1, "bilinear": 2, "bicubic": 3}  # Pillow's numbers
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
WARPED = 384  # from this size on ConvNeXT's processor, which ResNet uses, resizes without cutting


def read_preprocessor(config, tokenizer_config, folder):
    """Arguments of an `ImageClassifierPreprocessor`, None where the folder has no such file."""
    path = file_in(folder, FILE)
    if path is None:
        return None
    settings = read_json(path)
    with understood(path):
        return read_sizes(settings) | read_pixels(settings)


def read_sizes(settings):
    if not settings.get("do_resize", True):
        return {"image_size": None}
    resample = settings.get("resample", RESAMPLE["bicubic"])
    if resample not in RESAMPLE.values():
        raise ValueError(f"resample is one of {RESAMPLE}; got {resample!r}")
    found = {"interpolation": next(k for k, v in RESAMPLE.items() if v == resample), "antialias": True}
    size = settings.get("size", {"shortest_edge": WARPED})
    if isinstance(size, dict) and "height" in size:
        first = image_size = [size["height"], size["width"]]
    else:
        length = size["shortest_edge"] if isinstance(size, dict) else int(size)
        image_size = [length, length]
        first = image_size if length >= WARPED else int(length / settings.get("crop_pct", 224 / 256))
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    if isinstance(crop, int):
        crop = {"height": crop, "width": crop}
    if crop and [crop["height"], crop["width"]] != image_size:
        raise ValueError(f"crop_size {crop} is not the size {image_size} that resizing gives")
    return found | {"image_size": image_size, "resize_to": first}


def read_pixels(settings):
    factor = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    if not settings.get("do_normalize", True):
        return {"scale": factor}
    mean, std = (settings.get(f"image_{name}") or IMAGENET[name] for name in ("mean", "std"))
    return from_mean_and_std(mean, std, factor)


def write_preprocessor(preprocessor, folder):
    """Writes preprocessor_config.json; a `PresetError` where transformers' processor would compute something else."""
    size, first = preprocessor.image_size, preprocessor.resize_to
    found = {"image_processor_type": "ConvNextImageProcessor", "do_resize": size is not None, "do_rescale": True}
    if size is not None:
        found |= resizing(preprocessor, size, first)
    # One number for scale and offset is the same for all channels.
    scale = three(1.0 if preprocessor.scale is None else preprocessor.scale)
    offset = three(0.0 if preprocessor.offset is None else preprocessor.offset)
    std = [1 / 255 / x for x in scale]
    mean = [-x * s for x, s in zip(offset, std, strict=True)]
    found |= {"rescale_factor": 1 / 255, "do_normalize": True}
    found |= {"image_mean": [round(x, 9) for x in mean], "image_std": [round(x, 9) for x in std]}
    write_json(folder / FILE, found)


def resizing(preprocessor, size, first):
    square, shrinks = size[0] == size[1], isinstance(first, int) and first >= size[0] and size[0] < WARPED
    warped = first == size and size[0] >= WARPED
    wrong = not square or not (shrinks or warped) or preprocessor.interpolation not in RESAMPLE
    if wrong or not preprocessor.antialias:
        raise PresetError(
            "transformers' processor resizes the shorter side, smoothed, and cuts a square below "
            f"{WARPED}; this preprocessor has image_size={size}, resize_to={first}, "
            f"interpolation={preprocessor.interpolation!r}, antialias={preprocessor.antialias}. Save the task with "
            "preprocessor=None to leave it out."
        )
    found = {"size": {"shortest_edge": size[0]}, "resample": RESAMPLE[preprocessor.interpolation]}
    return found if warped else found | {"crop_pct": fraction(size[0], first)}


def fraction(size, first):
    """The `crop_pct` from which `int(size / crop_pct)` is `first` again."""
    found = size / first
    return found if int(size / found) == first else math.nextafter(found, 0)


def three(value):
    return value if isinstance(value, list) else [value] * 3
