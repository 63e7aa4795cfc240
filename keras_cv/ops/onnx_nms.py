"""Non-maximum suppression as nodes of an ONNX file.

ONNX has an operator of its own for what `keras_cv.ops.nms` does by loops, and ONNX Runtime runs it fast. So a
detector is exported up to its boxes and scores, and the rest is appended here.
"""

import numpy as np

from keras_cv.ops.nms import check_limits, check_thresholds

# One image: what is above the threshold, as many rows as there are, behind D rows of -1. Those are what is left of the
# best D where fewer are kept, as TopK takes the first of equal ones; by that rule ties are decided as in `ops.nms`.
# The operator suppresses within a class: each box has its score in the row of its own class and -1 in the others. It
# would turn boxes with negative sides around, hence Max. Coordinates that are not finite give NaN when multiplied by
# 0, and a NaN among scores takes 1 off: neither is above a threshold then.
IMAGE = """
image (float[A, 4] boxes, float[A, C] scores)
    => (float[D, 4] kept_boxes, float[D] kept_scores, int32[D] kept_classes, int32 count)
{{
    iou = Constant <value_float = {iou_threshold}> ()
    confidence = Constant <value_float = {confidence_threshold}> ()
    d = Constant <value_ints = [{max_detections}]> ()
    zero = Constant <value_float = 0.0> ()
    zeros = Constant <value_ints = [0]> ()
    one = Constant <value_int = 1> ()
    ones = Constant <value_ints = [1]> ()
    two = Constant <value_int = 2> ()
    twos = Constant <value_ints = [2]> ()
    four = Constant <value_ints = [4]> ()
    flat = Constant <value_ints = [-1]> ()
    missing = ConstantOfShape <value = float[1] {{-1}}> (d)
    missing_class = ConstantOfShape <value = int64[1] {{-1}}> (d)
    missing_shape = Concat <axis = 0> (d, four)
    missing_box = ConstantOfShape <value = float[1] {{-1}}> (missing_shape)

    best_given = ReduceMax <keepdims = 0{axes}> (scores{axes_input})
    best = {activation} (best_given)
    above = Greater (best, confidence)
    places = NonZero (above)
    place = Reshape (places, flat)
    found = Gather (boxes, place)
    box = Concat <axis = 0> (missing_box, found)
    found_scores = Gather (scores, place)
    found_class = ArgMax <axis = 1, keepdims = 0> (found_scores)
    label = Concat <axis = 0> (missing_class, found_class)
    found_best = Gather (best, place)
    nan = IsNaN (found_scores)
    nan_numbers = Cast <to = 1> (nan)
    nan_count = ReduceSum <keepdims = 0> (nan_numbers, ones)
    found_score = Sub (found_best, nan_count)
    all_scores = Concat <axis = 0> (missing, found_score)
    nothing = Mul (box, zero)
    nothing_sum = ReduceSum <keepdims = 0> (nothing, ones)
    score = Add (all_scores, nothing_sum)

    upper_left = Slice (box, zeros, twos, ones)
    lower_right = Slice (box, twos, four, ones)
    not_before = Max (upper_left, lower_right)
    corners = Concat <axis = 1> (upper_left, not_before)
    batch_of_corners = Unsqueeze (corners, zeros)
    {by_class}
    batch_of_scores = Unsqueeze (scores_by_class, zeros)
    chosen = NonMaxSuppression (batch_of_corners, batch_of_scores, d, iou, confidence)

    chosen_rows = Gather <axis = 1> (chosen, two)
    chosen_scores = Gather (score, chosen_rows)
    shape = Shape (score)
    none = ConstantOfShape <value = float[1] {{-1}}> (shape)
    dense = ScatterElements <axis = 0> (none, chosen_rows, chosen_scores)
    kept_scores, rank = TopK (dense, d)
    kept_boxes = Gather (box, rank)
    ranked_label = Gather (label, rank)
    kept_classes = Cast <to = 6> (ranked_label)
    real = Greater (kept_scores, zero)
    real_numbers = Cast <to = 6> (real)
    count = ReduceSum <keepdims = 0> (real_numbers)
}}
"""
ONE_CLASS = "scores_by_class = Unsqueeze (score, zeros)"
BY_CLASS = """
    zero_int = Constant <value_int = 0> ()
    minus_one = Constant <value_float = -1.0> ()
    shape_of_scores = Shape (scores)
    num_classes = Gather (shape_of_scores, one)
    every_class = Range (zero_int, num_classes, one)
    column = Unsqueeze (every_class, ones)
    own = Equal (column, label)
    scores_by_class = Where (own, score, minus_one)
"""
# Types, and shapes without the batch; None is max_detections.
DETECTIONS = {
    "boxes": ("FLOAT", [None, 4]),
    "confidence": ("FLOAT", [None]),
    "classes": ("INT32", [None]),
    "num_detections": ("INT32", []),
}


