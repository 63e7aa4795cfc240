"""YOLOv8 as Ultralytics stores it: a checkpoint with the whole module, or its state dict.

model.0, 1                 the stem
model.2, 4, 6, 8           the stacks' C2f: cv1 before, m.{j}.cv{1, 2} bottlenecks, cv2 after
model.3, 5, 7              the convolutions that shrink between them
model.9                    SPPF: cv1, cv2
model.12, 15, 18, 21       C2f of the pyramid, 16 and 19 the convolutions that shrink in it
model.22                   the head: cv2 boxes, cv3 classes, {level}.{0, 1, 2}; `dfl` holds the numbers 0 to 15
"""

import re

from keras_cv.layers.image_converter import LARGEST_SIDE
from keras_cv.tasks.detector_inputs import LARGEST_STRIDE
from keras_zoo.errors import PresetError
from keras_zoo.formats.id2label import distinct
from keras_zoo.formats.module_file import as_dict
from keras_zoo.formats.state_dict import StateDict

STACKS = ("model.2", "model.4", "model.6", "model.8")
HEAD = "model.22"
UNITS = {
    "stem_1": "model.0",
    "stem_2": "model.1",
    "stack2_downsample": "model.3",
    "stack3_downsample": "model.5",
    "stack4_downsample": "model.7",
    "pa_fpn_p3p4p5_downsample1": "model.16",
    "pa_fpn_p3p4p5_downsample2": "model.19",
}
BLOCKS = {
    "stack1_c2f": "model.2",
    "stack2_c2f": "model.4",
    "stack3_c2f": "model.6",
    "stack4_c2f": "model.8",
    "stack4_spp_fast": "model.9",
    "pa_fpn_p4p5": "model.12",
    "pa_fpn_p3p4p5": "model.15",
    "pa_fpn_p3p4p5_downsample1_block": "model.18",
    "pa_fpn_p3p4p5_downsample2_block": "model.21",
}
OWN_LAYERS = ("pa_fpn_", "yolo_v8_head_")  # of the detector
KINDS = {"box": "cv2", "class": "cv3"}
# What may be in a module, by the last part of its class: whatever else there is would compute something else.
CONTAINERS = ("DetectionModel", "Sequential", "ModuleList", "Conv", "C2f", "Bottleneck", "SPPF", "Concat", "Detect")
CLASSES = (*CONTAINERS, "DFL", "Conv2d", "BatchNorm2d", "SiLU", "MaxPool2d", "Upsample")
SETTINGS = {"Conv2d": {"dilation": (1, 1)}, "BatchNorm2d": {"eps": 1e-3}, "MaxPool2d": {"kernel_size": 5}}
LAST_OF_BACKBONE = 9  # bottlenecks up to here add their input


def fits(tensors):
    return "model.2.m.0.cv1.conv.weight" in tensors and f"{HEAD}.cv3.0.2.weight" in tensors


def read_config(tensors):
    """The backbone's arguments."""
    own = re.compile(r"model\.(\d|1[25689]|2[12])\.(conv|bn|m\.\d+\.cv[12]|cv[12]|cv[23]\.[012]\.[012]|dfl)\.")
    if foreign := [name for name in tensors if not own.match(name)]:
        raise PresetError(
            f"The state dict has parts that YOLOV8Detector has not, such as {foreign[0]}. Ultralytics' YOLOv8 for "
            "detection is read, in the sizes n, s, m, l and x; not those for masks, poses or turned boxes."
        )
    return {
        "stackwise_channels": [shape(tensors, f"{block}.cv2.conv.weight")[0] for block in STACKS],
        "stackwise_depth": [depth(tensors, block) for block in STACKS],
        "image_shape": (None, None, shape(tensors, "model.0.conv.weight")[1]),
    }


