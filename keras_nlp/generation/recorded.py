"""A model's reading of tokens, recorded and then replayed by what is faster: torch's and JAX's one detour each."""

import warnings

import keras

from keras_nlp.generation.weights import ACTIVE, backend


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
        if backend() == "jax" and ACTIVE and ACTIVE[-1][1]:
            return read_turned(function, token_ids, cache)
        if backend() != "torch" or not self.jit or not (cache.by_row or (token_ids.shape[1] == 1 and cache.index)):
            return function(token_ids, cache)
        import torch

        index = torch.as_tensor(cache.index, device=token_ids.device)
        tensors = [token_ids, index, cache.start, *(x for pair in cache.arrays for x in pair)]
        key = (function, *((tuple(x.shape), x.dtype) for x in tensors))
        if key not in self.graphs:
            self.graphs[key] = record(function, type(cache), tensors)
        return self.graphs[key](*tensors)


def read_turned(function, token_ids, cache):
    """JAX: `function(token_ids, cache)` with its products by turned matrices written as such.

    A product by a transposed matrix XLA turns into one by the matrix itself, but not where it has one row only: there
    it would transpose, before the loop. So the function is recorded with stand-ins for those matrices, and replayed
    with `x @ stand-in` as a product along the last axis of both.
    """
    import jax

    pairs, turned = ACTIVE[-1]
    variables, copies = zip(*turned, strict=True)
    arguments = token_ids, cache.index, cache.start, cache.arrays

    def call(stand_ins, token_ids, index, start, arrays):
        inner = type(cache)(arrays, index, start)
        with keras.StatelessScope(state_mapping=[*pairs, *zip(variables, stand_ins, strict=True)]):
            return function(token_ids, inner), inner.arrays

    shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables]
    recorded, structure = jax.make_jaxpr(call, return_shape=True)(shapes, *arguments)
    now = {id(v): x for v, x in pairs}
    stand_ins = dict(
        zip(recorded.jaxpr.invars, zip((now[id(v)] for v in variables), copies, strict=True), strict=False)
    )
    found = replay(recorded, stand_ins, jax.tree.leaves(arguments))
    result, cache.arrays = jax.tree.unflatten(jax.tree.structure(structure), found)
    return result


def replay(recorded, turned, arguments):
    """The outputs of a recorded function; `turned` has, for each of its first inputs, the matrix and the turned one."""
    import jax
    from jax.extend.core import Literal
    from jax.extend.core.primitives import dot_general_p, transpose_p

    jaxpr = recorded.jaxpr
    known = dict(zip(jaxpr.constvars, recorded.consts, strict=True))
    known |= dict(zip(jaxpr.invars[len(turned) :], arguments, strict=True))

    def value(atom):
        if isinstance(atom, Literal):
            return atom.val
        return turned[atom][0] if atom in turned else known[atom]

    for step in jaxpr.eqns:
        by = step.invars[-1] if step.invars and not isinstance(step.invars[-1], Literal) else None
        by = by if by in turned else None
        if by is not None and step.primitive is transpose_p:
            found = turned[by][1]
        elif by is not None and step.primitive is dot_general_p:
            ((left, (right,)), batch), rest = step.params["dimension_numbers"], ("precision", "preferred_element_type")
            options = {name: step.params[name] for name in rest}
            axes = (left, (1 - right,)), batch
            found = jax.lax.dot_general(value(step.invars[0]), turned[by][1], axes, **options)
        else:
            options = step.primitive.get_bind_params(step.params)
            functions, options = options if isinstance(options, tuple) else ((), options)  # before JAX 0.10
            found = step.primitive.bind(*functions, *map(value, step.invars), **options)
        found = found if step.primitive.multiple_results else [found]
        known |= dict(zip(step.outvars, found, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


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
