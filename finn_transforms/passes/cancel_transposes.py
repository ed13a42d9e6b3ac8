"""Removes transposes that undo each other, and all but one of those that do the same."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.matching import nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult


class CancelTransposes(HardwarePass):
    """Let a transpose that undoes the one in front of it be read around.

    Before::

        b = Transpose(Transpose(a, perm=(0, 3, 1, 2)), perm=(0, 2, 3, 1))

        c, d = Transpose(x, perm=(0, 2, 3, 1)), Transpose(x, perm=(0, 2, 3, 1))

    After::

        b = a
        c = d = Transpose(x, perm=(0, 2, 3, 1))

    Any number of readers may stand behind each of them.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Cancel every pair and merge every group of equal ones."""
        first: dict[tuple[ir.Value, tuple[int, ...]], ir.Value] = {}
        for node in nodes_of(model):
            if node.op_type != "Transpose" or node.domain != "" or node.inputs[0] is None:
                continue
            output = node.outputs[0]
            if not output.is_graph_output() and (source := _undone(node)) is not None:
                ir.convenience.replace_all_uses_with(output, source)
                self.note(result, node, f"undoes the transpose of {source.name}")
                continue
            same = first.setdefault((node.inputs[0], tuple(attributes_of(node).get("perm", ()))), output)
            if same is not output and not output.is_graph_output():
                ir.convenience.replace_all_uses_with(output, same)
                self.note(result, node, f"is the transpose {same.name}")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _undone(node: ir.Node) -> ir.Value | None:
    first = None if not node.inputs or node.inputs[0] is None else node.inputs[0].producer()
    if node.op_type != "Transpose" or first is None or first.op_type != "Transpose":
        return None
    inner, outer = (attributes_of(each).get("perm") for each in (first, node))
    if inner is None or outer is None:
        # Without it a transpose reverses the axes.
        return first.inputs[0] if inner == outer else None
    return first.inputs[0] if [inner[axis] for axis in outer] == sorted(inner) else None
