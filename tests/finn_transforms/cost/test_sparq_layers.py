"""SPARQ's layers cost as parameters what their units cost with weights that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brevitas_ext.arith.sparq import SparqFormat
from finn_transforms.cost import estimate, lut_only
from finn_transforms.hw_graph import SparqEncoderParams, SparqMvauParams
from finn_transforms.hw_graph.graph import read_layer
from finn_transforms.passes import InferSparqMVAU
from finn_transforms.rtl.from_layer import unit_of
from tests.finn_transforms.passes.test_infer_sparq_mvau import layer
from tests.support.graphs import only


@pytest.mark.parametrize("name", ["4b5opt", "2b7opt"])
@pytest.mark.parametrize(("pe", "simd"), [(1, 2), (2, 12), (6, 36)])
def test_layer_and_unit_cost_the_same(name: str, pe: int, simd: int) -> None:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named(name))
    InferSparqMVAU()(model)
    nodes = [only(model, kind) for kind in ("SparqEncoder", "SparqMVAU")]
    encoder, unit = map(read_layer, nodes)
    assert isinstance(encoder, SparqEncoderParams)
    assert isinstance(unit, SparqMvauParams)
    folded = replace(unit, pe=pe, simd=simd, ram_style="distributed")
    assert estimate(unit_of(encoder, nodes[0])).lut == estimate(encoder).lut > 0
    found, known = estimate(folded), estimate(unit_of(folded, nodes[1]))
    # Constants in memories that are not known are taken to be all different.
    assert abs(found.lut - known.lut) <= 0.15 * known.lut
    assert (found.dsp, found.cycles) == (0, known.cycles)
    assert estimate(lut_only(folded)) == found


def test_more_products_cost_more() -> None:
    model = layer("Conv", (1, 4, 5, 5), (6, 4, 3, 3), SparqFormat.named("4b5opt"))
    InferSparqMVAU()(model)
    unit = read_layer(only(model, "SparqMVAU"))
    assert isinstance(unit, SparqMvauParams)
    costs = [estimate(replace(unit, simd=simd)).lut for simd in (2, 4, 12, 36)]
    assert costs == sorted(costs)