def append_non_max_suppression(
    model,
    iou_threshold=0.5,
    confidence_threshold=0.5,
    max_detections=100,
    class_agnostic=False,
    from_logits=False,
    outputs=None,
):
    """Lets an ONNX model that gives boxes and scores give detections, those of `keras_cv.ops.nms.non_max_suppression`.

    It has four outputs in place of the two: `boxes` `(B, max_detections, 4)` float32, `confidence` `(B,
    max_detections)` float32, `classes` `(B, max_detections)` int32 and `num_detections` `(B,)` int32, -1 in rows past
    the last detection. A box counts with its best class.

    Args:
        model: an `onnx.ModelProto`, which is changed, of operator set 13 or later.
        iou_threshold, confidence_threshold, max_detections, class_agnostic, from_logits: as those of
            `non_max_suppression`; they become constants of the model.
        outputs: the names of the outputs with boxes, `(B, A, 4)` float32, xyxy, and scores, `(B, A, C)` float32; None
            for the model's first two.

    Raises:
        ValueError: for thresholds and limits out of their range, an older operator set, or outputs that are not there.
    """
    import onnx
    from onnx import TensorProto, helper

    check_thresholds(iou_threshold, confidence_threshold)
    check_limits(max_detections=max_detections)
    graph = model.graph
    version = next((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), 0)
    if version < 13:
        raise ValueError(f"Non-maximum suppression asks for an ONNX operator set from 13 on; got {version}.")
    given = [x.name for x in graph.output]
    outputs = given[:2] if outputs is None else list(outputs)
    if len(set(outputs)) != 2 or not set(outputs) <= set(given):
        raise ValueError(f"outputs must be the names of boxes and scores, two of {', '.join(given)}; got {outputs}.")
    axes = {"axes": ", axes = [1]", "axes_input": ""} if version < 18 else {"axes": "", "axes_input": ", ones"}
    image = onnx.parser.parse_graph(
        IMAGE.format(
            iou_threshold=float(iou_threshold),
            confidence_threshold=float(confidence_threshold),
            max_detections=max_detections,
            activation="Sigmoid" if from_logits else "Identity",
            by_class=ONE_CLASS if class_agnostic else BY_CLASS,
            **axes,
        )
    )
    body_names = [name for node in image.node for name in node.output] + [x.name for x in image.input]
    rename(
        image, {name: f"nms/{name}" for name in body_names}
    )  # what is inside must not be called like what is outside
    old = [x for x in graph.output if x.name in outputs]
    kept = [x.name for x in (*graph.input, *graph.output) if x.name not in outputs]
    if taken := sorted(set(kept) & set(DETECTIONS)):
        raise ValueError(
            f"Detections are called {', '.join(taken)}; the model has another input or output of that name."
        )
    batch = old[0].type.tensor_type.shape.dim[0]
    for value in old:
        graph.output.remove(value)
    names = {name: f"{name}_before_nms" for name in DETECTIONS}
    rename(graph, names)
    before = [names.get(name, name) for name in outputs]
    scan = helper.make_node("Scan", before, list(DETECTIONS), "non_max_suppression", num_scan_inputs=2, body=image)
    graph.node.append(scan)
    for name, (kind, shape) in DETECTIONS.items():
        shape = [max_detections if n is None else n for n in shape]
        value = helper.make_tensor_value_info(name, getattr(TensorProto, kind), [None, *shape])
        value.type.tensor_type.shape.dim[0].CopyFrom(batch)
        graph.output.append(value)


def transform_boxes(model, matrix):
    """Multiplies the boxes of each detection by a matrix, `(4, 4)` float32, which makes another format of xyxy."""
    from onnx import helper, numpy_helper

    if (matrix == np.eye(4)).all():
        return
    graph = model.graph
    scan = next(node for node in graph.node if "boxes" in node.output)
    scan.output[:] = ["boxes_xyxy" if name == "boxes" else name for name in scan.output]
    numbers = {"box_format": matrix, "box_missing": np.float32(-1), "box_axis": np.asarray([2]), "none": np.int32(-1)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(x), name) for name, x in numbers.items())
    graph.node.extend(
        [
            helper.make_node("MatMul", ["boxes_xyxy", "box_format"], ["boxes_in_format"]),
            helper.make_node("Greater", ["classes", "none"], ["box_is_real"]),
            helper.make_node("Unsqueeze", ["box_is_real", "box_axis"], ["box_is_real_column"]),
            helper.make_node("Where", ["box_is_real_column", "boxes_in_format", "box_missing"], ["boxes"]),
        ]
    )


def name_outputs(model, names):
    """Calls the outputs `names`, in their order, and a first axis of any length `batch`."""
    graph = model.graph
    rename(graph, {name: f"{name}_inside" for name in names if name not in [x.name for x in graph.output]})
    rename(graph, {value.name: name for value, name in zip(graph.output, names, strict=True)})
    for value in (*graph.input, *graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.dim_value:
            batch.dim_param = "batch"


def rename(graph, names):
    """Gives tensors of a graph, and of those inside its nodes, other names, where they have one of `names`."""
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                rename(inner, names)
    for values in (graph.initializer, graph.value_info, graph.input, graph.output):
        for value in values:
            value.name = names.get(value.name, value.name)
