"""A whole network with ShiftQuant in Verilator: units that shift sums, products and inputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.network import compare, stitch
from finn_transforms.network.data import reference
from finn_transforms.passes import lower_to_hardware
from finn_transforms.rtl.shift_mvau import ShiftMvau
from finn_transforms.sim import Stalls
from tests.support.shift_networks import images, shift_network

pytest.importorskip("finn")


def folded_model() -> ir.Model:
    """Return hardware layers; the convolution reads words of equal exponents, the linear layer mixed ones."""
    model = shift_network(exponents=(3, 3, 0, 0, 1, 1, 2, 2))
    lower_to_hardware(model)
    for kind, simd, pe in (("conv", 2, 3), ("matmul", 4, 5)):
        for node in model.graph:
            if node.op_type == "ShiftMVAU" and kind in (node.name or ""):
                node.attributes["SIMD"], node.attributes["PE"] = ir.AttrInt64("SIMD", simd), ir.AttrInt64("PE", pe)
    return model


def test_every_output_equals_the_emulator() -> None:
    model = folded_model()
    stitched = stitch(model)
    units = [unit for unit in stitched.network.units if isinstance(unit, ShiftMvau)]
    assert [unit.shifts_inputs for unit in units] == [False, True]
    samples = {str(model.graph.inputs[0].name): images().astype(np.float32)}
    truth = reference(model, stitched, samples)
    assert all(map(np.array_equal, stitched.network.golden(*truth.inputs), truth.outputs))
    assert np.unique(truth.outputs[0]).size > 8
    at_full_speed = compare(model, stitched, samples)
    assert at_full_speed.equal
    assert at_full_speed.interval == at_full_speed.estimated_interval == stitched.network.cycles()
    assert compare(model, stitched, samples, stalls=Stalls(valid_probability=0.4, ready_probability=0.3)).equal
