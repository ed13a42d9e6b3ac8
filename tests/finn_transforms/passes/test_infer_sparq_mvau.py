"""SPARQ's windows and the layers behind them become layers in code that give the same integers, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.arith import SparqFormat
from brevitas_ext.arith.sparq_extremes import sparq_dot_extremes
from brevitas_ext.qonnx_ops.sparq import DOMAIN, Sparq
from finn_transforms.analysis.accumulators import read_accumulator
from finn_transforms.analysis.datatypes import datatype
from finn_transforms.analysis.ranges import integer_ranges
from finn_transforms.emulate import AccumulatorOverflowError, emulate
from finn_transforms.passes import InferSparqMVAU, MinimizeAccumulators, lower_to_hardware
from tests.support.graphs import GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of

RNG = np.random.default_rng(0)


def windows(graph: GraphBuilder, x: str, sparq: SparqFormat, axis: int = 1) -> str:
    values = Sparq(format=sparq, axis=axis).attributes
    return graph.node("Sparq", [x, graph.constant(1.0, "one")], domain=DOMAIN, datatype="UINT8", **values)


def layer(
    op_type: str,
    shape: tuple[int, ...],
    weights: tuple[int, ...],
    sparq: SparqFormat,
    *,
    axis: int = 1,
    source: str = "UINT8",
    weight_type: str = "INT5",
    **options: Any,
) -> ir.Model:
    """Return a layer behind SPARQ's windows, as ExtractIntegers leaves it."""
    graph = GraphBuilder(shape)
    graph.datatypes["x"] = source
    values = 2 * RNG.integers(0, 2, size=weights) - 1 if weight_type == "BIPOLAR" else RNG.integers(-9, 10, weights)
    operands = [windows(graph, "x", sparq, axis), graph.constant(values, "w", weight_type)]
    return graph.model(graph.node(op_type, operands, datatype="INT32", **options))


def sparse(*shape: int) -> np.ndarray[Any, Any]:
    """Return activations with many zeros, so that pairs are of every kind."""
    return RNG.integers(0, 256, size=shape) * RNG.integers(0, 2, size=shape)