def read_task(tensors):
    """The detector's arguments; the thresholds are those that Ultralytics predicts with."""
    return {
        "num_classes": shape(tensors, f"{HEAD}.cv3.0.2.weight")[0],
        "fpn_depth": depth(tensors, "model.12"),
        "downsample_depth": depth(tensors, "model.18"),
        "class_channels": shape(tensors, f"{HEAD}.cv3.0.0.conv.weight")[0],
        "confidence_threshold": 0.25,
        "iou_threshold": 0.7,
        "max_detections": 300,
    }


def shape(tensors, name):
    if name not in tensors or not tensors[name].shape:
        raise PresetError(f"The state dict has no {name}, or it is a number alone.")
    return tuple(tensors[name].shape)


def depth(tensors, block):
    """The number of bottlenecks in a block."""
    return len({name.split(".")[3] for name in tensors if name.startswith(f"{block}.m.")})


def read_module(file):
    """A checkpoint's classes and the size of its images; its module must be set to what the detector computes."""
    for name, node in file.nodes.items():
        kind = node.kind.rpartition(".")[2]
        if kind not in CLASSES:
            raise PresetError(f"{name or 'The module'} is a {node.kind:.100}, which YOLOV8Detector does not compute.")
        expected = SETTINGS.get(kind, {})
        if kind == "Bottleneck":
            expected = {"add": int(name.split(".")[1]) <= LAST_OF_BACKBONE}
        for setting, value in expected.items():
            if node.attributes.get(setting) != value:
                raise PresetError(f"{name}, a {kind}, is not set to {setting}={value!r}, as it is in YOLOv8.")
    return class_names(file), image_size(file)


def class_names(file):
    names = file.plain("", "names")
    if names is None:
        return {}
    if isinstance(names, dict):
        names = [names.get(number) for number in range(len(names))]
    count = file.tensors[f"{HEAD}.cv3.0.2.weight"].shape[0]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) != count:
        raise PresetError(f"The checkpoint's names must be {count} texts, one for each class of its head.")
    return {"class_names": distinct(names)}


def image_size(file):
    """The side of the images that a checkpoint was trained on, which Ultralytics predicts with; empty without one."""
    content = file.archive.content
    side = (as_dict(content.get("train_args")) or {}).get("imgsz") if type(content) is dict else None
    if type(side) is not int or not 0 < side <= LARGEST_SIDE:
        return {}
    side = -(-side // LARGEST_STRIDE) * LARGEST_STRIDE
    return {"image_size": (side, side)}


def table(backbone):
    return {layer.name: name_of(layer.name) for layer in backbone.layers if layer.weights}


def head_table(detector):
    own = [layer.name for layer in detector.layers if layer.name.startswith(OWN_LAYERS) and layer.weights]
    return {name: name_of(name) for name in own}


def name_of(layer):
    """`stack1_c2f_pre_0_1_conv` -> `model.2.m.0.cv1.conv`."""
    unit, _, kind = layer.rpartition("_")
    if unit in UNITS:
        return f"{UNITS[unit]}.{kind}"
    if found := re.fullmatch(r"yolo_v8_head_(\d)_(box|class)_(\d)", unit):
        level, what, number = found.groups()
        name = f"{HEAD}.{KINDS[what]}.{int(level) - 1}.{int(number) - 1}"
        return name if number == "3" else f"{name}.{kind}"
    found = re.fullmatch(r"(.+?)_(pre|output|pre_(\d+)_([12]))", unit)
    if found is None or found[1] not in BLOCKS:
        raise PresetError(f"{layer} is no layer of YOLOV8Detector as Ultralytics has it.")
    part = {"pre": "cv1", "output": "cv2"}.get(found[2]) or f"m.{found[3]}.cv{found[4]}"
    return f"{BLOCKS[found[1]]}.{part}.{kind}"


STATE_DICT = StateDict(
    fits=fits,
    read_config=read_config,
    read_task=read_task,
    table=table,
    head_table=head_table,
    head=("model.1[0-9].*", "model.2[0-9].*"),
    ignored=("*.num_batches_tracked", f"{HEAD}.dfl.conv.weight"),
    read_module=read_module,
)
