"""The emulator equals QONNX on files in which nothing is rounded, and says what it cannot do."""

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.onnx_exec import execute_onnx

from finn_transforms.emulate import AccumulatorOverflowError, emulate
from finn_transforms.ops import UnsupportedOperatorError
from finn_transforms.passes import CheckAccumulatorContract
from tests.support.graphs import GraphBuilder, attributes, wrapper
from tests.support.small import hardware_layer, lowered_until, small_network


def test_equals_qonnx_on_an_exported_file() -> None:
    model = small_network()
    for image in np.random.default_rng(0).integers(-2, 10, size=(5, 1, 1, 4, 4)).astype(np.float32) / 4:
        theirs = execute_onnx(wrapper(model), {"x": image}, return_full_exec_context=True)
        for name, ours in emulate(model, {"x": image}).items():
            np.testing.assert_array_equal(ours, theirs[name], err_msg=name)


def test_batch_equals_its_images() -> None:
    model = lowered_until(CheckAccumulatorContract)
    images = np.random.default_rng(0).integers(-2, 10, size=(7, 1, 4, 4)) / 4
    together = emulate(model, {"x": images})
    for index, image in enumerate(images):
        for name, value in emulate(model, {"x": image[None]}).items():
            np.testing.assert_array_equal(together[name][index : index + 1], value, err_msg=name)


def test_quantized_constants_are_computed_in_float32() -> None:
    """0.7 / 0.2 is a tie in float32 and not in float64; the file means the weight that its runtimes use."""
    graph = GraphBuilder((1, 1))
    weights = graph.quant(graph.constant([[0.7]]), 0.2, 8, signed=True, rounding="HALF_UP")
    model = graph.model(graph.node("MatMul", ["x", weights]))
    result = emulate(model, {"x": np.ones((1, 1))})[str(model.graph.outputs[0].name)]
    assert result.item() == 4 * np.float64(np.float32(0.2))


def test_everything_else_is_computed_in_float64() -> None:
    graph = GraphBuilder((1, 1))
    output = graph.node("Add", [graph.node("Add", ["x", graph.constant(2.0**30)]), graph.constant(-(2.0**30))])
    assert emulate(graph.model(output), {"x": np.array([[2.0**-20]])})[output].item() == 2.0**-20


@pytest.mark.parametrize("style", ["", "hls", "rtl"])
def test_overflow_names_layer_channel_and_sum(style: str) -> None:
    model = hardware_layer(
        [[1, 3], [1, 3]], input_type="UINT2", weight_type="INT3", accumulator="INT5", style=style, output_type="INT5"
    )
    emulate(model, {"x": np.array([[2, 2]])})
    with pytest.raises(AccumulatorOverflowError) as info:
        emulate(model, {"x": np.array([[1, 1], [3, 3]])})
    (node,) = model.graph
    assert str(info.value) == (f"{node.name!r}, channel 1: accDataType INT5 holds [-16, 15], found a sum in [2, 18]")


def test_width_that_was_left_away_is_finns_default() -> None:
    model = hardware_layer([[2**20]], input_type="UINT16", weight_type="INT22", accumulator=None)
    assert "accDataType" not in attributes(next(iter(model.graph)))
    emulate(model, {"x": np.array([[2**10]])})
    with pytest.raises(AccumulatorOverflowError, match="accDataType INT32"):
        emulate(model, {"x": np.array([[2**11]])})


def test_missing_input() -> None:
    with pytest.raises(KeyError, match=r"expected an input named 'x', got \['y'\]"):
        emulate(small_network(), {"y": np.zeros((1, 1, 4, 4))})


@pytest.mark.parametrize("shape", [(1, 1, 5, 4), (1, 4, 4), (2, 2, 4, 4)])
def test_inputs_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"input 'x': expected shape \(batch, 1, 4, 4\), got"):
        emulate(small_network(), {"x": np.zeros(shape)})


def test_unknown_treatment_of_overflows() -> None:
    with pytest.raises(ValueError, match="overflow: expected one of"):
        emulate(small_network(), {"x": np.zeros((1, 1, 4, 4))}, overflow="saturate")  # type: ignore[arg-type]


def test_unsorted_graph() -> None:
    model = small_network()
    nodes = list(model.graph)
    model.graph.remove(nodes[0])
    model.graph.append(nodes[0])
    with pytest.raises(KeyError, match="is read before it is computed: sort the graph"):
        emulate(model, {"x": np.zeros((1, 1, 4, 4))})


def test_unknown_operator() -> None:
    graph = GraphBuilder((1, 1))
    model = graph.model(graph.node("Sin", ["x"]))
    with pytest.raises(UnsupportedOperatorError, match="no golden function for operator 'Sin'"):
        emulate(model, {"x": np.zeros((1, 1))})


def test_inputs_with_a_default_need_not_be_given() -> None:
    graph = GraphBuilder((1, 1))
    name = graph.constant([[3.0]])
    output = graph.node("Add", ["x", name])
    proto = graph.proto(output)
    proto.graph.input.append(type(graph.input)(name=name, type=graph.input.type))
    model = ir.serde.deserialize_model(proto)
    assert emulate(model, {"x": np.ones((1, 1))})[output].item() == 4


def test_values_to_keep_and_to_start_from() -> None:
    model = small_network()
    image = np.random.default_rng(0).integers(-2, 10, size=(3, 1, 4, 4)) / 4
    everything = emulate(model, {"x": image})
    output = str(model.graph.outputs[0].name)
    assert list(emulate(model, {"x": image}, keep="outputs")) == [output]
    middle = next(str(node.outputs[0].name) for node in model.graph if node.op_type == "MaxPool")
    assert emulate(model, {"x": image}, keep=[middle]).keys() == {middle}
    started = emulate(model, {middle: everything[middle]}, keep="outputs")
    np.testing.assert_array_equal(started[output], everything[output])
    with pytest.raises(KeyError, match="names of values of the graph to keep, got 'nothing'"):
        emulate(model, {"x": image}, keep=["nothing"])
