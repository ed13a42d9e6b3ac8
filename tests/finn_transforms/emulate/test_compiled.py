"""The compiled emulator equals the plain one on every network it takes, and says why it does not take others."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings

from finn_transforms.analysis.datatypes import named, range_of
from finn_transforms.emulate import CannotCompileError, compile_emulator, emulate
from finn_transforms.passes import CheckAccumulatorContract, lower_to_hardware
from tests.support.graphs import GraphBuilder
from tests.support.networks import NetworkSpec, images, networks, qonnx_network
from tests.support.random_graphs import Graph, graphs, inputs_of, random_graph
from tests.support.small import hardware_layer, lowered_until, small_network
from tests.support.stages import input_name


def assert_equals_the_plain_one(model: ir.Model, inputs: dict[str, np.ndarray], *, may_refuse: bool) -> None:
    """Compare outputs bit for bit; what passes left as it is may be refused."""
    try:
        compiled = compile_emulator(model)
    except CannotCompileError:
        assert may_refuse
        return
    np.testing.assert_equal(compiled(inputs), emulate(model, inputs, keep="outputs"))


@given(networks(max_size=8))
@settings(max_examples=30, deadline=None)
def test_random_networks(spec: NetworkSpec) -> None:
    model = qonnx_network(spec)
    # The input's quantizer always stays outside the hardware.
    refusals = lower_to_hardware(model).refusals
    assert_equals_the_plain_one(model, {input_name(model): images(spec)}, may_refuse=len(refusals) > 1)


def test_a_padded_depthwise_convolution_of_one_pixel() -> None:
    graph = GraphBuilder((1, 2, 3, 4))
    weights = graph.weights(np.array([3, -2]).reshape(2, 1, 1, 1), 0.5, bits=4)
    sums = graph.node("Conv", [graph.quant("x", 0.25, 4), weights], kernel_shape=[1, 1], pads=[0, 0, 1, 1], group=2)
    model = graph.model(graph.quant(graph.node("Relu", [sums]), 0.5, 3, signed=False))
    assert len(lower_to_hardware(model).refusals) == 1
    images = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype(np.float32)
    assert_equals_the_plain_one(model, {"x": images}, may_refuse=False)


@pytest.mark.parametrize("scale", [0.25, 0.1])
def test_inputs_between_the_grid_and_beyond_its_ends(scale: float) -> None:
    """A scale that is no power of two is divided by in float64, as the emulator does."""
    graph = GraphBuilder((1, 4))
    x = graph.quant("x", np.float32(scale), 8, signed=True)
    x = graph.node("MatMul", [x, graph.weights(np.eye(4, dtype=int) * 3, 0.5, bits=4)])
    model = graph.model(graph.quant(x, 0.5, 4))
    lower_to_hardware(model)
    x = np.random.default_rng(0).normal(size=(1000, 4), scale=100 * scale).astype(np.float32)
    halves = np.float32(scale) * np.arange(-200, 200).astype(np.float32).reshape(-1, 4) / 2
    for batch in (x, halves, np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))):
        np.testing.assert_equal(compile_emulator(model)({"x": batch}), emulate(model, {"x": batch}, keep="outputs"))


@pytest.mark.parametrize("input_type", ["UINT4", "INT4", "UINT8", "INT8", "UINT2"])
@pytest.mark.parametrize("weight_bits", [2, 4, 8])
@pytest.mark.parametrize("steps", [1, 3, 15, 200])
def test_any_thresholds(input_type: str, weight_bits: int, steps: int) -> None:
    """Thresholds at random follow no line, so that all ways to compute them are taken."""
    rng = np.random.default_rng(steps + weight_bits)
    weights = rng.integers(-(2 ** (weight_bits - 1)) + 1, 2 ** (weight_bits - 1), (9, 5))
    integers = range_of(named(input_type))
    low, high = integers.low, integers.high
    reach = int(np.abs(weights).sum(axis=0).max() * max(-low, high))
    x = rng.integers(low, high + 1, (50, 9))
    for thresholds in (
        np.sort(rng.integers(-reach, reach + 1, (5, steps))),
        np.linspace(-reach * 0.5, reach * rng.uniform(0.2, 0.6, (5, 1)), steps, axis=1).round().reshape(5, -1),
    ):
        model = hardware_layer(
            weights,
            input_type=input_type,
            weight_type=f"INT{weight_bits}",
            thresholds=thresholds,
            output_type="UINT8",
            ActVal=0,
        )
        np.testing.assert_equal(compile_emulator(model)({"x": x}), emulate(model, {"x": x}, keep="outputs"))


@pytest.mark.parametrize("thresholds", [None, [[4], [5], [9]]])
def test_xnor_counts_equal_bits(thresholds: list[list[int]] | None) -> None:
    rng = np.random.default_rng(0)
    x, weights = (2 * rng.integers(0, 2, shape) - 1 for shape in ((20, 9), (9, 3)))
    model = hardware_layer(
        weights,
        input_type="BIPOLAR",
        weight_type="BIPOLAR",
        thresholds=thresholds,
        accumulator="UINT4",
        output_type="UINT4" if thresholds is None else "BIPOLAR",
    )
    expected = (x @ weights + 9) // 2
    if thresholds is not None:
        expected = 2 * (expected >= np.array(thresholds).T) - 1
    (found,) = compile_emulator(model)({"x": x}).values()
    np.testing.assert_array_equal(found, expected)


def test_batches_of_any_size() -> None:
    model = lowered_until(CheckAccumulatorContract)
    compiled = compile_emulator(model)
    images = np.random.default_rng(0).integers(-2, 10, size=(9, 1, 4, 4)) / 4
    for count in (1, 2, 9):
        expected = emulate(model, {"x": images[:count]}, keep="outputs")
        np.testing.assert_equal(compiled({"x": images[:count]}), expected)


def test_what_is_not_lowered_is_refused_by_name() -> None:
    with pytest.raises(CannotCompileError, match=r"expected codes of up to 8 bits.* run ExtractIntegers first"):
        compile_emulator(small_network())


def test_an_accumulator_that_may_overflow_is_refused() -> None:
    model = hardware_layer([[3], [3]], input_type="UINT2", weight_type="INT3", accumulator="INT5")
    with pytest.raises(CannotCompileError, match=r"expected accDataType to hold \[0, 18\], found INT5"):
        compile_emulator(model)


def test_inputs_are_checked() -> None:
    compiled = compile_emulator(hardware_layer([[3], [3]], input_type="UINT2", weight_type="INT3"))
    with pytest.raises(KeyError, match="expected an input named 'x'"):
        compiled({})
    with pytest.raises(ValueError, match="found NaN"):
        compiled({"x": np.array([[0, np.nan]])})
    with pytest.raises(ValueError, match=r"expected integers in \[0, 3\]"):
        compiled({"x": np.array([[0, 4]])})
    with pytest.raises(ValueError, match=r"expected integers in \[0, 3\]"):
        compiled({"x": np.array([[0, 0.5]])})
    with pytest.raises(ValueError, match="that float32 holds"):
        compiled({"x": np.array([[0, 2.0**30 + 1]])})


@given(graphs)
@settings(max_examples=25, deadline=None)
def test_networks_with_branches(spec: Graph) -> None:
    model = random_graph(spec)
    refusals = lower_to_hardware(model).refusals
    name, x = input_name(model), inputs_of(spec)
    assert_equals_the_plain_one(model, {name: x}, may_refuse=len(refusals) > 1)
