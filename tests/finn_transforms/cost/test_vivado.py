"""Vivado, of which there is none here: its script, and what is done with a program in its place."""

from pathlib import Path

import pytest

from finn_transforms.cost import SynthesisError, Vivado, synthesize
from tests.support.verilog_units import Module
from tests.support.vivado_reports import TIMING, ULTRASCALE_PLUS


def stand_in(folder: Path, program: str) -> Path:
    """Make a program of that name where Vivado would be."""
    path = folder / "Vivado" / "2025.1" / "bin" / "vivado"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    return path


def test_reports_become_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "utilization").write_text(ULTRASCALE_PLUS)
    (tmp_path / "timing").write_text(TIMING)
    kept = tmp_path / "kept"
    kept.mkdir()
    keep = f"cp * {kept}; echo $@ > {kept}/arguments"
    path = stand_in(tmp_path, f"{keep}; for each in utilization timing; do cp {tmp_path}/$each $each.txt; done")
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    found = synthesize(Module(kind="adder"), "xcup", tool="vivado", cache=tmp_path / "cache")
    assert (found.lut, found.tool, found.name) == (431, "vivado 2025.1", "unit_under_test")
    assert (kept / "arguments").read_text().split() == "-mode batch -nojournal -nolog -notrace -source run.tcl".split()
    script = (kept / "run.tcl").read_text()
    assert "read_verilog -sv {unit_under_test.sv}" in script
    assert "synth_design -top unit_under_test -part xczu3eg-sbva484-1-e -mode out_of_context -max_dsp 0" in script
    assert "create_clock -name ap_clk" in (kept / "clock.xdc").read_text()
    assert (kept / "unit_under_test.sv").is_file()


def test_a_failure_names_unit_reason_and_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, 'echo "ERROR: [Synth 8-439] module not found"; exit 1')
    monkeypatch.delenv("PATH")
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.setenv("XILINX_VIVADO", str(path.parent.parent))
    with pytest.raises(
        SynthesisError, match=r"unit_under_test: vivado 2025\.1 ends with status 1: ERROR: \[Synth 8-439\]"
    ):
        synthesize(Module(kind="adder"), "xc7", tool="vivado", cache=tmp_path / "cache")
    (log,) = (tmp_path / "cache" / "synthesis" / "logs").iterdir()
    assert "module not found" in log.read_text()


def test_a_run_without_reports_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, "touch utilization.txt timing.txt")
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    with pytest.raises(SynthesisError, match="expected a line LUT as Memory"):
        synthesize(Module(kind="adder"), "xc7", tool="vivado", cache=tmp_path / "cache")


def test_a_missing_vivado_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    with pytest.raises(FileNotFoundError, match=r"expected vivado on the PATH .* use yosys"):
        synthesize(Module(kind="adder"), tool="vivado")


def test_families_have_a_part_and_parts_are_taken_as_they_are() -> None:
    assert Vivado(family="xc7").part == "xc7z020clg400-1"
    assert Vivado(family="xczu7ev-ffvc1156-2-e").part == "xczu7ev-ffvc1156-2-e"