def assert_same(lowered: ir.Model, reference: ir.Model, x: np.ndarray[Any, Any]) -> None:
    for output in reference.graph.outputs:
        name = str(output.name)
        np.testing.assert_array_equal(emulate(lowered, {"x": x})[name], emulate(reference, {"x": x})[name])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("4b5opt", {}),
        ("4b3opt", {"rounding": False}),
        ("4b2opt", {"overflow": "carry"}),
        ("3b6opt", {}),
        ("2b7opt", {"rounding": False}),
        ("7b2opt", {}),
        ("4b5opt", {"pairs": False}),
        ("2b7opt", {"pairs": False, "overflow": "carry"}),
    ],
)
@pytest.mark.parametrize(
    ("kernel", "strides", "dilations", "pads", "groups"),
    [
        ((1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
        ((3, 2), (2, 1), (1, 2), (1, 2, 0, 1), 1),
        ((2, 2), (1, 2), (1, 1), (1, 0, 0, 0), 2),
    ],
)
def test_convolution(
    name: str,
    options: dict[str, Any],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    groups: int,
) -> None:
    sparq = SparqFormat.named(name, **options)
    model = layer(
        "Conv",
        (1, 4, 5, 6),
        (6, 4 // groups, *kernel),
        sparq,
        strides=list(strides),
        dilations=list(dilations),
        pads=list(pads),
        group=groups,
    )
    reference = copy_of(model)
    result = InferSparqMVAU()(model)
    assert result.modified and not result.refusals  # type: ignore[attr-defined]
    expected = ["Transpose", "SparqEncoder"] + ["FMPadding"] * any(pads)
    expected += ["ConvolutionInputGenerator"] * (kernel != (1, 1)) + ["SparqMVAU", "Transpose"]
    assert op_types(model) == expected
    assert_same(model, reference, sparse(3, 4, 5, 6))


def test_code_has_a_word_a_pair_of_channels() -> None:
    model = layer("Conv", (1, 4, 5, 5), (3, 4, 3, 3), SparqFormat.named("4b3opt"))
    InferSparqMVAU()(model)
    code = only(model, "SparqEncoder").outputs[0]
    assert (code.shape, datatype(code).name) == (ir.Shape((1, 5, 5, 2)), "UINT14")  # type: ignore[union-attr]
    generator = attributes(only(model, "ConvolutionInputGenerator"))
    assert (generator["IFMChannels"], generator["inputDataType"]) == (2, "UINT14")
    unit = attributes(only(model, "SparqMVAU"))
    assert (unit["MW"], unit["MH"], unit["SIMD"], unit["inputDataType"]) == (36, 3, 2, "UINT8")
    assert (unit["bits"], tuple(unit["shifts"]), unit["pairs"]) == (4, (0, 2, 4), 1)


@pytest.mark.parametrize("shape", [(1, 6), (1, 5, 6), (1, 2, 5, 6)])
def test_matmul_pairs_its_inputs(shape: tuple[int, ...]) -> None:
    model = layer("MatMul", shape, (6, 4), SparqFormat.named("4b5opt"), axis=-1)
    reference = copy_of(model)
    assert not InferSparqMVAU()(model).refusals  # type: ignore[attr-defined]
    assert op_types(model) == ["SparqEncoder", "SparqMVAU"]
    assert_same(model, reference, sparse(3, *shape[1:]))


def test_flattened_image_keeps_its_pairs_of_channels() -> None:
    graph = GraphBuilder((1, 4, 2, 3))
    graph.datatypes["x"] = "UINT8"
    flat = graph.node("Flatten", [windows(graph, "x", SparqFormat.named("3b6opt"))], datatype="UINT8")
    weights = graph.constant(RNG.integers(-9, 10, size=(24, 5)), "w", "INT5")
    model = graph.model(graph.node("MatMul", [flat, weights], datatype="INT32"))
    reference = copy_of(model)
    assert not InferSparqMVAU()(model).refusals  # type: ignore[attr-defined]
    assert op_types(model) == ["Transpose", "SparqEncoder", "SparqMVAU"]
    assert_same(model, reference, sparse(3, 4, 2, 3))


@pytest.mark.parametrize(("names", "encoders"), [(["4b5opt"] * 2, 1), (["4b5opt", "4b3opt"], 2)])
def test_layers_that_read_the_same_code_share_an_encoder(names: list[str], encoders: int) -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    graph.datatypes["x"] = "UINT8"
    coded = [windows(graph, "x", SparqFormat.named(name)) for name in names]
    outputs = [
        graph.node(
            "Conv",
            [coded[k // 2], graph.constant(RNG.integers(-9, 10, size=(3, 2, k, k)), "w", "INT5")],
            datatype="INT32",
            strides=[2, 2],
        )
        for k in (1, 3)
    ]
    model = graph.model(*outputs)
    reference = copy_of(model)
    lower_to_hardware(model)
    assert op_types(model).count("SparqEncoder") == encoders
    assert op_types(model).count("SparqMVAU") == 2
    assert op_types(model).count("DuplicateStreams") == 1
    assert_same(model, reference, sparse(2, 2, 4, 4))


def test_sums_that_float32_does_not_hold_are_exact_though_their_words_are_small() -> None:
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "UINT8"
    weights = np.array([[30001], [30001], [20001], [1]])
    coded = windows(graph, "x", SparqFormat.named("4b5opt", pairs=False))
    model = graph.model(graph.node("MatMul", [coded, graph.constant(weights, "w", "INT16")], datatype="INT32"))
    InferSparqMVAU()(model)
    x = np.array([[240, 240, 240, 1]])
    assert emulate(model, {"x": x})[str(model.graph.outputs[0].name)].item() == (x @ weights).item() > 2**24


def test_signs_are_multiplied_like_other_weights() -> None:
    model = layer("MatMul", (1, 6), (6, 4), SparqFormat.named("4b5opt"), weight_type="BIPOLAR")
    reference = copy_of(model)
    InferSparqMVAU()(model)
    assert attributes(only(model, "SparqMVAU"))["weightDataType"] == "INT2"
    assert_same(model, reference, sparse(3, 6))


@pytest.mark.parametrize("overflow", ["any_order", "wrap"])
@pytest.mark.parametrize("name", ["4b5opt", "2b7opt"])
def test_accumulator_is_that_of_pairs(name: str, overflow: Any) -> None:
    sparq = SparqFormat.named(name)
    model = layer("Conv", (1, 4, 4, 4), (3, 4, 3, 3), sparq, pads=[1, 1, 1, 1])
    InferSparqMVAU()(model)
    MinimizeAccumulators(overflow=overflow, byte_align_outputs=False)(model)
    unit = only(model, "SparqMVAU")
    rows = array_of(unit.inputs[1]).T.astype(np.int64)
    low, high = sparq_dot_extremes(rows, sparq)
    found = read_accumulator(unit, integer_ranges(model))
    np.testing.assert_array_equal(found.partial, (low, high))
    np.testing.assert_array_equal(found.final, (low, high))
    alone = int(np.maximum(rows, 0).sum(axis=1).max()) * 255
    assert int(high.max()) < alone
    bits = max(int(high.max()).bit_length(), (-1 - int(low.min())).bit_length()) + 1
    assert attributes(unit)["accDataType"] == f"INT{bits}"
    # One bit less overflows for the activations that reach the extreme.
    unit.attributes["accDataType"] = ir.AttrString("accDataType", f"INT{bits - 1}")
    upward = int(high.max()).bit_length() + 1 == bits
    channel = int(np.argmax(high) if upward else np.argmin(low))
    with pytest.raises(AccumulatorOverflowError):
        emulate(model, {"x": _extreme(rows[channel] if upward else -rows[channel])})


def _extreme(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an image whose windows in the middle bring a row's sum to its top; both of a pair, or one alone, count."""
    taps = row.reshape(3, 3, 2, 2)
    x = np.zeros((1, 4, 4, 4))
    for (i, j, pair), _ in np.ndenumerate(taps[..., 0]):
        first, second = taps[i, j, pair]
        x[0, 2 * pair, i, j], x[0, 2 * pair + 1, i, j] = 255 * (first > 0), 255 * (second > 0)
    return x


@pytest.mark.parametrize(
    ("model", "op_type", "reason", "advice"),
    [
        (
            lambda: layer("Conv", (1, 3, 4, 4), (2, 3, 3, 3), SparqFormat.named("4b5opt")),
            "Sparq",
            "it pairs 3 channels, an odd number",
            "Use an even number of channels",
        ),
        (
            lambda: layer("Conv", (1, 2, 4, 4), (2, 2, 3, 3), SparqFormat.named("4b5opt"), source="INT8"),
            "Sparq",
            "its input is INT8, expected UINT8",
            "Quantize it to 8 bits without sign",
        ),
        (
            lambda: layer("Conv", (1, 4, 4, 4), (4, 1, 3, 3), SparqFormat.named("4b5opt"), group=4),
            "Conv",
            "it is depthwise, 4 groups",
            "Keep 8 bits in front of depthwise",
        ),
        (
            lambda: layer("Conv", (1, 4, 4, 4), (4, 4, 3, 3), SparqFormat.named("4b5opt"), axis=3),
            "Conv",
            "SPARQ pairs neighbours along axis 3, the layer adds up along axis 1",
            "Let both be the channels",
        ),
        (
            lambda: layer("MatMul", (1, 4, 5, 6), (6, 3), SparqFormat.named("4b5opt")),
            "MatMul",
            "SPARQ pairs neighbours along axis 1, the layer adds up along axis 3",
            "Let both be the channels",
        ),
        (
            lambda: layer("ConvTranspose", (1, 4, 4, 4), (4, 4, 3, 3), SparqFormat.named("4b5opt")),
            "ConvTranspose",
            "it reads SPARQ's windows, and no unit for ConvTranspose reads the code",
            "Turn SPARQ on at the input",
        ),
        (
            lambda: layer("Conv", (1, 4, 4, 4, 4), (4, 4, 3, 3, 3), SparqFormat.named("4b5opt")),
            "Conv",
            "it convolves over 3 dimensions",
            "Use a two-dimensional convolution",
        ),
        (
            lambda: layer("Conv", (2, 4, 4, 4), (4, 4, 3, 3), SparqFormat.named("4b5opt")),
            "Sparq",
            "its batch size is 2",
            "Export with an example of batch size 1",
        ),
    ],
)
def test_what_has_no_unit_is_refused(model: Callable[[], ir.Model], op_type: str, reason: str, advice: str) -> None:
    built = model()
    before = op_types(built)
    found, remedy = refusal_of(InferSparqMVAU(), built, op_type)
    assert found.startswith(reason) and remedy.startswith(advice)
    assert op_types(built) == before


def test_a_skip_branch_behind_the_windows_is_refused_and_the_layer_lowered() -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    graph.datatypes["x"] = "UINT8"
    coded = windows(graph, "x", SparqFormat.named("4b5opt"))
    weights = graph.constant(RNG.integers(-9, 10, size=(2, 2, 1, 1)), "w", "INT5")
    convolved = graph.node("Conv", [coded, weights], datatype="INT32")
    model = graph.model(graph.node("Add", [coded, convolved], datatype="INT32"))
    reference = copy_of(model)
    reason, _ = refusal_of(InferSparqMVAU(), model, "Add")
    assert reason.startswith("it reads SPARQ's windows")
    assert {"Sparq", "SparqMVAU"} <= set(op_types(model))
    assert_same(model, reference, sparse(2, 2, 4, 4))


def test_single_activations_need_no_even_number() -> None:
    model = layer("Conv", (1, 3, 4, 4), (2, 3, 3, 3), SparqFormat.named("4b5opt", pairs=False))
    reference = copy_of(model)
    assert not InferSparqMVAU()(model).refusals  # type: ignore[attr-defined]
    assert attributes(only(model, "SparqMVAU"))["SIMD"] == 1
    assert_same(model, reference, sparse(2, 3, 4, 4))
