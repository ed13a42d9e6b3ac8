"""Layers of bits count equal bits in hardware, and what reads them is told."""

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from finn_transforms.emulate import emulate
from finn_transforms.passes import (
    CancelTransposes,
    ExtractIntegers,
    InferMVAU,
    InferThresholding,
    InferVVAU,
    InsertDuplicateStreams,
)
from tests.support.graphs import FINN, GraphBuilder, array_of, attributes, copy_of, only, op_types
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

RNG = np.random.default_rng(0)


def signs(*shape: int) -> NDArray[np.int64]:
    return RNG.choice([-1, 1], size=shape)


def layer(graph: GraphBuilder, op_type: str) -> str:
    """Return a layer with bits as inputs and weights; a sum is over 12 of them."""
    graph.datatypes["x"] = "BIPOLAR"
    shape = {"Conv": (3, 3, 2, 2), "MatMul": (12, 3), "depthwise": (3, 1, 4, 3)}[op_type]
    options = {"depthwise": {"group": 3}}.get(op_type, {})
    weights = graph.constant(signs(*shape), "w", "BIPOLAR")
    return graph.node({"depthwise": "Conv"}.get(op_type, op_type), ["x", weights], datatype="INT32", **options)


def shape_of(op_type: str) -> tuple[int, ...]:
    return (1, 12) if op_type == "MatMul" else (1, 3, 5, 6)


@pytest.mark.parametrize("op_type", ["Conv", "MatMul", "depthwise"])
def test_sum_is_restored_for_other_readers(op_type: str) -> None:
    graph = GraphBuilder(shape_of(op_type))
    output = layer(graph, op_type)
    model = graph.model(output)
    reference = copy_of(model)
    for stage in (InferVVAU, InferMVAU):
        assert not stage()(model).refusals
    unit = next(node for node in model.graph if node.op_type in {"MVAU", "VVAU"})
    assert attributes(unit)["outputDataType"] == attributes(unit)["accDataType"] == "UINT4"
    x = {"x": signs(4, *shape_of(op_type)[1:])}
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3
    assert_finn_specializes(model)


@pytest.mark.parametrize("op_type", ["Conv", "MatMul", "depthwise"])
def test_sum_is_restored_on_the_host_where_only_that_reads_it(op_type: str) -> None:
    graph = GraphBuilder(shape_of(op_type))
    output = graph.node("Mul", [layer(graph, op_type), graph.constant(0.37)])
    model = graph.model(output)
    reference = copy_of(model)
    for stage in (InferVVAU, InferMVAU):
        stage()(model)
    assert op_types(model)[-3:] == ["Mul", "Sub", "Mul"] or op_types(model)[-4:] == ["Mul", "Sub", "Transpose", "Mul"]
    x = {"x": signs(4, *shape_of(op_type)[1:])}
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("op_type", ["Conv", "MatMul", "depthwise"])
def test_thresholds_compare_counts(op_type: str, bits: int) -> None:
    graph = GraphBuilder(shape_of(op_type))
    output = graph.quant(graph.node("Mul", [layer(graph, op_type), graph.constant(0.37)]), 1.0, bits)
    model = graph.model(output)
    ExtractIntegers()(model)
    output = str(model.graph.outputs[0].name)
    reference = copy_of(model)
    for stage in (InferThresholding, InferVVAU, InferMVAU, CancelTransposes):
        assert not stage()(model).refusals
    assert not any(kind.startswith("Elementwise") for kind in op_types(model))
    activation = only(model, "Thresholding")
    assert attributes(activation)["inputDataType"] == "UINT4"
    assert array_of(activation.inputs[1]).min() >= 0
    x = {"x": signs(20, *shape_of(op_type)[1:])}
    np.testing.assert_array_equal(emulate(model, x)[output], emulate(reference, x)[output])
    assert assert_finn_agrees(model, x["x"][:1]) >= 2
    assert_finn_specializes(model)


def test_every_count_meets_its_threshold() -> None:
    """All sums of five signs against all integer thresholds, those out of reach included."""
    for threshold in range(-7, 8):
        graph = GraphBuilder((1, 5))
        graph.datatypes["x"] = "BIPOLAR"
        layer_output = graph.node("MatMul", ["x", graph.constant(np.ones((5, 1)), "w", "BIPOLAR")], datatype="INT32")
        thresholds = graph.constant([[threshold]], "t", "INT32")
        output = graph.node(
            "Thresholding",
            [layer_output, thresholds],
            domain=FINN,
            datatype="UINT1",
            NumChannels=1,
            numSteps=1,
            PE=1,
            inputDataType="INT32",
            weightDataType="INT32",
            outputDataType="UINT1",
            numInputVectors=[1],
        )
        model = graph.model(output)
        InferMVAU()(model)
        ones = np.arange(6)
        x = np.where(np.arange(5) < ones[:, None], 1, -1)
        np.testing.assert_array_equal(emulate(model, {"x": x})[output][:, 0], x.sum(axis=1) >= threshold)


def test_a_reader_besides_keeps_the_sum() -> None:
    graph = GraphBuilder((1, 12))
    total = layer(graph, "MatMul")
    model = graph.model(graph.quant(graph.node("Mul", [total, graph.constant(0.5)]), 1.0, 2), total)
    ExtractIntegers()(model)
    reference = copy_of(model)
    for stage in (InferThresholding, InferMVAU, InsertDuplicateStreams):
        stage()(model)
    assert {"ElementwiseMul", "ElementwiseSub", "DuplicateStreams"} <= set(op_types(model))
    x = {"x": signs(20, 12)}
    for value in reference.graph.outputs:
        name = str(value.name)
        np.testing.assert_array_equal(emulate(model, x)[name], emulate(reference, x)[name])


@pytest.mark.parametrize("kinds", [("BIPOLAR", "INT3"), ("INT4", "BIPOLAR")])
def test_bits_on_one_side_are_ordinary_numbers(kinds: tuple[str, str]) -> None:
    def draw(kind: str, *shape: int) -> NDArray[np.int64]:
        return signs(*shape) if kind == "BIPOLAR" else RNG.integers(-4, 4, size=shape)

    graph = GraphBuilder((1, 3, 4, 4))
    graph.datatypes["x"] = kinds[0]
    weights = graph.constant(draw(kinds[1], 2, 3, 2, 2), "w", kinds[1])
    model = graph.model(graph.node("Conv", ["x", weights], datatype="INT32"))
    reference = copy_of(model)
    InferMVAU()(model)
    assert attributes(only(model, "MVAU"))["outputDataType"] == "INT32"
    x = {"x": draw(kinds[0], 3, 3, 4, 4)}
    np.testing.assert_array_equal(emulate(model, x)["conv2"], emulate(reference, x)["conv2"])
    assert assert_finn_agrees(model, x["x"][:1]) >= 3


def padded() -> ir.Model:
    graph = GraphBuilder((1, 3, 4, 4))
    graph.datatypes["x"] = "BIPOLAR"
    weights = graph.constant(signs(2, 3, 3, 3), "w", "BIPOLAR")
    return graph.model(graph.node("Conv", ["x", weights], datatype="INT32", pads=[1, 1, 1, 1]))


def test_padding_of_bits_is_refused() -> None:
    model = padded()
    assert refusal_of(InferMVAU(), model, "Conv") == (
        "it pads BIPOLAR values with zeros, which they do not have",
        "Use no padding, or an activation quantizer of two bits",
    )
    assert op_types(model) == ["Conv"]
