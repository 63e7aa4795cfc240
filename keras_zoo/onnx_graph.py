"""What Keras' exporters leave to be said in fewer nodes of an ONNX file."""

import numpy as np

# What a padding must be filled with to be part of the node behind it: zeros, or nothing that could be a maximum.
FILLED = {"Conv": lambda value: value == 0, "MaxPool": lambda value: value <= np.finfo("float32").min}
LONGEST = 100  # nodes that a number of a padding may be computed by


def quicken(path):
    """Writes the file anew where ONNX Runtime would be slow for how a node is written.

    It keeps feature maps in an order of its own from one convolution or pooling to the next, and turns them back for a
    `Pad` before one: a twentieth of ResNet-50. And it moves the colours of images in front pixel by pixel, which takes
    another twentieth for 16 images, but swaps two axes in blocks.
    """
    import onnx

    model = onnx.load(path)
    if fold_padding(model) | swap_two_axes(model):
        onnx.save(model, path)


def fold_padding(model):
    """Whether a `Pad` became part of the `Conv` or `MaxPool` that reads it."""
    graph = Graph(model)
    folded = [pad for pad in model.graph.node if pad.op_type == "Pad" and fold(pad, graph)]
    for pad in folded:
        model.graph.node.remove(pad)
    return bool(folded)


def swap_two_axes(model):
    """Whether a `Transpose` of `(N, H, W, C)` to `(N, C, H, W)` became one of `(N, H * W, C)` to `(N, C, H * W)`.

    Those behind a convolution stay, which ONNX Runtime brings together and drops.
    """
    from onnx import helper, numpy_helper, shape_inference

    known = shape_inference.infer_shapes(model).graph
    sizes = {x.name: [d.dim_value for d in x.type.tensor_type.shape.dim] for x in (*known.input, *known.value_info)}
    nodes, swapped, behind = [], 0, set()

    def constant(name, numbers):
        model.graph.initializer.append(numpy_helper.from_array(np.array(numbers, "int64"), name))
        return name

    for node in model.graph.node:
        if node.op_type == "Conv" or behind.intersection(node.input):
            behind.update(node.output)
        size = sizes.get(node.input[0], []) if node.op_type == "Transpose" and node.output[0] not in behind else []
        if len(size) != 4 or not size[3] or attributes(node).get("perm") != [0, 3, 1, 2]:
            nodes.append(node)
            continue
        (_, height, width, channels), given, made = size, node.input[0], node.output[0]
        shape, turned_shape, flat, turned = (f"{made}/{name}" for name in ("shape", "turned_shape", "flat", "turned"))
        if height and width:  # then ONNX Runtime knows all sizes but the batch's, and plans its memory
            constant(turned_shape, [0, channels, height, width])
        else:
            order = constant(f"{made}/order", [0, 3, 1, 2])
            nodes += [
                helper.make_node("Shape", [given], [shape]),
                helper.make_node("Gather", [shape, order], [turned_shape]),
            ]
        nodes += [
            helper.make_node("Reshape", [given, constant(f"{made}/rows", [0, -1, channels])], [flat]),
            helper.make_node("Transpose", [flat], [turned], perm=[0, 2, 1]),
            helper.make_node("Reshape", [turned, turned_shape], [made]),
        ]
        swapped += 1
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bool(swapped)


class Graph:
    """Which node makes a tensor, which ones read it, and the value of one that no input has part in."""

    def __init__(self, model):
        self.opsets = model.opset_import
        self.outputs = {x.name for x in model.graph.output}
        self.initializers = {x.name: x for x in model.graph.initializer}
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.readers = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def only_reader(self, name):
        """The one node that reads a tensor, or None."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.outputs else None

    def value(self, name):
        """The constant that a tensor is, or None."""
        from onnx import helper, numpy_helper
        from onnx.reference import ReferenceEvaluator

        if name in self.initializers:
            return numpy_helper.to_array(self.initializers[name])
        nodes, given, todo = {}, {}, [name]
        while todo:
            tensor = todo.pop()
            node = self.makers.get(tensor)
            if tensor in self.initializers:
                given[tensor] = self.initializers[tensor]
            elif node is None or node.op_type == "Shape" or len(nodes) == LONGEST:
                return None
            elif node.output[0] not in nodes:
                nodes[node.output[0]] = node
                todo += [x for x in node.input if x]
        nodes = [node for first, node in self.makers.items() if first in nodes]  # in the order of the graph
        output = helper.make_empty_tensor_value_info(name)
        graph = helper.make_graph(nodes, "constant", [], [output], list(given.values()))
        return ReferenceEvaluator(helper.make_model(graph, opset_imports=self.opsets)).run(None, {})[0]


def fold(pad, graph):
    """Whether `pad` could be folded into the one node that reads it, be it in another order of axes."""
    from onnx import helper

    first = behind = graph.only_reader(pad.output[0])
    axes, name = None, pad.output[0]
    while behind is not None and behind.op_type in ("Cast", "Transpose"):
        if behind.op_type == "Transpose":
            turn = attributes(behind)["perm"]
            axes = turn if axes is None else [axes[i] for i in turn]
        name = behind.output[0]
        behind = graph.only_reader(name)
    if behind is None or behind.op_type not in FILLED or name in behind.input[1:]:
        return False
    modes = attributes(pad) | attributes(behind)
    constant = modes.get("mode", b"constant") == b"constant" and len(pad.input) <= 3
    if not constant or modes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return False
    pads = graph.value(pad.input[1])
    value = graph.value(pad.input[2]) if len(pad.input) == 3 and pad.input[2] else np.zeros(())
    if pads is None or value is None or (pads < 0).any() or not FILLED[behind.op_type](value.min()):
        return False
    before, after = (half if axes is None else half[axes] for half in np.split(pads, 2))
    if before[:2].any() or after[:2].any():
        return False
    pads = np.concatenate([before[2:], after[2:]]) + modes.get("pads", [0] * (len(pads) - 4))
    for attribute in [a for a in behind.attribute if a.name in ("pads", "auto_pad")]:
        behind.attribute.remove(attribute)
    behind.attribute.append(helper.make_attribute("pads", pads.tolist()))
    first.input[0] = pad.input[0]
    return True


def attributes(node):
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}
