"""A promise about an accumulator is proved on the graph as it is; what breaks it is named with layer and channel."""

import json

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from brevitas_ext.qonnx_ops import (
    METADATA_KEY,
    AccumulatorContract,
    ContractFormatError,
    ContractViolationError,
    LayerContract,
    channel_digests,
)
from finn_transforms.emulate import emulate
from finn_transforms.passes import (
    BrokenContractError,
    CancelTransposes,
    CheckAccumulatorContract,
    ExtractIntegers,
    InferMVAU,
    InferThresholding,
    MinimizeAccumulators,
)
from tests.support.graphs import GraphBuilder, array_of, copy_of, only, wrapper
from tests.support.small import hardware_layer

CONV = np.array([[[[1, -2], [3, 0]]], [[[-4, 2], [0, 1]]]])
LINEAR = np.array([[1, -1, 2, 0, 3, -3, 1, 1], [0, 2, -2, 1, 1, 0, 0, -4]])


def promise(layer: str, rows: NDArray[np.int64], bits: int, low: int, high: int) -> LayerContract:
    return LayerContract(
        layer=layer,
        accumulator_bits=bits,
        bound="a2q",
        overflow="any_order",
        input_low=low,
        input_high=high,
        channel_digests=channel_digests(rows),
    )


PROMISES = (promise("conv", CONV.reshape(2, -1), 6, 0, 7), promise("fc", LINEAR, 8, 0, 3))


def network(*promises: LayerContract, input_bits: int = 3, slope: float = 1.0) -> ir.Model:
    """Return a convolution of 2 channels and a linear layer behind it, with the promises in the metadata."""
    graph = GraphBuilder((1, 1, 3, 3))
    x = graph.quant("x", 0.25, input_bits)
    x = graph.node("Conv", [x, graph.weights(CONV, 0.5, bits=4)], kernel_shape=[2, 2])
    x = graph.quant(graph.batch_norm(x, [slope, 1.0], [0.0, 0.0]), 0.5, 2)
    x = graph.node("MatMul", [graph.node("Flatten", [x]), graph.weights(LINEAR.T, 0.5, bits=4)])
    contract = AccumulatorContract(layers=promises or PROMISES)
    return graph.model(x, metadata={METADATA_KEY: contract.to_json()})


def lowered(model: ir.Model) -> ir.Model:
    for stage in (ExtractIntegers(), InferThresholding(), InferMVAU(), CancelTransposes(), MinimizeAccumulators()):
        stage(model)
    return model


def units(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type.startswith("MVAU")]


def set_weight(model: ir.Model, index: int, position: tuple[int, int], value: float) -> None:
    weights = units(model)[index].inputs[1]
    changed = array_of(weights).copy()
    changed[position] = value
    assert weights is not None
    weights.const_value = ir.tensor(changed)


@pytest.mark.parametrize("slope", [1.0, -1.0])
@pytest.mark.parametrize(
    "stages",
    [
        (ExtractIntegers,),
        (ExtractIntegers, InferThresholding),
        (ExtractIntegers, InferThresholding, InferMVAU, CancelTransposes, MinimizeAccumulators),
    ],
)
def test_kept_after_every_pass(stages: tuple[type, ...], slope: float) -> None:
    """A falling batch norm turns the signs of a channel; the layer is found again all the same."""
    model = network(slope=slope)
    for stage in stages:
        stage()(model)
    result = CheckAccumulatorContract()(model)
    assert [rewrite.detail for rewrite in result.rewrites] == [
        "conv: proved to fit 6 bits",
        "fc: proved to fit 8 bits",
    ]
    noted = [
        json.loads(node.metadata_props[METADATA_KEY]) for node in model.graph if METADATA_KEY in node.metadata_props
    ]
    assert noted == [
        {"layer": "conv", "accumulator_bits": 6, "bound": "a2q"},
        {"layer": "fc", "accumulator_bits": 8, "bound": "a2q"},
    ]


def test_survives_qonnx() -> None:
    wrapped = wrapper(lowered(network())).transform(CheckAccumulatorContract())
    again = ir.serde.deserialize_model(wrapped.model)
    assert [METADATA_KEY in node.metadata_props for node in units(again)] == [True, True]
    assert CheckAccumulatorContract()(again).modified is False
    set_weight(again, 1, (0, 0), 2)
    with pytest.raises(BrokenContractError, match="Layer 'fc'"):
        wrapper(again).transform(CheckAccumulatorContract())


