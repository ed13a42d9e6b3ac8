"""What shifts add to the structure of a matrix-vector unit, against the hardware description."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.cost import estimate, lut_only
from finn_transforms.cost.units import unit_structures
from finn_transforms.hw_graph import ShiftMvauParams
from finn_transforms.hw_graph.graph import read_layer
from finn_transforms.passes import lower_to_hardware
from finn_transforms.rtl.from_layer import unit_of
from tests.support.shift_networks import shift_network
from tests.support.shift_units import any_exponents, shared_by_words, shift_unit


def shifting(exponents: tuple[int, ...]) -> tuple[ShiftMvauParams, ir.Node]:
    """Return the convolution of a network, six outputs of 72 inputs."""
    model = shift_network(exponents)
    lower_to_hardware(model)
    node = next(node for node in model.graph if node.op_type == "ShiftMVAU")
    layer = read_layer(node)
    assert isinstance(layer, ShiftMvauParams)
    return replace(layer, ram_style="distributed"), node


@pytest.mark.parametrize("exponents", [(3, 0, 1, 3, 2, 0, 1, 2), (3, 3, 0, 0, 1, 1, 2, 2)])
@pytest.mark.parametrize(("pe", "simd"), [(1, 1), (2, 4), (6, 8), (3, 12)])
def test_layer_and_unit_cost_the_same(exponents: tuple[int, ...], pe: int, simd: int) -> None:
    layer, node = shifting(exponents)
    folded = replace(layer, pe=pe, simd=simd)
    found, known = estimate(folded), estimate(unit_of(folded, node))
    # Constants in memories that are not known are taken to be all different.
    assert abs(found.lut - known.lut) <= 0.15 * known.lut
    assert (found.dsp, found.cycles) == (0, known.cycles)
    assert estimate(lut_only(folded)) == found


def test_unrolled_shifts_are_constants() -> None:
    layer, node = shifting((3, 0, 1, 3, 2, 0, 1, 2))
    unrolled = replace(layer, pe=6, simd=72)
    assert [part.kind for part in unit_structures(unit_of(unrolled, node))] == ["mvau_constant"]
    assert estimate(unrolled).lut > 0


def test_terms_are_those_of_the_hardware() -> None:
    words = shift_unit("words", "UINT4 INT4 INT20", (16, 4), (2, 4), shared_by_words([0, 1, 3, 2], 4))
    own, plain = unit_structures(words)
    assert (own.kind, plain.kind) == ("shift_mvau", "mvau")
    amounts = {term.constant: term.amount for term in own.terms}
    # Sums of four products, 12 bits, are shifted by 2 in the last adder, whose lowest 3 bits have one operand; the
    # accumulator takes the near shift in.
    assert amounts["last"] == 2 * (words_bits() - 3)
    assert amounts["near_free"] == 2 * (words_bits() + 1)
    assert amounts["accumulate"] == 2 * 20
    mixed = shift_unit("mixed", "UINT4 INT4 INT20", (16, 4), (2, 4), any_exponents(16, 3))
    own, wider = unit_structures(mixed)
    assert {term.constant: term.amount for term in own.terms}["input"] == 4 * 7
    assert sum(term.amount for term in wider.terms) > sum(term.amount for term in plain.terms)


def words_bits() -> int:
    """Return the bits of a sum of four products of UINT4 and INT4, all planes as unsigned numbers, and the step."""
    planes = 4 * 15
    most = planes * 7 + ((1 << planes.bit_length()) - 1) * 8
    return most.bit_length() + 2


def test_more_classes_cost_more_and_stay_below_shifts_of_every_product() -> None:
    def luts(exponents: list[int], place: str = "auto") -> int:
        unit = shift_unit("unit", "INT4 INT4 INT24", (32, 2), (2, 8), exponents, "stream")
        return estimate(replace(unit, place=place)).lut

    rng = np.random.default_rng(0)
    costs = [luts(np.repeat(rng.integers(0, 4, 32 // size), size).tolist()) for size in (8, 4, 2)]
    each = any_exponents(32, 5)
    assert costs == sorted(costs)
    assert costs[-1] < luts(each) < luts(each, "products")
