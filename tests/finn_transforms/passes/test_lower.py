"""All passes in order, with the options that `lower_to_hardware` hands on."""

import numpy as np
import pytest

from brevitas_ext.qonnx_ops import METADATA_KEY, AccumulatorContract, LayerContract, channel_digests
from finn_transforms.emulate import emulate
from finn_transforms.passes import BrokenContractError, ExtractIntegers, lower_to_hardware
from tests.support.graphs import GraphBuilder, attributes, copy_of, op_types
from tests.support.small import small_network


def widths(model: object) -> list[str]:
    return [attributes(node)["accDataType"] for node in model.graph if node.op_type == "MVAU"]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("exact", ["INT6", "INT8"]),
        # l1 norms of 7 and 12 with 3 and 2 unsigned bits; then 4 and 8 products of 4 and 3 bits.
        ("weights", ["INT7", "INT8"]),
        ("datatype", ["INT10", "INT16"]),
        (None, ["INT32", "INT32"]),
    ],
)
def test_bounds(bound: str | None, expected: list[str]) -> None:
    assert widths(lower_to_hardware(small_network(), bound=bound).model) == expected


def test_result_is_the_model_with_what_was_done_and_left() -> None:
    model = small_network()
    result = lower_to_hardware(model)
    assert result.model is model
    done = [rewrite.pass_name for rewrite in result.rewrites]
    assert done == sorted(done, key=["ExtractIntegers", "InferThresholding", "InferMVAU", "InferPool",
        "CancelTransposes", "MinimizeAccumulators"].index)  # fmt: skip
    assert [str(refusal) for refusal in result.refusals] == [
        "InferThresholding: Quant 'quant4_int' is left as it is: its input is the graph's input, which is not an "
        "integer. It runs on the host, before the accelerator."
    ]


def test_computes_the_same() -> None:
    model = small_network()
    reference = copy_of(model)
    lower_to_hardware(model)
    x = {"x": np.random.default_rng(0).integers(-2, 10, size=(50, 1, 4, 4)) / 4}
    np.testing.assert_array_equal(emulate(model, x)["gemm30"], emulate(reference, x)["gemm30"])


def test_lowered_model_stays_as_it_is() -> None:
    model = lower_to_hardware(small_network()).model
    assert lower_to_hardware(model).rewrites == []


def test_what_is_refused_stays_in_between() -> None:
    graph = GraphBuilder((1, 4))
    x = graph.node("MatMul", [graph.quant("x", 1.0, 2), graph.weights(np.eye(4))])
    x = graph.quant(graph.node("Sin", [x]), 0.125, 3)
    model = graph.model(graph.node("MatMul", [x, graph.weights(np.eye(4))]))
    result = lower_to_hardware(model)
    assert [(refusal.op_type, refusal.pass_name) for refusal in result.refusals] == [
        ("Quant", "InferThresholding"),
        ("Quant", "InferThresholding"),
    ]
    assert "Sin" in result.refusals[1].reason
    assert op_types(model) == ["Div", "Quant", "MVAU", "Mul", "Mul", "Sin", "Div", "Quant", "MVAU", "Mul", "Mul"]


def test_broken_contract_stops_it() -> None:
    promise = LayerContract(
        layer="elsewhere",
        accumulator_bits=8,
        bound="a2q+",
        overflow="any_order",
        input_low=0,
        input_high=3,
        channel_digests=channel_digests(np.array([[9, 9]])),
    )
    model = small_network({METADATA_KEY: AccumulatorContract(layers=(promise,)).to_json()})
    with pytest.raises(BrokenContractError, match="Layer 'elsewhere'"):
        lower_to_hardware(model)


def test_integers_may_have_been_extracted_before() -> None:
    model = small_network()
    ExtractIntegers()(model)
    assert widths(lower_to_hardware(model).model) == ["INT6", "INT8"]
