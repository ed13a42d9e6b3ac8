"""The structure of SPARQ's units against the hardware description."""

from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from brevitas_ext.arith.sparq import WINDOW_SETS, SparqFormat
from finn_transforms.cost import estimate
from finn_transforms.cost.sparq import Shifts, encoder_structure
from finn_transforms.cost.units import unit_structures
from finn_transforms.rtl import SparqEncoder, SparqMvau


def sparq_mvau(name: str = "4b5opt", **fields: Any) -> SparqMvau:
    given: dict[str, Any] = {
        "name": "unit",
        "sparq": SparqFormat.named(name),
        "mw": 16,
        "mh": 4,
        "pe": 2,
        "simd": 8,
        "weight_type": DataType["INT8"],
        "accumulator_type": DataType["INT24"],
        "weights": np.ones((16, 4), dtype=np.int64),
    }
    return SparqMvau(**given | fields)


@pytest.mark.parametrize(
    ("name", "near"),
    [("4b5opt", (0, 1, 2)), ("4b3opt", (0, 2)), ("4b2opt", (0,)), ("3b6opt", (0, 1, 2)), ("2b7opt", (0, 1, 2, 3))],
)
def test_near_shifts_leave_one_far_shift(name: str, near: tuple[int, ...]) -> None:
    table = SparqFormat.named(name).shift_table
    assert Shifts(table=table).near == near
    assert Shifts(table=table).whole == (len(table) <= 4)


def test_more_shifts_take_more() -> None:
    five, three, two = (estimate(sparq_mvau(name), family="xcup").lut for name in ("4b5opt", "4b3opt", "4b2opt"))
    assert five > three > two


def test_terms_grow_with_elements() -> None:
    one, two = (unit_structures(sparq_mvau(pe=pe))[0] for pe in (1, 2))
    amounts = [{term.constant: term.amount for term in each.terms} for each in (one, two)]
    for constant in ("row", "product", "choice", "pair", "accumulate", "far"):
        assert amounts[1][constant] == 2 * amounts[0][constant], constant
    assert amounts[1]["place"] == amounts[0]["place"] == 8


@pytest.mark.parametrize("name", WINDOW_SETS)
def test_an_encoder_of_twice_the_activations_takes_about_twice(name: str) -> None:
    sparq = SparqFormat.named(name)
    small, large = (
        estimate(SparqEncoder(name="unit", sparq=sparq, simd=simd, beats=4), family="xcup").lut for simd in (8, 16)
    )
    assert 1.8 < large / small <= 2.05


def test_single_activations_have_no_wide_windows() -> None:
    names = {term.constant for term in encoder_structure(SparqFormat.named("2b7opt", pairs=False), 4).terms}
    assert names == {"handshake_stream", "single_window", "single_shift", "single_round", "single_rise"}
