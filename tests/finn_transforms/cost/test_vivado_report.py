"""Reading Vivado's reports; the texts are written to its format, no Vivado was run for them."""

import pytest

from finn_transforms.cost.utilization import CriticalPath
from finn_transforms.cost.vivado_report import read_reports
from tests.support.vivado_reports import SERIES_7, TIMING, ULTRASCALE_PLUS


def test_ultrascale_plus() -> None:
    found = read_reports(ULTRASCALE_PLUS, TIMING, name="unit", family="xcup", tool="vivado 2025.1")
    assert (found.lut, found.lut_logic, found.lut_memory, found.lut_srl) == (431, 399, 24, 8)
    assert (found.luts_before_packing, found.lut_paired) == (210 + 95 + 90 + 80 + 31 + 1 + 32, 431)
    assert (found.ff, found.carry, found.bram18, found.uram, found.dsp) == (212, 30, 5, 0, 3)
    assert found.cells["LUT6"] == 210
    assert found.cells["RAMB36E2"] == 2
    assert set(found.cells).isdisjoint({"DSPs", "CLB"})


def test_7_series() -> None:
    found = read_reports(SERIES_7, "", name="unit", family="xc7", tool="vivado 2024.2")
    assert (found.lut, found.lut_logic, found.lut_memory, found.lut_srl) == (58, 58, 0, 0)
    assert (found.ff, found.carry, found.bram18, found.dsp, found.luts_before_packing) == (41, 9, 0, 0, 62)
    assert found.critical_path is None


def test_the_slowest_path() -> None:
    found = read_reports(SERIES_7, TIMING, name="unit", family="xc7", tool="vivado 2024.2").critical_path
    assert found == CriticalPath(
        delay_ns=3.287, lut_levels=4, carry_bits=16, start="core/weights_reg[3]/C", end="core/sum_reg[15]/D"
    )
    assert found.fmax_class == 300


@pytest.mark.parametrize(("text", "line"), [("", "LUT as Memory"), (SERIES_7.replace("DSPs ", "DSP58"), "DSPs")])
def test_a_report_without_a_line_is_refused(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=f"report_utilization: expected a line {line}, found"):
        read_reports(text, TIMING, name="unit", family="xc7", tool="vivado")


def test_a_timing_report_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"report_timing_summary: expected a line like .*Requirement"):
        read_reports(SERIES_7, TIMING.replace("Requirement:", "Required:"), name="unit", family="xc7", tool="vivado")
