"""Estimates of units beside their synthesis: recorded figures, and a few that are synthesised here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from finn_transforms.cost import estimate, synthesize
from finn_transforms.rtl import Duplicate, Fifo, MvauLut, RtlUnit


def streamed(pe: int, simd: int, inputs: str, weights: str, bits: int) -> MvauLut:
    return MvauLut(
        name="unit", mw=3 * simd, mh=pe, pe=pe, simd=simd, input_type=DataType[inputs], weight_type=DataType[weights],
        accumulator_type=DataType[f"INT{bits}"], weights=None, weight_source="stream",
    )  # fmt: skip


# PE, SIMD, inputs, weights, P, LUT sites of the synthesis (pyosys 0.70, xcup). None of them was fitted to.
RECORDED: list[tuple[int, int, str, str, int, int]] = [
    (2, 3, "INT8", "INT4", 18, 265), (4, 3, "INT8", "INT4", 18, 519), (2, 3, "UINT8", "UINT4", 18, 247),
    (2, 4, "INT8", "INT4", 18, 329), (4, 4, "INT8", "INT4", 18, 647), (2, 3, "INT8", "INT4", 24, 277),
    (2, 3, "INT8", "INT3", 18, 185), (2, 3, "INT8", "INT5", 18, 313), (2, 6, "INT8", "INT4", 18, 409),
    (2, 8, "UINT8", "INT4", 18, 561), (2, 4, "UINT8", "UINT6", 24, 461),
]  # fmt: skip


@pytest.mark.parametrize("recorded", RECORDED)
def test_matrix_vector_units_are_near_their_synthesis(recorded: tuple[int, int, str, str, int, int]) -> None:
    *parameters, measured = recorded
    found = estimate(streamed(*parameters))  # type: ignore[arg-type]
    assert found.lut == pytest.approx(measured, rel=0.1)
    assert found.lut_interval[0] <= measured <= found.lut_interval[1]


def test_they_are_right_on_average() -> None:
    errors = [estimate(streamed(*each[:5])).lut / each[5] - 1 for each in RECORDED]
    assert abs(np.mean(errors)) < 0.04


UNITS: list[RtlUnit] = [
    Fifo(name="fifo", data_type=DataType["UINT4"], elements=3, beats=8, depth=2),
    Duplicate(name="duplicate", data_type=DataType["UINT4"], elements=5, beats=8, copies=3),
    streamed(1, 4, "UINT4", "INT3", 12),
]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_an_interval_holds_what_synthesis_finds(unit: Any, tmp_path: Path) -> None:
    found, truth = estimate(unit), synthesize(unit, cache=tmp_path)
    assert found.lut_interval[0] <= truth.lut <= found.lut_interval[1]
    assert found.ff == pytest.approx(truth.ff, rel=0.4)
    assert truth.critical_path is not None
    assert abs(found.fmax_class - truth.critical_path.fmax_class) <= 150
