"""An ONNX model whose bytes follow from what it computes.

tf2onnx orders and names what it makes by Python's hashes, which differ from process to process. A
fixed PYTHONHASHSEED does not help: three runs with the same seed gave three different files.
"""

from collections.abc import Iterator
from typing import Any


def topological_order(graph: Any) -> Iterator[Any]:
    """A graph's nodes, each behind those that it needs, as they are met from the outputs on."""
    maker = {name: node for node in graph.node for name in node.output}
    done: set[int] = set()
    stack = [(maker[output.name], False) for output in reversed(graph.output)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
            continue
        stack.append((node, True))
        needed = (maker[name] for name in reversed(node.input) if name in maker)
        stack += [(one, False) for one in needed]


def canonicalize(model: Any) -> Any:
    """The model with its nodes in that order, and tensors, constants and nodes numbered in it; the
    names of inputs and outputs stay, and their first dimension is called n. The model must have no
    subgraphs."""
    graph = model.graph
    fixed = {one.name for one in (*graph.input, *graph.output)}
    constants = {one.name: one for one in graph.initializer}
    nodes = list(topological_order(graph))
    names: dict[str, str] = {name: name for name in fixed}
    for node in nodes:
        for name in (*node.input, *node.output):
            if name:
                what = "constant" if name in constants else "tensor"
                names.setdefault(name, f"{what}_{len(names)}")
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names.get(name, "") for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    kept = [constants[old] for old in names if old in constants]
    for one in kept:
        one.name = names[one.name]
    for one in (*graph.input, *graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = "n"
    attributes = [sorted(node.attribute, key=lambda one: one.name) for node in nodes]
    for node, some in zip(nodes, attributes, strict=True):
        node.ClearField("attribute")
        node.attribute.extend(some)
    for field, content in {"node": nodes, "initializer": kept, "value_info": []}.items():
        copies = [type(one).FromString(one.SerializeToString()) for one in content]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    return model
