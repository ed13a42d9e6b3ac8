"""A whole network with units that shift products in Verilator: what is simulated is what QONNX executes."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from qonnx.core.onnx_exec import execute_onnx

from finn_transforms.build import BuildOptions, build
from finn_transforms.emulate import emulate
from finn_transforms.hw_graph import ShiftMvauParams
from finn_transforms.network import compare, stitch
from finn_transforms.rtl import ShiftMvau
from tests.support.graphs import wrapper
from tests.support.shift_networks import images, shift_network

pytest.importorskip("finn")

# The convolution takes 4 of 8 channels a cycle, the linear layer 3 of 6.
FPS = 5e5


@cache
def built() -> ir.Model:
    """Return hardware layers, both units shifting products. Not to be changed."""
    result = build(shift_network(), options=BuildOptions(target_fps=FPS))
    units = [layer for layer in result.graph.layers if isinstance(layer, ShiftMvauParams)]
    assert len(units) == 2
    assert max(unit.simd for unit in units) > 1
    return result.model


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
