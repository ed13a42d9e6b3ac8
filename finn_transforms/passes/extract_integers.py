"""Separates integers from their scales."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from finn_transforms.analysis.constants import constant, exact_float32
from finn_transforms.analysis.datatypes import integer_datatype
from finn_transforms.analysis.matching import NoMatchError, is_quantizer, nodes_of, static_shape
from finn_transforms.analysis.ranges_sparq import is_sparq
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import Operator, Output, add_constant, graph_of, insert_node, redirect
from finn_transforms.passes._extract_linear import LINEAR
from finn_transforms.passes._extract_moves import MOVES, extract_concat, extract_split
from finn_transforms.passes._extract_quantizer import extract_quantizer
from finn_transforms.passes._extract_sparq import extract_sparq
from finn_transforms.passes._extract_sums import POOLS, extract_addition
from finn_transforms.passes._integer_tails import insert_quantizer
from finn_transforms.passes._scaled import Factor, Scaled, spread

_Known = dict[ir.Value, Scaled]


class ExtractIntegers(HardwarePass):
    """Turn quantized values into integers followed by their scale, and what is computed from them into integers.

    Before::

        y = Quant(x, scale=s, zero_point=z)         v = Conv(y, Quant(w, scale=t), b)

    After::

        q = Quant(Div(x, s), scale=1, zero_point=z)  # UINT4      a = Conv(q, W)     # INT32, W = integers of w
        y = Mul(q, s)                                             v = Add(Mul(Mul(a, s), t), b)

    An integer is the code minus the zero point, so that 0 stands for 0.0 and padding stays padding.  Scales move
    forward through everything that commutes with them: linear layers (a scale per input channel goes through depthwise
    layers; dense ones take power-of-two ratios into their weights), residual additions (branches are aligned to their
    common unit, that of each channel where scales differ, exactly or not at all), concatenations (one scale per
    channel), average pools (a sum divided by its size), max pools, SPARQ's windows, resizing, padding and reshaping.
    Nothing is rounded on the way: factors stay one constant each.
    Sums are those of integers from then on; float64 sums of scaled values, as the graph had before, may be off in the
    last bits where scales are no powers of two.

    Refused: computed or non-integer quantizer parameters; linear layers whose weights are not quantized constants;
    additions whose branches have no common unit within 32 bits.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Sweep the graph once, in topological order."""
        known: _Known = {value: Scaled(value) for value in model.graph.inputs if integer_datatype(value) is not None}
        for node in nodes_of(model):
            if _is_done(node, known):
                continue
            try:
                extracted = _extract(node, known)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            for old, scaled in zip(tuple(node.outputs), extracted, strict=False):
                _attach_factors(node, old, scaled, known)
            if extracted:
                graph_of(node).remove(node, safe=True)
                self.note(result, node, f"integers {_name(extracted[0].integers)}")
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _is_done(node: ir.Node, known: _Known) -> bool:
    """Note what is known about a node that stays: integers already, or a factor behind integers."""
    output, first = node.outputs[0], node.inputs[0] if node.inputs else None
    is_scaling = node.op_type in {"Mul", "Div"} and node.domain == ""
    if first is None or constant(output) is not None or (constant(first) is not None and not is_scaling):
        return True
    if integer_datatype(output) is not None and (node.op_type not in LINEAR or weight_rows(node) is not None):
        # After an earlier run, or because QONNX annotated a quantizer whose scale is 1.
        known.update((value, Scaled(value)) for value in node.outputs)
        return True
    if is_scaling:
        _follow_factor(node, known)
    return is_scaling


def _follow_factor(node: ir.Node, known: _Known) -> None:
    operands = [value for value in node.inputs if value is not None]
    streamed = [value for value in operands if value in known]
    factors = [constant(value) for value in operands if value not in known]
    if len(streamed) != 1 or len(factors) != 1 or factors[0] is None:
        return
    if node.op_type == "Mul" or operands[0] is streamed[0]:
        source, array = known[streamed[0]], exact_float32(factors[0])
        keeps_shape = static_shape(node.outputs[0]) == static_shape(streamed[0])
        if keeps_shape and array is not None and (np.isfinite(array) & (array != 0)).all():
            factor = Factor("Mul" if node.op_type == "Mul" else "Div", spread(array, streamed[0]))
            known[node.outputs[0]] = Scaled(source.integers, (*source.factors, factor))


def _extract(node: ir.Node, known: _Known) -> list[Scaled]:
    """Return integers and factors for each output, or nothing where no rule applies."""
    if is_quantizer(node):
        return [extract_quantizer(node)]
    if is_sparq(node):
        scaled = None if node.inputs[0] is None else known.get(node.inputs[0])
        return [] if scaled is None else [extract_sparq(node, scaled)]
    if node.domain != "":
        return []
    sources = [None if value is None else known.get(value) for value in node.inputs]
    if node.op_type in {"Add", "Sub"} and len(sources) == 2:
        first, second = sources
        return [] if first is None or second is None else [extract_addition(node, first, second)]
    if node.op_type == "Concat":
        branches = [source for source in sources if source is not None]
        if not branches:
            return []
        if len(branches) < len(sources):
            raise NoMatchError("one of its inputs is not quantized", "Quantize every branch")
        return [extract_concat(node, branches)]
    source = sources[0]
    if source is None and node.op_type in LINEAR and node.inputs[0] is not None:
        integers = insert_quantizer(node, node.inputs[0])
        source = None if integers is None else Scaled(integers)
    return [] if source is None else _extract_alone(node, source)


def _extract_alone(node: ir.Node, source: Scaled) -> list[Scaled]:
    """Return integers and factors for each output of a node with one integer input."""
    if node.op_type == "Split":
        return extract_split(node, source)
    rule = LINEAR.get(node.op_type) or MOVES.get(node.op_type) or POOLS.get(node.op_type)
    if rule is None:
        return []
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        raise NoMatchError("its second output is read too", "Export the model in evaluation mode and without indices")
    return [rule(node, source)]


def _attach_factors(node: ir.Node, old: ir.Value, scaled: Scaled, known: _Known) -> None:
    """Let the readers of a value read the integers times their factors instead."""
    shape = static_shape(old)
    value, graph = scaled.integers, graph_of(node)
    for factor in scaled.factors:
        array = add_constant(graph, f"{old.name}_scale", factor.array)
        value = insert_node(node, Operator(factor.op_type), [value, array], Output(f"{old.name}_scaled", shape))
    if scaled.offset is not None:
        offset = add_constant(graph, f"{old.name}_bias", scaled.offset)
        value = insert_node(node, Operator("Add"), [value, offset], Output(f"{old.name}_biased", shape))
    else:
        known[value] = scaled
    redirect(old, value)


def _name(value: ir.Value) -> str:
    data_type = integer_datatype(value)
    return f"{value.name} ({data_type.name if data_type else 'untyped'})"
