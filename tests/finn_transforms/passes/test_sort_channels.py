"""Channels sorted by their exponents: every output stays, and whoever compares sees the exported order."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.channel_order import channel_order
from finn_transforms.certify import certify
from finn_transforms.emulate import emulate
from finn_transforms.passes import BrokenContractError, CheckAccumulatorContract, SortChannels, lower_to_hardware
from finn_transforms.report import certificates
from finn_transforms.verify import verify
from tests.support.certified import problems
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of
from tests.support.shift_networks import HIDDEN_EXPONENTS, images, needed_bits, shift_network

RNG = np.random.default_rng(0)
GROUPS = np.array([2, 0, 1, 0, 2, 3])


def deep(between: Any = None, *, bias: bool = True) -> ir.Model:
    """Return two padded convolutions with the channels of `GROUPS` between them, and a pool where one is asked for."""
    graph = GraphBuilder((1, 2, 4, 4))
    x = graph.quant("x", 0.25, 4, signed=True)
    x = graph.node("Conv", [x, graph.weights(RNG.integers(-7, 8, (6, 2, 3, 3)), 0.25, bits=4)], pads=[1] * 4)
    if bias:
        x = graph.node("Add", [x, graph.constant(RNG.normal(size=(1, 6, 1, 1)))])
    x = graph.quant(graph.node("Relu", [x]), 2.0 ** (GROUPS.reshape(1, 6, 1, 1) - 3.0), 3)
    tap = between(graph, x) if between is not None else x
    x = graph.node("Conv", [tap, graph.weights(RNG.integers(-7, 8, (5, 6, 3, 3)), 0.25, bits=4)], pads=[1] * 4)
    return graph.model(graph.quant(graph.node("Relu", [x]), 0.5, 4))


def named(model: ir.Model, kind: str) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == kind]


@pytest.mark.parametrize("bias", [True, False])
def test_every_output_stays(bias: bool) -> None:
    model = deep(bias=bias)
    exported = copy_of(model)
    lower_to_hardware(model)
    before = copy_of(model)
    (note,) = SortChannels()(model).rewrites  # type: ignore[attr-defined]
    assert note.detail == "channels sorted: 2 << 0 + 1 << 1 + 2 << 2 + 1 << 3"
    (unit,) = named(model, "ShiftMVAU")
    assert list(attributes(unit)["shifts"]) == [0, 0, 1, 2, 2, 3] * 9
    (old,) = named(before, "ShiftMVAU")
    order = np.argsort(GROUPS, kind="stable")
    rows = array_of(old.inputs[1]).reshape(9, 6, 5)
    assert np.array_equal(array_of(unit.inputs[1]).reshape(9, 6, 5), rows[:, order])
    x = RNG.integers(-64, 64, (4, 2, 4, 4)) / 32
    name = str(model.graph.outputs[0].name)
    expected = emulate(before, {"x": x})[name]
    assert len(np.unique(expected)) > 8
    assert np.array_equal(emulate(model, {"x": x})[name], expected)
    # Inside, the order is another one, and the comparison with the exported graph sees to that.
    result = verify(model, exported, {"x": x.astype(np.float32)})
    assert (result.ok, len(result.tensors), result.unaligned) == (True, 3, ())
    assert problems(certify(ir.serde.serialize_model(model), certificates(model))) == ""
    assert not SortChannels()(model).modified


def test_a_forgotten_order_is_seen_by_the_comparison() -> None:
    model = deep()
    exported = copy_of(model)
    lower_to_hardware(model)
    SortChannels()(model)
    for node in named(model, "Thresholding"):
        node.metadata_props.clear()
    x = RNG.integers(-64, 64, (4, 2, 4, 4)).astype(np.float32) / 32
    assert not verify(model, exported, {"x": x}).ok


def test_vectors_of_a_whole_image() -> None:
    model = shift_network()
    lower_to_hardware(model)
    x, name = images(), str(model.graph.outputs[0].name)
    expected = emulate(model, {"x": x})[name]
    result = SortChannels()(model)
    assert [rewrite.node for rewrite in result.rewrites] == ["MVAU_matmul22_acc"]  # type: ignore[attr-defined]
    assert tuple(attributes(named(model, "ShiftMVAU")[1])["shifts"]) == tuple(sorted(HIDDEN_EXPONENTS)) * 16
    assert np.array_equal(emulate(model, {"x": x})[name], expected)
    # The channels of the image come from the host.
    (refusal,) = result.refusals  # type: ignore[attr-defined]
    assert "comes from the host" in refusal.reason


def pooled(graph: GraphBuilder, x: str) -> str:
    return graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])


def added(graph: GraphBuilder, x: str) -> str:
    return graph.node("Add", [x, x])


@pytest.mark.parametrize(
    ("between", "reason"),
    [(pooled, "its channels come from Pool"), (added, "its channels come from ElementwiseAdd")],
)
def test_channels_from_elsewhere_stay(between: Any, reason: str) -> None:
    model = deep(between)
    lower_to_hardware(model)
    text = ir.serde.serialize_model(model)
    (refusal,) = SortChannels()(model).refusals  # type: ignore[attr-defined]
    assert refusal.reason.startswith(reason)
    assert ir.serde.serialize_model(model) == text


def test_windows_that_come_channel_by_channel_stay() -> None:
    """A unit behind them has its rows in another order."""
    model = deep()
    lower_to_hardware(model)
    generator = named(model, "ConvolutionInputGenerator")[1]
    generator.attributes["depthwise"] = ir.AttrInt64("depthwise", 1)
    (refusal,) = SortChannels()(model).refusals  # type: ignore[attr-defined]
    assert refusal.reason == f"{generator.name!r} sends its windows channel by channel"


def test_the_promise_of_a_sorted_layer_is_found_again_and_proved() -> None:
    """It names the channels in their order of training; without the note, or with a wrong one, it is not kept."""
    model = shift_network(contract_bits=needed_bits())
    lower_to_hardware(model)
    assert SortChannels()(model).modified
    CheckAccumulatorContract()(model)
    document, proto = certificates(model), ir.serde.serialize_model(model)
    assert problems(certify(proto, document)) == ""
    unit = named(model, "ShiftMVAU")[0]
    order = channel_order(unit)
    assert order is not None
    for wrong in ("", " ".join(map(str, order[::-1])), "0 0 0 0 0 0"):
        unit.metadata_props["finn_transforms.channel_order"] = wrong
        assert "conv: n" in problems(certify(ir.serde.serialize_model(model), document))
    unit.metadata_props.clear()
    with pytest.raises(BrokenContractError, match="Layer 'conv'"):
        CheckAccumulatorContract()(model)
