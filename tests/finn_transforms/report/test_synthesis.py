"""What was measured beside what was estimated."""

from dataclasses import replace

import pytest
from rich.console import Console

from finn_transforms.cost import SynthesisError, Utilization
from finn_transforms.report.synthesis import BuiltLayer, synthesis_document, synthesis_table, synthesised
from tests.support.verilog_units import Module

ESTIMATE = {"LUT": 150, "BRAM_18K": 0, "URAM": 0, "DSP": 1}
MEASURED = Utilization(
    name="unit_one",
    family="xc7",
    lut_logic=90,
    lut_memory=6,
    lut_srl=4,
    luts_before_packing=110,
    lut_without_ternary=103,
    lut_paired=80,
    ff=40,
    carry=5,
    bram18=0,
    uram=0,
    dsp=2,
    critical_path=None,
    tool="tool 1",
    cells={"LUT6": 90},
)
LAYERS = [
    BuiltLayer(name="one", unit=Module(kind="adder"), estimate=ESTIMATE),
    BuiltLayer(name="without", unit="there is no unit for it", estimate=ESTIMATE),
    BuiltLayer(name="failed", unit=Module(kind="broken"), estimate={}),
]


def test_errors_are_relative_to_what_was_measured() -> None:
    one, without, failed = synthesised(LAYERS, {0: MEASURED, 2: SynthesisError("it failed")})
    assert one.error("LUT") == pytest.approx(0.5)
    assert one.error("DSP") == pytest.approx(-0.5)
    # Nothing divides by what was not used.
    assert one.error("BRAM_18K") is None
    assert (without.reason, without.error("LUT")) == ("there is no unit for it", None)
    assert (failed.reason, failed.measured) == ("it failed", None)


def test_sums_are_over_layers_with_both_figures() -> None:
    document = synthesis_document(synthesised(LAYERS, {0: MEASURED}), "xc7")
    assert document["total"]["layers"] == 1
    assert document["total"]["synthesised"] == {"LUT": 100, "BRAM_18K": 0, "URAM": 0, "DSP": 2}
    assert document["total"]["estimated"]["LUT"] == 150
    assert document["total"]["error"] == pytest.approx(0.5)
    assert document["total"]["LUT without ternary"] == 103
    assert document["tool"] == "tool 1"
    nothing = synthesis_document(synthesised(LAYERS, {}), "xc7")["total"]
    assert (nothing["layers"], nothing["error"]) == (0, None)


def test_the_table_has_a_line_per_layer() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(synthesis_table(synthesised(LAYERS, {0: MEASURED}), "xc7"))
    rows = [line.split("│")[1:-1] for line in captured.get().splitlines() if line.startswith("│")]
    lines = {name.strip(): [cell.strip() for cell in cells] for name, *cells in rows}
    assert lines["one"] == ["100", "10", "150", "+50.0%", "40", "0", "2", "-"]
    assert lines["without"] == ["?", "?", "150", "?", "?", "?", "?", "?"]
    assert lines["Sum (1 of 3)"][:4] == ["100", "10", "150", "+50.0%"]
    assert "shares sites between bits: 103" in captured.get()


def test_a_more_cautious_count_is_only_named_where_it_differs() -> None:
    same = replace(MEASURED, lut_without_ternary=MEASURED.lut)
    assert synthesis_table(synthesised(LAYERS, {0: same}), "xc7").caption is None
