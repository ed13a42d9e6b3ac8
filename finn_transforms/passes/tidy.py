"""Makes any QONNX file ready for the other passes."""

from __future__ import annotations

import onnx_ir as ir

from finn_transforms.analysis.datatypes import datatype, set_datatype
from finn_transforms.analysis.matching import NoMatchError, nodes_of
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import replace
from finn_transforms.passes._folding import fold_constants
from finn_transforms.passes._opset import declare_domains, upgrade_opset
from finn_transforms.passes.infer_shapes import InferShapes


class Tidy(HardwarePass):
    """Give a graph static shapes and leave in it only what computes with its inputs.

    Before::

        x: (N, 1, 28, 28)                                   # opset 9
        n = Concat(Unsqueeze(Gather(Shape(x), 0)), -1)
        y = Identity(Reshape(x, n))

    After::

        x: (1, 1, 28, 28)                                   # opset 19
        y = Reshape(x, [1, -1])

    - Operators of opsets before 18 take the form they have since then; forgotten opset imports are added.
    - The first dimension of an input becomes 1 where it is the only one that is unknown.
    - Symbolic dimensions that an exporter wrote on computed values are forgotten, and shapes inferred again.
    - What depends on nothing but constants and shapes becomes an initializer; quantized constants stay as they are.
    - Identities, dropouts and casts to the type a value already has are removed.

    QONNX's data types survive all of it.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Change ``model`` in place; only an opset that ONNX cannot convert is refused."""
        first = next(iter(model.graph), None)
        if first is None:
            return
        for domain in declare_domains(model):
            self.note(result, first, f"imports {domain}")
        self._upgrade(model, result)
        self._bind_shapes(model, result)
        self._remove_identities(model, result)
        while folded := fold_constants(model):
            for node in folded:
                self.note(result, node, "folded into a constant")
            if not _has_unknown_shapes(model):
                break
            # A computed target of a Reshape or Resize is known only now.
            InferShapes()(model)

    def _upgrade(self, model: ir.Model, result: HardwarePassResult) -> None:
        try:
            version = upgrade_opset(model)
        except NoMatchError as why:
            self.refuse(result, next(iter(model.graph)), why)
            return
        if version is not None:
            self.note(result, next(iter(model.graph)), f"opset {version} becomes {model.graph.opset_imports['']}")

    def _bind_shapes(self, model: ir.Model, result: HardwarePassResult) -> None:
        first = next(iter(model.graph))
        for value in model.graph.inputs:
            if value.shape is not None and _only_batch_unknown(value.shape):
                self.note(result, first, f"input {value.name}: {value.shape} becomes a batch of 1")
                value.shape = ir.Shape([1, *list(value.shape)[1:]])
        for node in model.graph:
            for value in node.outputs:
                if value.shape is not None and not value.shape.is_static():
                    self.note(result, node, f"{value.name}: {value.shape} is forgotten")
                    value.shape = None
        if _has_unknown_shapes(model):
            InferShapes()(model)

    def _remove_identities(self, model: ir.Model, result: HardwarePassResult) -> None:
        for node in nodes_of(model):
            if _passes_through(node) and _replaceable(node):
                self.note(result, node, f"{node.op_type} is removed")
                _bypass(node)


def _only_batch_unknown(shape: ir.Shape) -> bool:
    return len(shape) > 0 and not isinstance(shape[0], int) and all(isinstance(size, int) for size in list(shape)[1:])


def _has_unknown_shapes(model: ir.Model) -> bool:
    return any(value.shape is None or not value.shape.is_static() for node in model.graph for value in node.outputs)


def _passes_through(node: ir.Node) -> bool:
    if node.domain != "" or not node.inputs or node.inputs[0] is None:
        return False
    if node.op_type == "Cast":
        return node.inputs[0].dtype is not None and node.inputs[0].dtype == node.attributes["to"].as_int()
    if node.op_type == "Dropout":
        return len(node.inputs) < 3 and not any(value.uses() for value in node.outputs[1:])
    return node.op_type == "Identity"


def _replaceable(node: ir.Node) -> bool:
    """Tell whether the input can take the output's place: a graph output needs a node of its own."""
    source = node.inputs[0]
    if source is None or not node.outputs[0].is_graph_output():
        return source is not None
    return source.producer() is not None and not source.is_graph_output()


def _bypass(node: ir.Node) -> None:
    source, output = node.inputs[0], node.outputs[0]
    if source is None:
        raise ValueError(f"expected an input of {node.name!r}, found none; repair the file")
    annotated = datatype(output)
    if datatype(source) is None and annotated is not None:
        set_datatype(source, annotated)
    replace(output, source)
