"""The unit that shifts products inside FINN: specialization, shapes, cycles, stream widths, execution and hardware."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.passes import lower_to_hardware
from tests.support.shift_networks import shift_network
from tests.support.specialized import PART, specialized


@pytest.fixture
def model() -> ModelWrapper:
    lowered = shift_network()
    lower_to_hardware(lowered)
    return specialized(lowered)


def shifting(model: ModelWrapper) -> NodeProto:
    """Return the convolution's unit, four inputs and three outputs a cycle."""
    node = next(node for node in model.graph.node if node.op_type.startswith("ShiftMVAU"))
    operator = getCustomOp(node)
    operator.set_nodeattr("SIMD", 4)
    operator.set_nodeattr("PE", 3)
    return node


def test_finn_specializes_it_and_is_told_its_cost(model: ModelWrapper) -> None:
    node = shifting(model)
    assert (node.op_type, node.domain) == ("ShiftMVAU_rtl", "finn.custom_op.fpgadataflow.rtl")
    operator = getCustomOp(node)
    assert operator.get_exp_cycles() == 4 * 4 * (72 // 4) * (6 // 3)
    assert (operator.get_instream_width(), operator.get_outstream_width()) == (4 * 4, 3 * 14)
    assert operator.get_instream_width(1) == 0
    assert list(operator.get_folded_input_shape()) == [1, 4, 4, 18, 4]
    assert list(operator.get_normal_output_shape()) == [1, 4, 4, 6]
    assert operator.get_op_and_param_counts() == {"op_mac_4bx4b": 72 * 6 * 16, "param_weight_4b": 72 * 6}
    luts = operator.lut_estimation(PART)
    assert 100 < luts < 600
    operator.set_nodeattr("shifts", [0] * 72)
    assert operator.lut_estimation(PART) < luts
    assert operator.dsp_estimation(PART) == 0


@pytest.mark.parametrize("mode", ["", "rtlsim"])
def test_it_executes_as_the_golden_function(model: ModelWrapper, mode: str) -> None:
    node = shifting(model)
    operator = getCustomOp(node)
    operator.set_nodeattr("exec_mode", mode)
    weights = model.get_initializer(node.input[1])
    x = np.random.default_rng(1).integers(-8, 8, (1, 4, 4, 72)).astype(np.float32)
    context = {node.input[0]: x, node.input[1]: weights, node.output[0]: np.zeros((1, 4, 4, 6), np.float32)}
    operator.execute_node(context, model.graph)
    powers = 2.0 ** np.array(operator.get_nodeattr("shifts"))
    assert len(set(powers)) == 4
    np.testing.assert_array_equal(context[node.output[0]], x @ (weights * powers[:, None]))


def test_another_input_type_is_refused(model: ModelWrapper) -> None:
    from qonnx.core.datatype import DataType

    node = shifting(model)
    model.set_tensor_datatype(node.input[0], DataType["INT9"])
    with pytest.raises(ValueError, match="expected INT4 as input, found INT9; lower the model again"):
        getCustomOp(node).infer_node_datatype(model)
