"""A canonical form of ONNX models, so that equal models have equal bytes.

tf2onnx orders and names nodes by Python's hashes, which differ between processes. A fixed
PYTHONHASHSEED does not help: three runs with the same seed gave three different files.
"""

from collections.abc import Iterator
from typing import Any


def topological_order(graph: Any) -> Iterator[Any]:
    """Iterate over a graph's nodes depth-first from its outputs, inputs before their users."""
    producers = {name: node for node in graph.node for name in node.output}
    done: set[int] = set()
    stack = [(producers[output.name], False) for output in reversed(graph.output)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
            continue
        stack.append((node, True))
        needed = (producers[name] for name in reversed(node.input) if name in producers)
        stack += [(producer, False) for producer in needed]


def canonicalize(model: Any) -> Any:
    """Put a model's nodes in topological order and number its nodes, tensors and constants.

    The names of inputs and outputs stay; their first dimension is called n. The model must have no
    subgraphs. It is changed in place and returned.
    """
    graph = model.graph
    fixed = {value.name for value in (*graph.input, *graph.output)}
    constants = {constant.name: constant for constant in graph.initializer}
    nodes = list(topological_order(graph))
    names: dict[str, str] = {name: name for name in fixed}
    for node in nodes:
        for name in (*node.input, *node.output):
            if name:
                kind = "constant" if name in constants else "tensor"
                names.setdefault(name, f"{kind}_{len(names)}")
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names.get(name, "") for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    used = [constants[old] for old in names if old in constants]
    for constant in used:
        constant.name = names[constant.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    for node in nodes:
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        node.ClearField("attribute")
        node.attribute.extend(attributes)
    for field, content in {"node": nodes, "initializer": used, "value_info": []}.items():
        copies = [type(item).FromString(item.SerializeToString()) for item in content]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    return model
