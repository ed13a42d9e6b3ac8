"""Separates integers from their scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import IntRange, dot_extremes
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import integer_datatype, range_of, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_quantizer, nodes_of, static_shape
from finn_transforms.analysis.quantizer import read_quantizer
from finn_transforms.analysis.ranges import hull
from finn_transforms.analysis.weights import rows_of, weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    integer_type_of,
    replace,
)


class ExtractIntegers(HardwarePass):
    """Turn quantized values into integers followed by their scale, and linear layers into integer ones.

    Before::

        y = Quant(x, scale=s)                       z = Conv(y, Quant(w, scale=t), b)

    After::

        q = Quant(Div(x, s), scale=1)  # UINT4      a = Conv(q, W)             # INT32, W = integers of w
        y = Mul(q, s)                               z = Add(Mul(Mul(a, s), t), b)

    Scales move forward through layers that commute with a positive factor (max pool, reshape, transpose).  Nothing is
    rounded on the way: the two scales stay two constants, so the graph keeps its float64 meaning.

    Refused: quantizers with a zero point, a scale per channel on an activation or a computed scale; linear layers
    whose weights are not quantized constants.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Sweep the graph once, in topological order."""
        scaled: dict[ir.Value, _Scaled] = {}
        for node in nodes_of(model):
            rule = self._rule(node, scaled)
            if rule is None:
                continue
            try:
                extracted = rule(node, scaled)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            _attach_scales(node, extracted, scaled)
            self.note(result, node, f"integers {_name(extracted.integers)}")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)

    def _rule(self, node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Rule | None:
        first = node.inputs[0] if node.inputs else None
        if first is None or (not is_quantizer(node) and (first not in scaled or node.domain != "")):
            return None
        if node.op_type in _LINEAR:
            return _LINEAR[node.op_type] if weight_rows(node) is None else None
        rule = _extract_quantizer if is_quantizer(node) else _COMMUTING.get(node.op_type)
        if rule is None or constant(first) is not None:
            return None
        if integer_datatype(node.outputs[0]) is not None:
            # Integers already, after an earlier run or because QONNX annotated a quantizer whose scale is 1.
            scaled[node.outputs[0]] = _Scaled(node.outputs[0], ())
            return None
        return rule


class _Scaled(NamedTuple):
    """An integer value and what turns it into the value of the original graph: factors, then an offset."""

    integers: ir.Value
    scales: tuple[NDArray[np.float32], ...]
    offset: NDArray[np.float32] | None = None


_Rule = Callable[[ir.Node, dict[ir.Value, _Scaled]], _Scaled]


def _name(value: ir.Value) -> str:
    data_type = integer_datatype(value)
    return f"{value.name} ({data_type.name if data_type else 'untyped'})"


def _attach_scales(node: ir.Node, extracted: _Scaled, scaled: dict[ir.Value, _Scaled]) -> None:
    old = node.outputs[0]
    shape = static_shape(old)
    value, graph = extracted.integers, graph_of(node)
    for scale in extracted.scales:
        factor = add_constant(graph, f"{old.name}_scale", scale)
        value = insert_node(node, Operator("Mul"), [value, factor], Output(f"{old.name}_scaled", shape))
    if extracted.offset is not None:
        offset = add_constant(graph, f"{old.name}_bias", extracted.offset)
        value = insert_node(node, Operator("Add"), [value, offset], Output(f"{old.name}_biased", shape))
    elif all(scale.size == 1 for scale in extracted.scales):
        # Only a scalar factor commutes with what follows.
        scaled[value] = extracted
    replace(old, value)


def _extract_quantizer(node: ir.Node, _scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    quantizer = read_quantizer(node)
    if quantizer.scale.size != 1:
        raise NoMatchError(f"its scale has shape {quantizer.scale.shape}", "Use one scale per tensor for activations")
    shape, graph, name = static_shape(node.outputs[0]), graph_of(node), node.outputs[0].name
    scale = quantizer.scale.reshape(())
    step = add_constant(graph, f"{name}_step", scale)
    divided = insert_node(node, Operator("Div"), [input_of(node, 0), step], Output(f"{name}_steps", shape))
    one, zero = (add_constant(graph, f"{name}_{word}", np.array(word == "one", np.float32)) for word in ("one", "zero"))
    integers = insert_node(
        node,
        Operator(node.op_type, attributes_of(node), node.domain),
        [divided, one, zero, input_of(node, 3)],
        Output(f"{name}_int", shape, quantizer.datatype),
    )
    return _Scaled(integers, (scale,))


def _extract_commuting(node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    source = scaled[input_of(node, 0)]
    output = node.outputs[0]
    others = [value for value in node.inputs[1:] if value is not None]
    integers = insert_node(
        node,
        Operator(node.op_type, attributes_of(node)),
        [source.integers, *others],
        Output(f"{output.name}_int", static_shape(output), integer_type_of(source.integers)),
    )
    return _Scaled(integers, source.scales)


def _skip(node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    return scaled[input_of(node, 0)]


def _extract_conv(node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    integers, scale = _constant_weights(input_of(node, 1), channel_axis=0)
    attributes = attributes_of(node)
    shape = (1, -1) + (1,) * (integers.ndim - 2)
    bias = _bias(node)
    return _Scaled(
        _emit_sum(node, Operator("Conv", attributes), integers, scaled),
        (*scaled[input_of(node, 0)].scales, scale.reshape(shape) if scale.size > 1 else scale.reshape(())),
        None if bias is None else bias.reshape(shape),
    )


def _extract_matmul(node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    integers, scale = _constant_weights(input_of(node, 1), channel_axis=1)
    if integers.ndim != 2:
        raise NoMatchError(f"its weights have shape {integers.shape}", "Only two-dimensional weights become a layer")
    return _Scaled(
        _emit_sum(node, Operator("MatMul"), integers, scaled), (*scaled[input_of(node, 0)].scales, scale.reshape(-1))
    )


def _extract_gemm(node: ir.Node, scaled: dict[ir.Value, _Scaled]) -> _Scaled:
    attributes = attributes_of(node)
    if (attributes.get("alpha", 1.0), attributes.get("beta", 1.0), attributes.get("transA", 0)) != (1.0, 1.0, 0):
        raise NoMatchError("alpha or beta is not 1, or A is transposed", "Fold the factors into the weights")
    transposed = bool(attributes.get("transB", 0))
    integers, scale = _constant_weights(input_of(node, 1), channel_axis=0 if transposed else 1)
    bias = _bias(node)
    return _Scaled(
        _emit_sum(node, Operator("MatMul"), integers.T if transposed else integers, scaled),
        (*scaled[input_of(node, 0)].scales, scale.reshape(-1)),
        None if bias is None else bias.reshape(-1),
    )


def _emit_sum(
    node: ir.Node, operator: Operator, integers: NDArray[np.float32], scaled: dict[ir.Value, _Scaled]
) -> ir.Value:
    """Insert the integer layer; its output is annotated INT32 as FINN does, or wider where the sums need it."""
    source, name = scaled[input_of(node, 0)].integers, _layer_name(node)
    box = range_of(integer_type_of(source))
    if any(operator.attributes.get("pads", ())):
        box = box.union(IntRange(0, 0))
    rows = rows_of(integers, convolution=operator.op_type == "Conv")
    needed = smallest_datatype(hull(dot_extremes(rows, box.low, box.high, partial_sums=True)), signed=True)
    weight_type = smallest_datatype(IntRange(int(integers.min()), int(integers.max())), signed=True)
    weights = add_constant(graph_of(node), f"{name}_weights", integers, weight_type)
    sum_type = "INT32" if needed.bitwidth() <= 32 else needed
    return insert_node(
        node, operator, [source, weights], Output(f"{name}_acc", static_shape(node.outputs[0]), sum_type)
    )


def _layer_name(node: ir.Node) -> str:
    """Return the trained layer's name where its weight quantizer bears it, else the name of the node's output."""
    producer = input_of(node, 1).producer()
    while producer is not None and producer.op_type == "Transpose":
        producer = input_of(producer, 0).producer()
    name = "" if producer is None or producer.name is None else producer.name
    return name.removesuffix(".weight_quant") if name.endswith(".weight_quant") else node.outputs[0].name or "layer"


def _constant_weights(value: ir.Value, *, channel_axis: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the integers of quantized constant weights, and their scale, one for all or one per output channel."""
    producer = value.producer()
    if producer is not None and producer.op_type == "Transpose" and producer.domain == "":
        perm = attributes_of(producer).get("perm", range(len(static_shape(value)))[::-1])
        integers, scale = _constant_weights(input_of(producer, 0), channel_axis=perm[channel_axis])
        return integers.transpose(perm), scale
    if producer is None or not is_quantizer(producer):
        raise NoMatchError("its weights are not quantized constants", "Give the layer a weight quantizer")
    weights = constant(producer.inputs[0])
    if weights is None:
        raise NoMatchError("its weights are computed at run time", "Export the model in evaluation mode")
    quantizer = read_quantizer(producer)
    if quantizer.scale.size != 1:
        sizes = [1] * weights.ndim
        sizes[channel_axis] = weights.shape[channel_axis]
        if list(quantizer.scale.shape) != sizes:
            raise NoMatchError(
                f"its weight scale has shape {quantizer.scale.shape}, expected one per output channel, {tuple(sizes)}",
                "Use a weight quantizer per tensor or per output channel",
            )
    return quantizer.integers_of(weights.astype(np.float32)), quantizer.scale


def _bias(node: ir.Node) -> NDArray[np.float32] | None:
    """Return the constant bias of a Conv or Gemm; a quantized constant is folded in float32, as runtimes do."""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return None
    bias = constant(node.inputs[2])
    producer = node.inputs[2].producer()
    if bias is None and producer is not None and is_quantizer(producer):
        unquantized = constant(producer.inputs[0])
        if unquantized is not None:
            quantizer = read_quantizer(producer)
            bias = quantizer.integers_of(unquantized.astype(np.float32)) * quantizer.scale
    if bias is None:
        raise NoMatchError("its bias is not a constant", "Export the model in evaluation mode")
    return bias.astype(np.float32)


_COMMUTING: dict[str, _Rule] = {
    **dict.fromkeys(("Dropout", "Identity"), _skip),
    **dict.fromkeys(("Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"), _extract_commuting),
}
_LINEAR: dict[str, _Rule] = {"Conv": _extract_conv, "Gemm": _extract_gemm, "MatMul": _extract_matmul}
