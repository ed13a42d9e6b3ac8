"""Every number of the accumulator report against counting by hand."""

import numpy as np
import onnx_ir as ir

from finn_transforms.build import lower
from finn_transforms.report import accumulator_rows
from tests.support.graphs import GraphBuilder
from tests.support.small_network import CONTRACT_BITS, CONTRACT_LAYER, small_network


def test_a_layer_small_enough_to_count() -> None:
    graph = GraphBuilder((1, 3))
    weights = np.array([[3, -1], [-2, 0], [1, -1]])
    x = graph.quant("x", 0.5, 4, signed=True, narrow=True)
    model = lower(graph.model(graph.node("MatMul", [x, graph.weights(weights, 0.1, bits=3)]))).model
    (row,) = accumulator_rows(model)
    # Inputs from -7 to 7; the first output has weights 3, -2, 1.
    assert (row.lowest, row.highest, row.needed_bits) == (-42, 42, 7)
    assert (row.overflow, row.channel_bits) == ("any_order", [7, 5])
    # The output of the accelerator has whole bytes.
    assert (row.width, row.data_type) == (8, "INT8")
    # Eq. 12: 6 * 2^(4 - 1) = 48 <= 2^6 - 1.  Eq. 8: 3 * 2^(4 + 3 - 2) = 96 <= 2^7 - 1.
    assert (row.k, row.weight_bits, row.input_bits, row.input_signed) == (3, 3, 4, True)
    assert (row.weight_bound, row.datatype_bound) == (7, 8)
    assert (row.layer, row.contract_bits, row.contract_bound, row.finn_width) == (None, None, None, None)


def test_promises_and_finns_widths_are_shown_beside_ours() -> None:
    model = lower(ir.serde.deserialize_model(small_network())).model
    name = accumulator_rows(model)[1].name
    row = accumulator_rows(model, finn_widths={name: 13})[1]
    assert (row.layer, row.contract_bits, row.contract_bound) == (CONTRACT_LAYER, CONTRACT_BITS, "a2q")
    assert row.finn_width == 13
    assert accumulator_rows(model, finn_widths={name: 13})[0].finn_width is None


def test_unknown_inputs_and_weights_leave_the_rest() -> None:
    model = lower(ir.serde.deserialize_model(small_network())).model
    unit = next(node for node in model.graph if node.op_type == "MVAU")
    assert unit.inputs[0] is not None
    assert unit.inputs[1] is not None
    unit.inputs[0].meta.clear()
    row = accumulator_rows(model)[0]
    assert (row.needed_bits, row.lowest, row.highest) == (None, None, None)
    assert row.weight_bound is not None
    unit.inputs[1].meta.clear()
    assert accumulator_rows(model)[0].weight_bound is None
