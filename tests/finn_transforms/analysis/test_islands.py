"""Which nodes split the accelerator."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.islands import nodes_between_hardware
from finn_transforms.analysis.matching import HARDWARE_DOMAIN


def chain(*op_types: str) -> ir.Model:
    """Return a model of nodes in a row; ``"MVAU"`` is a hardware layer."""
    first = value = ir.Value(name="x")
    nodes = []
    for index, op_type in enumerate(op_types):
        domain = HARDWARE_DOMAIN if op_type == "MVAU" else ""
        nodes.append(ir.node(op_type, [value], name=f"{op_type}_{index}", domain=domain))
        value = nodes[-1].outputs[0]
    return ir.Model(ir.Graph([first], [value], nodes=nodes, opset_imports={"": 21}), ir_version=10)


def test_only_nodes_with_hardware_on_both_sides_split_it() -> None:
    model = chain("Div", "MVAU", "Softmax", "Round", "MVAU", "Mul")
    assert [node.name for node in nodes_between_hardware(model)] == ["Softmax_2", "Round_3"]


def test_one_stretch_of_hardware_is_not_split() -> None:
    assert nodes_between_hardware(chain("Div", "MVAU", "MVAU", "Mul")) == []
    assert nodes_between_hardware(chain("Div", "Mul")) == []


def test_a_detour_over_the_host_splits_it() -> None:
    """A branch on the host beside one of hardware layers."""
    model = chain("MVAU", "MVAU")
    first, second = model.graph
    aside = ir.node("Softmax", [first.outputs[0]], name="aside")
    joined = ir.node("ElementwiseAdd", [second.outputs[0], aside.outputs[0]], name="sum", domain=HARDWARE_DOMAIN)
    model.graph.extend([aside, joined])
    assert [node.name for node in nodes_between_hardware(model)] == ["aside"]
