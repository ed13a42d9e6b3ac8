"""A whole network with units that shift products in Verilator: what is simulated is what QONNX executes."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.onnx_exec import execute_onnx

from finn_transforms.emulate import emulate
from finn_transforms.folding import fold_by_cost, write_folding
from finn_transforms.hw_graph import ShiftMvauParams, read_hw_graph
from finn_transforms.network import compare, stitch
from finn_transforms.passes import SortChannels, lower_to_hardware
from finn_transforms.rtl import ShiftMvau
from tests.support.graphs import wrapper
from tests.support.shift_networks import images, shift_network

pytest.importorskip("finn")

CYCLES = 100


@cache
def built() -> ir.Model:
    """Return hardware layers, both units shifting products, one with its channels sorted. Not to be changed."""
    model = lower_to_hardware(shift_network()).model
    assert SortChannels()(model).modified
    graph = fold_by_cost(read_hw_graph(model), CYCLES).graph
    units = [layer for layer in graph.layers if isinstance(layer, ShiftMvauParams)]
    assert len(units) == 2
    assert min(unit.simd for unit in units) > 1
    write_folding(model, graph)
    return model


def test_simulation_emulator_and_qonnx_agree() -> None:
    model, x = built(), images(4)
    stitched = stitch(model)
    assert [type(unit) for unit in stitched.network.units].count(ShiftMvau) == 2
    name, output = (str(values[0].name) for values in (model.graph.inputs, model.graph.outputs))
    ours = emulate(model, {name: x})[output]
    exported = wrapper(shift_network())
    theirs = [next(iter(execute_onnx(exported, {name: each[None].astype(np.float32)}).values())) for each in x]
    assert np.array_equal(ours, np.concatenate(theirs))
    assert len(np.unique(ours)) > 10
    simulated = compare(model, stitched, {name: x})
    assert simulated.equal
    assert simulated.interval == simulated.estimated_interval == stitched.network.cycles()
