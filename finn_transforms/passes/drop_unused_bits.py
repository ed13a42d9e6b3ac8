"""Divides the common factor of a channel's weights out, so that no accumulator bit is always zero."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import IntRange
from brevitas_ext.qonnx_ops import AccumulatorContract, read_contract
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.datatypes import integer_datatype, smallest_datatype
from finn_transforms.analysis.matching import NoMatchError, is_hardware, is_quantizer, nodes_of, static_shape
from finn_transforms.analysis.weights import weight_rows
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    Operator,
    Output,
    add_constant,
    graph_of,
    input_of,
    insert_node,
    integer_type_of,
    redirect,
)

_CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}


class DropUnusedBits(HardwarePass):
    """Divide each output channel's integer weights by their greatest common divisor.

    Before::

        a = Conv(q, [[6, -3], [4, 0]])              # sums are multiples of 3 and of 4

    After::

        a = Mul(Conv(q, [[2, -1], [1, 0]]), [3, 4])     # the factor goes into the thresholds

    Left as they are: layers whose sums are added to others as integers, and layers with an accumulator contract, which
    names their weights.  Run it after `ExtractIntegers` and before `InferThresholding`.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Reduce every integer layer that has a common factor."""
        contract = read_contract(model.metadata_props)
        for node in nodes_of(model):
            if is_hardware(node) or node.op_type not in _CHANNEL_AXIS or not _feeds_a_tail(node):
                continue
            factors = _common_factors(node, contract)
            if factors is None:
                continue
            try:
                _divide(node, factors)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            self.note(
                result, node, f"common factors up to {factors.max()} divided out of {(factors > 1).sum()} channels"
            )
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


def _feeds_a_tail(node: ir.Node) -> bool:
    """Tell whether everything that reads the sums computes with real numbers."""
    readers = [reader for reader, _ in node.outputs[0].uses()]
    return bool(readers) and all(
        is_quantizer(reader) or integer_datatype(reader.outputs[0]) is None for reader in readers
    )


def _common_factors(node: ir.Node, contract: AccumulatorContract | None) -> NDArray[np.int64] | None:
    """Return one factor per output channel, or None where all are 1 or the weights have to stay."""
    rows = weight_rows(node)
    if rows is None:
        return None
    if contract is not None and (contract.candidates(rows) or contract.nearest(rows) is not None):
        return None
    factors = np.maximum(np.gcd.reduce(rows, axis=1), 1)
    return factors if (factors > 1).any() else None


def _divide(node: ir.Node, factors: NDArray[np.int64]) -> None:
    old, weights = node.outputs[0], input_of(node, 1)
    array = np.asarray(weights.const_value.numpy()) if weights.const_value is not None else None
    if array is None:
        raise NoMatchError("its weights are behind another node", "Remove the Identity in front of them")
    shape = [1] * array.ndim
    shape[_CHANNEL_AXIS[node.op_type]] = -1
    divided = array / factors.reshape(shape) + 0.0  # which turns -0.0 into 0.0
    data_type = smallest_datatype(IntRange(int(divided.min()), int(divided.max())), signed=True)
    graph = graph_of(node)
    parameters = add_constant(graph, f"{weights.name}_reduced", divided, data_type)
    operator = Operator(node.op_type, attributes_of(node), node.domain)
    sums_output = Output(f"{old.name}_reduced", static_shape(old), integer_type_of(old))
    sums = insert_node(node, operator, [input_of(node, 0), parameters], sums_output)
    sizes = [1] * len(static_shape(old))
    sizes[-1 if node.op_type == "MatMul" else 1] = -1
    factor = add_constant(graph, f"{old.name}_factor", factors.reshape(sizes))
    restored = insert_node(node, Operator("Mul"), [sums, factor], Output(f"{old.name}_restored", static_shape(old)))
    redirect(old, restored)
    graph.remove(node, safe=True)
