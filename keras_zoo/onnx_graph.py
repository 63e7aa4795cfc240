"""What Keras' exporters leave to be said in fewer nodes of an ONNX file."""

import numpy as np

LOWEST = np.finfo("float32").min


def fold_padding(path):
    """Writes the file anew in which a `Pad` with the lowest value before a `MaxPool` is part of the pooling.

    ONNX Runtime keeps feature maps in an order of its own from one convolution or pooling to the next, and turns them
    back for a `Pad`: a twentieth of ResNet-50.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    constants = {x.name: numpy_helper.to_array(x) for x in graph.initializer if np.prod(x.dims) <= 16}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {x.name for x in graph.output}
    folded = [pad for pad in graph.node if fold(pad, readers.get(pad.output[0], []), constants, outputs)]
    for pad in folded:
        graph.node.remove(pad)
    if folded:
        onnx.save(model, path)


def fold(pad, readers, constants, outputs):
    """Whether `pad` could be folded into the one pooling that reads it, which then reads what `pad` read."""
    from onnx import helper

    if pad.op_type != "Pad" or len(pad.input) != 3 or len(readers) != 1 or pad.output[0] in outputs:
        return False
    pool, pads, value = readers[0], constants.get(pad.input[1]), constants.get(pad.input[2])
    modes = {a.name: helper.get_attribute_value(a) for a in (*pad.attribute, *pool.attribute)}
    constant = modes.get("mode", b"constant") == b"constant" and modes.get("auto_pad", b"NOTSET") in (
        b"NOTSET",
        b"VALID",
    )
    if pool.op_type != "MaxPool" or pads is None or value is None or not constant or value.min() > LOWEST:
        return False
    before, after = np.split(pads, 2)
    if before[:2].any() or after[:2].any() or (pads < 0).any():
        return False
    pads = np.concatenate([before[2:], after[2:]]) + modes.get("pads", [0] * (len(pads) - 4))
    for attribute in [a for a in pool.attribute if a.name in ("pads", "auto_pad")]:
        pool.attribute.remove(attribute)
    pool.attribute.append(helper.make_attribute("pads", pads.tolist()))
    pool.input[0] = pad.input[0]
    return True
