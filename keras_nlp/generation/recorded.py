"""A model's reading of tokens, recorded once and then repeated without Keras: torch's detour."""

import warnings

from keras_zoo.compiled import backend


class RecordedReads:
    """`function(token_ids, cache)`, a method of a model, called directly or, under torch, from a recorded graph.

    Keras' layers cost torch 0.1 ms of Python each, more than a small layer computes. So a call for one more token is
    recorded once for each shape as the list of torch's own operations (`torch.fx`), which is then repeated. Nothing is
    generated or compiled. A function that cannot be recorded, since it branches on values, runs as it is.
    """

    def __init__(self, jit=True):
        self.jit = jit
        self.graphs = {}

    def __call__(self, function, token_ids, cache):
        if backend() != "torch" or not self.jit or not (cache.by_row or (token_ids.shape[1] == 1 and cache.index)):
            return function(token_ids, cache)
        import torch

        index = torch.as_tensor(cache.index, device=token_ids.device)
        tensors = [token_ids, index, cache.start, *(x for pair in cache.arrays for x in pair)]
        key = (function, *((tuple(x.shape), x.dtype) for x in tensors))
        if key not in self.graphs:
            self.graphs[key] = record(function, type(cache), tensors)
        return self.graphs[key](*tensors)


def record(function, cache_class, tensors):
    """`function` as a graph of torch's operations; the arrays of the cache are written in place."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def call(token_ids, index, start, *arrays):
        return function(token_ids, cache_class(zip(arrays[::2], arrays[1::2], strict=True), index, start))

    try:
        with torch.no_grad():
            return pack_int8(make_fx(call)(*tensors))
    except Exception as error:
        warnings.warn(f"{function.__qualname__} runs uncompiled, since torch cannot record it: {error}", stacklevel=2)
        return call


def pack_int8(graph):
    """Products of a few rows with 8-bit weights by torch's own kernel for them, instead of by a copy in floats."""
    import torch

    aten = torch.ops.aten
    for product in graph.graph.find_nodes(op="call_function", target=aten.mm.default):
        x, weights = product.args
        while weights.op == "call_function" and weights.target is aten._to_copy.default:
            weights, cast = weights.args[0], weights
        turned = weights.op == "call_function" and weights.target in (aten.permute.default, aten.t.default)
        source = weights.args[0] if turned else weights
        value = getattr(graph, source.target, None) if source.op == "get_attr" else None
        if value is None or value.dtype != torch.int8 or value.device.type != "cpu":
            continue
        value = (value if turned else value.t()).contiguous()  # (outputs, inputs)
        name = f"packed_{product.name}"
        graph.register_buffer(name, value)
        graph.register_buffer(f"{name}_scales", torch.ones(len(value), dtype=torch.bfloat16))
        with graph.graph.inserting_before(product):
            packed, scales = (graph.graph.get_attr(n) for n in (name, f"{name}_scales"))
            narrow = graph.graph.call_function(aten._to_copy.default, (x,), {"dtype": torch.bfloat16})
            found = graph.graph.call_function(aten._weight_int8pack_mm.default, (narrow, packed, scales))
            wide = graph.graph.call_function(aten._to_copy.default, (found,), {"dtype": cast.kwargs["dtype"]})
        product.replace_all_uses_with(wide)
        graph.graph.erase_node(product)
        while cast.op == "call_function" and not cast.users and cast is not source:
            cast, unused = cast.args[0], cast
            graph.graph.erase_node(unused)
    graph.recompile()
    return graph
