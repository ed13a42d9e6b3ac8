"""What every pass promises: it runs on onnx_ir and in QONNX with the same result, and a second run changes nothing."""

import logging

import onnx
import onnx_ir as ir
import pytest

from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from finn_transforms.passes import CheckAccumulatorContract, ExtractIntegers, InferMVAU, InferShapes
from finn_transforms.passes._base import HardwarePass
from tests.support.golden import assert_golden, graph_text
from tests.support.graphs import GraphBuilder, copy_of, wrapper
from tests.support.small import CONV_WEIGHTS, LINEAR_WEIGHTS, LOWERING, lowered_until, small_network

PASSES = (*LOWERING, CheckAccumulatorContract)


def before(stage: type[HardwarePass]) -> ir.Model:
    """Return a network with something to do for the pass: a contract, or shapes that are missing."""
    promises = [
        LayerContract(
            layer=layer,
            accumulator_bits=bits,
            bound="a2q",
            overflow="any_order",
            input_low=0,
            input_high=high,
            channel_digests=channel_digests(rows),
        )
        for layer, rows, bits, high in (("conv", CONV_WEIGHTS.reshape(2, -1), 6, 7), ("fc", LINEAR_WEIGHTS, 8, 3))
    ]
    model = small_network({METADATA_KEY: AccumulatorContract(layers=tuple(promises)).to_json()})
    if stage is InferShapes:
        for node in model.graph:
            for value in node.outputs:
                value.shape = None
    return lowered_until(stage, model)


def lines(model: ir.Model) -> list[str]:
    # QONNX keeps initializers in an order of its own.
    return sorted(graph_text(model).splitlines())


@pytest.mark.parametrize("stage", PASSES, ids=lambda stage: stage.__name__)
def test_golden(stage: type[HardwarePass]) -> None:
    model = before(stage)
    assert stage()(model).modified
    assert_golden(stage.__name__, graph_text(model))


@pytest.mark.parametrize("stage", PASSES, ids=lambda stage: stage.__name__)
def test_second_run_changes_nothing(stage: type[HardwarePass]) -> None:
    model = before(stage)
    stage()(model)
    text = graph_text(model)
    again = stage()(model)
    assert not again.modified
    assert graph_text(model) == text


@pytest.mark.parametrize("stage", PASSES, ids=lambda stage: stage.__name__)
def test_same_result_as_qonnx_transformation(stage: type[HardwarePass]) -> None:
    model = before(stage)
    transformed = wrapper(model).transform(stage())
    stage()(model)
    assert lines(ir.serde.deserialize_model(transformed.model)) == lines(copy_of(model))


@pytest.mark.parametrize("stage", PASSES, ids=lambda stage: stage.__name__)
def test_transformation_leaves_its_argument_alone(stage: type[HardwarePass]) -> None:
    wrapped = wrapper(before(stage))
    serialized = wrapped.model.SerializeToString(deterministic=True)
    wrapped.transform(stage())
    assert wrapped.model.SerializeToString(deterministic=True) == serialized


def test_whole_chain_in_qonnx_equals_the_one_in_onnx_ir() -> None:
    wrapped = wrapper(before(InferShapes))
    for stage in PASSES:
        wrapped = wrapped.transform(stage())
    model = before(InferShapes)
    for stage in PASSES:
        stage()(model)
    assert lines(ir.serde.deserialize_model(wrapped.model)) == lines(copy_of(model))


def test_result_is_a_valid_onnx_model() -> None:
    model = before(CheckAccumulatorContract)
    onnx.checker.check_model(ir.serde.serialize_model(model), full_check=False)


@pytest.mark.parametrize("as_transformation", [False, True])
def test_refusals_are_reported_both_ways(as_transformation: bool, caplog: pytest.LogCaptureFixture) -> None:
    graph = GraphBuilder((1, 4))
    model = graph.model(graph.node("MatMul", ["x", graph.weights([[1], [2], [3], [4]])]))
    expected = (
        "InferMVAU: MatMul 'matmul6' is left as it is: its input 'x' is not an integer tensor. "
        "Put an activation quantizer in front of the layer."
    )
    if as_transformation:
        with caplog.at_level(logging.WARNING, logger="finn_transforms.passes"):
            wrapper(model).transform(InferMVAU())
        assert [record.getMessage() for record in caplog.records] == [expected]
    else:
        (refusal,) = InferMVAU()(model).refusals
        assert str(refusal) == expected


def test_model_survives_when_everything_is_refused() -> None:
    graph = GraphBuilder((1, 4))
    model = graph.model(graph.quant("x", [0.5, 0.25, 0.0, 0.5], 4))
    text = graph_text(model)
    result = ExtractIntegers()(model)
    assert (result.modified, len(result.refusals)) == (False, 1)
    assert graph_text(model) == text