def test_file_without_contract_passes() -> None:
    model = lowered(network())
    del model.metadata_props[METADATA_KEY]
    result = CheckAccumulatorContract()(model)
    assert (result.modified, result.rewrites, result.refusals) == (False, [], [])


def test_unreadable_contract() -> None:
    model = lowered(network())
    model.metadata_props[METADATA_KEY] = "{}"
    with pytest.raises(ContractFormatError, match="Export the model again"):
        CheckAccumulatorContract()(model)


@pytest.mark.parametrize(("index", "layer", "channel"), [(0, "conv", 0), (0, "conv", 1), (1, "fc", 1)])
def test_tampered_weight_is_named_with_layer_and_channel(index: int, layer: str, channel: int) -> None:
    model = lowered(network())
    set_weight(model, index, (1, channel), 3)
    with pytest.raises(BrokenContractError) as info:
        CheckAccumulatorContract()(model)
    unit = units(model)[index].name
    assert str(info.value) == (
        f"Layer {layer!r} (node {unit!r}): expected the integer weights that were promised to fit "
        f"{PROMISES[index].accumulator_bits} bits, found other ones in channel {channel}. The weights were changed "
        "after export; export the trained model again."
    )


def test_any_single_changed_weight_is_caught() -> None:
    model = lowered(network())
    for index, unit in enumerate(units(model)):
        for position in np.ndindex(*array_of(unit.inputs[1]).shape):
            for step in (-1, 1):
                tampered = copy_of(model)
                set_weight(tampered, index, position, array_of(units(tampered)[index].inputs[1])[position] + step)
                with pytest.raises(BrokenContractError):
                    CheckAccumulatorContract()(tampered)


def test_wider_input_breaks_the_promise() -> None:
    with pytest.raises(
        BrokenContractError,
        match=r"Layer 'conv' \(node 'MVAU_.*'\): its accumulator was promised for inputs in \[0, 7\], "
        r"found IntRange\(low=0, high=15\)\. Quantize the input as in training",
    ):
        CheckAccumulatorContract()(lowered(network(input_bits=4)))


def test_narrower_input_keeps_the_promise() -> None:
    assert len(CheckAccumulatorContract()(lowered(network(input_bits=2))).rewrites) == 2


def test_input_that_is_no_longer_an_integer() -> None:
    model = hardware_layer(LINEAR.T, input_type="FLOAT32", weight_type="INT4")
    model.metadata_props[METADATA_KEY] = AccumulatorContract(layers=(PROMISES[1],)).to_json()
    with pytest.raises(BrokenContractError, match="found no integer input"):
        CheckAccumulatorContract()(model)


def test_overflowing_weights_carry_a_witness() -> None:
    model = lowered(network(promise("conv", CONV.reshape(2, -1), 5, 0, 7), PROMISES[1]))
    with pytest.raises(ContractViolationError) as info:
        CheckAccumulatorContract()(model)
    error = info.value
    assert (error.layer, error.channel, error.accumulator_bits) == ("conv", 0, 5)
    (unit, _) = units(model)
    row = array_of(unit.inputs[1]).T[error.channel]
    # The witness is in the order of the unit's weights and drives its sum to the extreme that is reported.
    assert int(row @ np.array(error.witness)) == error.extreme == 28


@pytest.mark.parametrize("style", ["", "hls", "rtl"])
def test_width_that_a_later_pass_made_too_narrow(style: str) -> None:
    model = hardware_layer(LINEAR.T, input_type="UINT2", weight_type="INT4", accumulator="INT5", style=style)
    model.metadata_props[METADATA_KEY] = AccumulatorContract(layers=(PROMISES[1],)).to_json()
    with pytest.raises(BrokenContractError) as info:
        CheckAccumulatorContract()(model)
    assert str(info.value).startswith(
        f"Layer 'fc' (node {units(model)[0].name!r}), channel 0: accDataType INT5 holds [-16, 15], found sums in "
        "[-12, 24]. Run MinimizeAccumulators after the last pass that changes data types"
    )
    MinimizeAccumulators()(model)
    assert CheckAccumulatorContract()(model).modified


