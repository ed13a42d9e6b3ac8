"""Whole networks with SPARQ in Verilator: encoders, windows of code, matrix-vector units."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir
import pytest

from brevitas_ext.export import export_qonnx
from finn_transforms.folding import CostModel, fold_by_cost, write_folding
from finn_transforms.hw_graph import SparqMvauParams, read_hw_graph
from finn_transforms.loading import load_model
from finn_transforms.network import compare, stitch
from finn_transforms.network.data import reference
from finn_transforms.passes import lower_to_hardware
from finn_transforms.rtl.sparq_encoder import SparqEncoder
from finn_transforms.rtl.sparq_mvau import SparqMvau
from finn_transforms.sim import Stalls
from tests.support.random_sparq_networks import Recipe, random_image, random_network

pytest.importorskip("finn")

RECIPE = Recipe(
    channels=(2, 4, 4),
    size=(6, 6),
    kernels=((3, 1, 1), (3, 2, 1)),
    windows=("4b5opt", "3b6opt", "4b3opt"),
    options={"rounding": True, "overflow": "saturate", "pairs": True},
    at_input=False,
    has_linear=True,
)
CYCLES = 400


@cache
def folded_model() -> ir.Model:
    """Return hardware layers, folded by cost. Not to be changed."""
    with TemporaryDirectory() as folder:
        network = random_network(RECIPE, 1)
        model = load_model(export_qonnx(network, random_image(RECIPE, 1), Path(folder) / "network.onnx"))
    lower_to_hardware(model)
    write_folding(model, fold_by_cost(read_hw_graph(model), CYCLES, CostModel()).graph)
    return model


def test_folding_by_cost_meets_its_target_with_whole_pairs() -> None:
    layers = read_hw_graph(folded_model()).layers
    assert max(layer.cycles() for layer in layers) <= CYCLES
    units = [layer for layer in layers if isinstance(layer, SparqMvauParams)]
    assert len(units) == 3
    assert any(unit.simd > 2 for unit in units) or any(unit.pe > 1 for unit in units)


def test_every_output_equals_the_emulator_and_cycles_are_as_estimated() -> None:
    model = folded_model()
    stitched = stitch(model)
    kinds = [type(unit) for unit in stitched.network.units]
    assert (kinds.count(SparqEncoder), kinds.count(SparqMvau)) == (3, 3)
    samples = {str(model.graph.inputs[0].name): random_image(RECIPE, 3, 6).numpy()}
    truth = reference(model, stitched, samples)
    assert all(map(np.array_equal, stitched.network.golden(*truth.inputs), truth.outputs))
    at_full_speed = compare(model, stitched, samples)
    assert at_full_speed.equal
    assert at_full_speed.interval == at_full_speed.estimated_interval == stitched.network.cycles() <= CYCLES
    assert 0.7 < at_full_speed.latency / at_full_speed.estimated_latency < 1.1
    stalled = compare(model, stitched, samples, stalls=Stalls(valid_probability=0.4, ready_probability=0.3))
    assert stalled.equal
