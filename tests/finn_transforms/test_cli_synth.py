"""``bfx synth``: what it prints and writes, exit codes, and messages without a traceback."""

import json
import re
import shutil
from pathlib import Path

import onnx_ir as ir
import pytest
from typer.testing import CliRunner, Result

from finn_transforms.build import BuildOptions, build
from finn_transforms.cli import app
from finn_transforms.hw_graph import HwLayer, MvauParams
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.from_layer import unit_of
from finn_transforms.rtl.node_values import NoUnitError
from tests.support.small_network import save_small_network
from tests.support.verilog_units import Module

RUNNER = CliRunner()


def synth(*arguments: str | Path) -> Result:
    return RUNNER.invoke(app, ["synth", *(str(argument) for argument in arguments)])


def flat(text: str) -> str:
    """Return a text without colours and without the line breaks of the terminal's width."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    build(save_small_network(folder / "net.onnx"), folder / "out", BuildOptions(part="xc7z020clg400-1"))
    return folder / "out"


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MVAUs be adders, and thresholdings what they are; nothing else has a unit."""

    def unit(layer: HwLayer, node: ir.Node) -> RtlUnit:
        if isinstance(layer, MvauParams):
            return Module(kind="adder", name=f"adder_{layer.mw}")
        if "Thresholding" in layer.name:
            return unit_of(layer, node)
        raise NoUnitError(f"{layer.name}: expected a layer of this test, found another; leave it")

    monkeypatch.setattr("finn_transforms.report.synthesis.unit_of", unit)


@pytest.mark.usefixtures("simple")
def test_measured_figures_stand_beside_the_estimates(built: Path) -> None:
    result = synth(built, "--jobs", "2")
    # Some layers have no unit.
    assert result.exit_code == 1, result.output
    assert "(xc7; MHz" in flat(result.output)
    document = json.loads((built / "report" / "synthesis.json").read_text())
    estimates = json.loads((built / "report" / "estimate_layer_resources.json").read_text())
    assert document["family"] == "xc7"
    assert document["tool"].startswith("pyosys ")
    assert set(document["layers"]) == set(estimates) - {"total"}
    both = {}
    for name, layer in document["layers"].items():
        assert layer["estimated"]["LUT"] == estimates[name]["LUT"]
        if "synthesised" not in layer:
            assert layer["reason"] == f"{name}: expected a layer of this test, found another; leave it"
            assert layer["reason"] in flat(result.output)
            continue
        both[name] = layer["synthesised"]
        lut = sum(layer["synthesised"][part] for part in ("lut_logic", "lut_memory", "lut_srl"))
        assert layer["error"]["LUT"] == pytest.approx(estimates[name]["LUT"] / lut - 1)
        if name.startswith("MVAU"):
            assert (lut, layer["synthesised"]["ff"]) == (8, 9)
    total = document["total"]
    assert total["layers"] == len(both) == sum(name.startswith(("MVAU", "Thresholding")) for name in estimates)
    assert total["FF"] == sum(each["ff"] for each in both.values())
    assert total["estimated"]["LUT"] == sum(estimates[name]["LUT"] for name in both)


@pytest.mark.usefixtures("simple")
def test_a_failing_layer_leaves_the_others(built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = Module(kind="broken", name="broken_layer")

    def unit(layer: HwLayer, node: ir.Node) -> RtlUnit:
        del node
        return broken if isinstance(layer, MvauParams) else Module(kind="adder")

    monkeypatch.setattr("finn_transforms.report.synthesis.unit_of", unit)
    result = synth(built, "--family", "xcup", "--cache", tmp_path)
    assert result.exit_code == 1
    assert "broken_layer: pyosys" in flat(result.output)
    layers = json.loads((built / "report" / "synthesis.json").read_text())["layers"]
    assert {name for name, layer in layers.items() if "reason" in layer} == {n for n in layers if n.startswith("MVAU")}


def test_a_folder_without_a_build_is_refused(tmp_path: Path) -> None:
    result = synth(tmp_path)
    assert result.exit_code == 2
    assert "expected a report of bfx build" in flat(result.output)
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("estimate_layer_resources.json", '{"total": {"LUT": 1', "expected a report of bfx build"),
        ("estimate_layer_resources.json", "[]", "expected a report of bfx build, found list"),
        ("estimate_layer_resources.json", '{"NAME": 3}', "expected numbers for LUT, BRAM_18K, URAM, DSP, found 3"),
        ("estimate_layer_resources.json", '{"NAME": {"LUT": "many"}}', "expected numbers for LUT"),
        ("estimate_breakdown.json", "", "expected a report of bfx build"),
        ("estimate_breakdown.json", "{}", "expected an AMD"),
    ],
)
@pytest.mark.usefixtures("simple")
def test_half_a_report_is_refused(built: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    copy = tmp_path / "build"
    shutil.copytree(built, copy)
    layer = next(iter(json.loads((built / "report" / "estimate_layer_resources.json").read_text())))
    (copy / "report" / name).write_text(text.replace("NAME", layer))
    result = synth(copy)
    assert result.exit_code == 2, result.output
    assert message in flat(result.output)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_half_a_build_is_refused(built: Path, tmp_path: Path, content: bytes | None) -> None:
    copy = tmp_path / "build"
    shutil.copytree(built, copy)
    if content is None:
        (copy / "hw_graph.onnx").unlink()
    else:
        (copy / "hw_graph.onnx").write_bytes(content)
    result = synth(copy)
    assert result.exit_code == 2, result.output
    assert "hw_graph.onnx: expected" in flat(result.output)
    assert isinstance(result.exception, SystemExit)


@pytest.mark.usefixtures("simple")
def test_a_report_that_cannot_be_written_is_named(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "build"
    shutil.copytree(built, copy)
    (copy / "report" / "synthesis.json").unlink(missing_ok=True)
    (copy / "report" / "synthesis.json").mkdir()
    result = synth(copy)
    assert result.exit_code == 2, result.output
    assert "synthesis.json: expected to write it, found Is a directory" in flat(result.output)
    # What was found is shown all the same.
    assert "Hardware layers, synthesised" in flat(result.output)


@pytest.mark.usefixtures("simple")
def test_a_missing_tool_is_named(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    result = synth(built, "--tool", "vivado")
    assert result.exit_code == 2
    assert "expected vivado on the PATH" in flat(result.output)
    monkeypatch.setattr("finn_transforms.cost.yosys.find_spec", lambda _: None)
    result = synth(built)
    assert result.exit_code == 2
    assert "pip install" in flat(result.output)


def test_a_part_without_open_synthesis_is_refused(built: Path, tmp_path: Path) -> None:
    report = tmp_path / "report" / "estimate_breakdown.json"
    report.parent.mkdir()
    text = (built / "report" / "estimate_breakdown.json").read_text()
    report.write_text(text.replace("xc7z020clg400-1", "xcvc1902-vsva2197-2MP-e-S"))
    result = synth(tmp_path)
    assert result.exit_code == 2
    assert "expected a 7-series or UltraScale+ part, found xcvc1902" in flat(result.output)
