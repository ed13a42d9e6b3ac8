"""What folding by cost chooses is what FINN builds: its cycles, its width converters, where and how wide they are."""

import logging

import onnx_ir as ir
import pytest
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.analysis.matching import HARDWARE_DOMAIN
from finn_transforms.folding import CostModel, fold_by_cost, write_folding
from finn_transforms.folding.candidates import foldings, input_elements, output_elements
from finn_transforms.hw_graph import HwGraph, read_hw_graph
from tests.support.foldable import Network, branches, depthwise_separable, lowered, residual, upsampled
from tests.support.specialized import specialized

COSTS = CostModel()


@pytest.mark.parametrize("network", [depthwise_separable, residual, branches, upsampled])
def test_finn_counts_the_same_cycles_and_inserts_the_same_converters(network: Network) -> None:
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC

    logging.getLogger("finn_logger").setLevel(logging.ERROR)
    model = ir.serde.deserialize_model(specialized(lowered(network)).model)
    graph = read_hw_graph(model)
    for target in (40, 64, 200, 1300, 10_000):
        folding = fold_by_cost(graph, max(target, min_cycles(model)), COSTS)
        write_folding(model, folding.graph)
        finns = ModelWrapper(ir.serde.serialize_model(model))
        for node in hardware(finns):
            assert getCustomOp(node).get_exp_cycles() == folding.graph.layer(node.name).cycles()
        converted = finns.transform(InsertDWC())
        found = [getCustomOp(node) for node in converted.graph.node if node.op_type == "StreamingDataWidthConverter"]
        expected = [
            (
                converted.find_producer(each.onnx_node.input[0]).name,
                converted.find_consumer(each.onnx_node.output[0]).name,
                each.get_instream_width() // int(each.get_input_datatype().bitwidth()),
                each.get_outstream_width() // int(each.get_input_datatype().bitwidth()),
            )
            for each in found
        ]
        assert sorted(expected) == sorted(
            (each.producer, each.consumer, each.elements_in, each.elements_out) for each in folding.converters
        )


@pytest.mark.parametrize("network", [depthwise_separable, residual, branches, upsampled])
def test_finn_takes_every_legal_folding_of_every_layer(network: Network) -> None:
    model = ir.serde.deserialize_model(specialized(lowered(network)).model)
    for layer in read_hw_graph(model).layers:
        for folded in foldings(layer):
            write_folding(model, HwGraph(layers=(folded,)))
            (node,) = (node for node in model.graph if node.name == layer.name)
            finns = getCustomOp(ir.serde.serialize_node(node))
            assert finns.get_exp_cycles() == folded.cycles()
            assert finns.get_folded_input_shape()[-1] == input_elements(folded)
            assert finns.get_folded_output_shape()[-1] == output_elements(folded)


def hardware(model: ModelWrapper) -> list[NodeProto]:
    return [node for node in model.graph.node if node.domain.startswith(HARDWARE_DOMAIN)]


def min_cycles(model: ir.Model) -> int:
    """Return cycles that every layer can reach, those of a depthwise window generator in front of a unit among them."""
    return max(min(each.cycles() for each in foldings(layer)) for layer in read_hw_graph(model).layers)
