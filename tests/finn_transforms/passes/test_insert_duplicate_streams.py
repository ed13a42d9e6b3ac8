"""Every wire of the hardware has one end."""

import time

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.matching import is_hardware
from finn_transforms.emulate import emulate
from finn_transforms.passes import CancelTransposes, InferElementwise, InsertDuplicateStreams
from tests.support.graphs import GraphBuilder, attributes, copy_of, only, op_types, wrapper
from tests.support.refusals import refusal_of
from tests.support.stages import assert_finn_agrees, assert_finn_specializes

X = {"x": np.random.default_rng(0).integers(-4, 4, size=(3, 4, 2, 3))}


def chain(count: int, *, last_reads_all: bool = False) -> tuple[ir.Model, list[str]]:
    """Return sums of which each is read by the next one twice, and by an output at the end."""
    graph = GraphBuilder((1, 4, 2, 3))
    graph.datatypes["x"] = "INT3"
    values = [graph.node("Add", ["x", graph.constant(1, "c", "UINT1")], datatype="INT4")]
    for index in range(count):
        values.append(graph.node("Add", [values[-1], values[0]], datatype=f"INT{5 + index}"))
    outputs = values if last_reads_all else values[-1:]
    model = graph.model(*outputs)
    InferElementwise()(model)
    CancelTransposes()(model)
    return model, outputs


def assert_one_end_each(model: ir.Model) -> None:
    for node in model.graph:
        for value in node.outputs:
            ends = len(value.uses()) + value.is_graph_output()
            if is_hardware(node):
                assert ends <= 1, value.name
            else:
                assert sum(is_hardware(reader) for reader in value.consumers()) <= 1, value.name


@pytest.mark.parametrize("all_outputs", [False, True])
def test_every_stream_is_read_once(all_outputs: bool) -> None:
    model, outputs = chain(3, last_reads_all=all_outputs)
    reference = copy_of(model)
    result = InsertDuplicateStreams()(model)
    assert_one_end_each(model)
    assert len(result.rewrites) == op_types(model).count("DuplicateStreams") >= 1
    assert [value.name for value in model.graph.outputs] == outputs
    for name in outputs:
        np.testing.assert_array_equal(emulate(model, X)[name], emulate(reference, X)[name])
    assert assert_finn_agrees(model, X["x"][:1]) > 4
    assert_finn_specializes(model)
    assert not InsertDuplicateStreams()(model).modified


def test_finn_finds_nothing_left_to_do() -> None:
    from finn.transformation.fpgadataflow.convert_to_hw.duplicate_streams import InferDuplicateStreamsLayer

    model, _ = chain(2)
    InsertDuplicateStreams()(model)
    before = [node.op_type for node in wrapper(model).graph.node]
    after = [node.op_type for node in wrapper(model).transform(InferDuplicateStreamsLayer()).graph.node]
    assert after == before


def test_attributes() -> None:
    model, _ = chain(1)
    InsertDuplicateStreams()(model)
    found = attributes(only(model, "DuplicateStreams"))
    assert (found["NumChannels"], found["NumOutputStreams"], found["PE"]) == (4, 2, 1)
    assert (found["inputDataType"], found["numInputVectors"]) == ("INT4", (1, 2, 3))


def test_both_operands_of_one_layer_get_a_copy() -> None:
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "INT3"
    one = graph.node("Add", ["x", graph.constant(1, "c", "UINT1")], datatype="INT4")
    model = graph.model(graph.node("Add", [one, one], datatype="INT5"))
    InferElementwise()(model)
    InsertDuplicateStreams()(model)
    assert_one_end_each(model)
    assert op_types(model) == ["ElementwiseAdd", "DuplicateStreams", "ElementwiseAdd"]


def test_integer_input_of_the_graph_is_copied_for_hardware_only() -> None:
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "INT3"
    sums = [graph.node("Add", ["x", graph.constant(1, "c", "UINT1")], datatype="INT4") for _ in range(2)]
    model = graph.model(*sums, graph.node("Relu", ["x"]))
    InferElementwise()(model)
    InsertDuplicateStreams()(model)
    copies = only(model, "DuplicateStreams")
    assert attributes(copies)["NumOutputStreams"] == 2
    source = only(model, "Relu").inputs[0]
    assert source is not None
    assert source.name == "x"


def test_what_is_no_integer_is_refused() -> None:
    model, _ = chain(1)
    value = next(node.outputs[0] for node in model.graph if is_hardware(node))
    value.meta.clear()
    assert refusal_of(InsertDuplicateStreams(), model, "ElementwiseAdd") == (
        f"{value.name!r} is not annotated with an integer type",
        "Run ExtractIntegers first",
    )


def test_time_grows_with_the_number_of_layers() -> None:
    """A thousand copies are as many insertions, no scans of the graph."""
    graph = GraphBuilder((1, 4))
    graph.datatypes["x"] = "INT3"
    x = "x"
    for _ in range(1000):
        x = graph.node("Add", [x, x], datatype="INT4")
    model = graph.model(x)
    InferElementwise()(model)
    start = time.perf_counter()
    InsertDuplicateStreams()(model)
    assert time.perf_counter() - start < 5
    assert op_types(model).count("DuplicateStreams") == 1000