def test_width_that_was_left_away_is_finns_default() -> None:
    model = hardware_layer(LINEAR.T, input_type="UINT2", weight_type="INT4", accumulator=None)
    model.metadata_props[METADATA_KEY] = AccumulatorContract(layers=(PROMISES[1],)).to_json()
    assert CheckAccumulatorContract()(model).modified


def test_lost_layer() -> None:
    model = lowered(network(*PROMISES, promise("gone", np.array([[5, 5, 5]]), 8, 0, 3)))
    with pytest.raises(
        BrokenContractError,
        match=r"Layer 'gone': expected a layer with its 1 channels of weights in the graph, found none among integer "
        r"layers of shape \(C, K\) in \[\(2, 4\), \(2, 8\)\]\. It was not converted",
    ):
        CheckAccumulatorContract()(model)


def test_thresholds_are_no_layer() -> None:
    """A matrix of thresholds equal to the promised weights must not stand in for a layer that is gone."""
    model = lowered(network())
    thresholds = array_of(only(model, "Thresholding").inputs[1]).T
    contract = AccumulatorContract(layers=(*PROMISES, promise("gone", thresholds.astype(np.int64), 32, 0, 255)))
    model.metadata_props[METADATA_KEY] = contract.to_json()
    with pytest.raises(BrokenContractError, match="Layer 'gone'"):
        CheckAccumulatorContract()(model)


def test_equal_weights_with_promises_for_different_inputs() -> None:
    """Dead layers of as many channels have equal digests; each keeps its own promise."""
    graph = GraphBuilder((1, 2))
    x = graph.quant("x", 1.0, 4)
    x = graph.quant(graph.node("MatMul", [x, graph.weights(np.zeros((2, 2)))]), 1.0, 2, signed=True)
    x = graph.node("MatMul", [x, graph.weights(np.zeros((2, 2)))])
    promises = (promise("second", np.zeros((2, 2), int), 4, -2, 1), promise("first", np.zeros((2, 2), int), 4, 0, 15))
    model = graph.model(x, metadata={METADATA_KEY: AccumulatorContract(layers=promises).to_json()})
    result = CheckAccumulatorContract()(lowered(model))
    assert sorted(rewrite.detail.split(":")[0] for rewrite in result.rewrites) == ["first", "second"]


def test_equal_weights_of_which_one_layer_breaks_every_promise() -> None:
    graph = GraphBuilder((1, 2))
    weights = np.array([[1, 2], [3, 4]])
    x = graph.quant("x", 1.0, 2)
    x = graph.quant(graph.node("MatMul", [x, graph.weights(weights.T)]), 1.0, 5)
    x = graph.node("MatMul", [x, graph.weights(weights.T)])
    promises = (promise("a", weights, 8, 0, 3), promise("b", weights, 8, 0, 7))
    model = graph.model(x, metadata={METADATA_KEY: AccumulatorContract(layers=promises).to_json()})
    with pytest.raises(BrokenContractError, match=r"Layer 'a' .* promised for inputs in \[0, 3\]"):
        CheckAccumulatorContract()(lowered(model))


def test_promise_that_only_the_other_layer_could_keep() -> None:
    """Both layers keep the wide promise, none the narrow one: the error is that of the narrow one."""
    graph = GraphBuilder((1, 2))
    weights = np.array([[1, 2], [3, 4]])
    x = graph.node("MatMul", [graph.quant("x", 1.0, 3), graph.weights(weights.T)])
    promises = (promise("wide", weights, 8, 0, 7), promise("narrow", weights, 8, 0, 3))
    model = graph.model(x, metadata={METADATA_KEY: AccumulatorContract(layers=promises).to_json()})
    with pytest.raises(BrokenContractError, match=r"Layer 'narrow' .* promised for inputs in \[0, 3\]"):
        CheckAccumulatorContract()(lowered(model))


def test_only_metadata_changes() -> None:
    model = lowered(network())
    x = {"x": np.random.default_rng(0).random((3, 1, 3, 3)) * 2}
    before = emulate(model, x)
    CheckAccumulatorContract()(model)
    after = emulate(model, x)
    assert list(after) == list(before)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
