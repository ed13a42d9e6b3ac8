"""The command line: results, exit codes, and messages without a traceback."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from typer.testing import CliRunner, Result

from finn_transforms.cli import app
from finn_transforms.cost import MODEL
from tests.support.graphs import GraphBuilder
from tests.support.shift_networks import shift_network
from tests.support.small_network import save_small_network

RUNNER = CliRunner()


def bfx(*arguments: str | Path) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def flat(text: str) -> str:
    """Return a text without colours and without the line breaks of the terminal's width."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return save_small_network(tmp_path / "net.onnx")


def test_a_build_prints_the_tables_and_what_was_not_converted(exported: Path, tmp_path: Path) -> None:
    result = bfx("build", exported, "-o", tmp_path / "out", "--target-fps", "20000")
    assert result.exit_code == 0, result.output
    assert MODEL in result.output
    assert "conv2" in result.output
    assert re.search(
        r"Folded for 20000 frames/s, \d+ LUTs with \d+ of width converters, proven to be the fewest",
        flat(result.output),
    )
    # The quantizer of the input runs on the host.
    refusals = json.loads((tmp_path / "out" / "report" / "refusals.json").read_text())
    assert refusals
    for refusal in refusals:
        assert refusal["reason"] in flat(result.output)
        assert refusal["advice"] in flat(result.output)
    performance = json.loads((tmp_path / "out" / "report" / "estimate_network_performance.json").read_text())
    assert performance["estimated_throughput_fps"] >= 20_000
    assert (tmp_path / "out" / "hw_graph.onnx").is_file()


def test_the_default_folding_is_stated(exported: Path, tmp_path: Path) -> None:
    result = bfx("build", exported, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "PE = SIMD = 1 by default (no --target-fps, no --max-luts)" in flat(result.output)


def test_other_foldings_are_stated(exported: Path, tmp_path: Path) -> None:
    finns = bfx("build", exported, "-o", tmp_path / "finn", "--target-fps", "20000", "--folding", "finn")
    assert "Folded for 20000 frames/s as FINN does, " in flat(finns.output)
    fitted = bfx("build", exported, "-o", tmp_path / "fitted", "--max-luts", "4000")
    assert "Folded for at most 4000 LUTs, " in flat(fitted.output)
    for folder, method in (("finn", "finn"), ("fitted", "cost")):
        assert json.loads((tmp_path / folder / "report/folding.json").read_text())["method"] == method


def test_units_that_shift_products_are_counted_and_left_out_on_request(tmp_path: Path) -> None:
    ir.save(shift_network(), tmp_path / "net.onnx")
    shifting = bfx("build", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert re.search(
        r"Products shifted in [12] of 2 layers whose input channels differ by powers", flat(shifting.output)
    )
    plain = bfx("build", tmp_path / "net.onnx", "-o", tmp_path / "plain", "--no-shift-units")
    assert "Products shifted" not in plain.output
    written = [onnx.load(tmp_path / folder / "hw_graph.onnx").graph.node for folder in ("out", "plain")]
    assert [any(node.op_type == "ShiftMVAU" for node in nodes) for nodes in written] == [True, False]


def test_options_reach_the_build(exported: Path, tmp_path: Path) -> None:
    widths = {}
    for bound in ("exact", "datatype"):
        assert bfx("build", exported, "-o", tmp_path / bound, "--bound", bound).exit_code == 0
        rows = json.loads((tmp_path / bound / "report" / "accumulators.json").read_text())
        widths[bound] = [row["width"] for row in rows]
    assert widths["datatype"] > widths["exact"]
    result = bfx(
        "build", exported, "-o", tmp_path / "d", "--compute", "dsp", "--part", "xc7z020clg400-1", "--clock-ns", "10"
    )
    assert "100 MHz on xc7z020clg400-1, products in DSPs" in flat(result.output)
    resources = json.loads((tmp_path / "d" / "report" / "estimate_layer_resources.json").read_text())
    assert resources["total"]["DSP"] > 0


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.onnx", None, "expected an ONNX file, found nothing there"),
        ("folder", Path(), "expected an ONNX file, found a folder"),
        ("text.onnx", b"not a model\n", "expected an ONNX file, found something else"),
        ("empty.onnx", b"", "expected a graph with nodes and outputs, found none"),
    ],
)
def test_files_that_are_no_model(tmp_path: Path, name: str, content: object, expected: str) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).mkdir()
    result = bfx("build", tmp_path / name, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert expected in flat(result.stderr)
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_weights_in_a_file_that_is_missing(exported: Path, tmp_path: Path) -> None:
    onnx.save(
        onnx.load(exported),
        tmp_path / "split.onnx",
        save_as_external_data=True,
        location="split.data",
        size_threshold=0,
    )
    (tmp_path / "split.data").unlink()
    result = bfx("build", tmp_path / "split.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "expected its weights beside it" in flat(result.stderr)


def test_a_broken_contract_names_layer_and_channel(tmp_path: Path) -> None:
    exported = save_small_network(tmp_path / "net.onnx", tamper=True)
    result = bfx("build", exported, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "Layer 'conv2'" in flat(result.stderr)
    assert "channel 5" in flat(result.stderr)
    assert "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx"}


def test_a_model_with_nothing_to_convert(tmp_path: Path) -> None:
    graph = GraphBuilder((1, 4))
    onnx.save(graph.proto(graph.node("Sigmoid", [graph.quant("x", 0.1, 8)])), tmp_path / "net.onnx")
    result = bfx("build", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "no node that can become a hardware layer" in flat(result.stderr)
    assert "Not converted:" in result.stdout


def test_hardware_in_two_pieces(tmp_path: Path) -> None:
    graph = GraphBuilder((1, 4))
    sums = graph.node("MatMul", [graph.quant("x", 0.1, 8), graph.weights(np.eye(4, dtype=int), 0.5)])
    codes = graph.quant(graph.node("Softmax", [sums]), 0.1, 4)
    onnx.save(graph.proto(graph.node("MatMul", [codes, graph.weights(np.eye(4), 0.5)])), tmp_path / "net.onnx")
    result = bfx("build", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "Warning: the hardware layers are not one accelerator" in flat(result.stderr)
    assert "Softmax" in flat(result.stderr)


def test_hardware_in_one_piece(exported: Path, tmp_path: Path) -> None:
    assert "not one accelerator" not in flat(bfx("build", exported, "-o", tmp_path / "out").stderr)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--part", "arty", "expected an AMD 7-series"),
        ("--target-fps", "-3", "expected a positive, finite rate"),
        ("--target-fps", "nan", "expected a positive, finite rate"),
        ("--clock-ns", "inf", "expected a positive, finite rate"),
        ("--target-fps", "1e12", "at most one frame per clock cycle"),
        ("--target-fps", "1e7", "cannot be faster"),
        ("--max-luts", "10", "no folding takes fewer"),
        ("--bound", "tight", "Invalid value for '--bound'"),
    ],
)
def test_impossible_options(exported: Path, tmp_path: Path, option: str, value: str, expected: str) -> None:
    result = bfx("build", exported, "-o", tmp_path / "out", option, value)
    assert result.exit_code == 2
    assert expected in flat(result.stderr)
    assert not (tmp_path / "out").exists()


def test_version_and_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finn_transforms.cli.version", lambda name: f"1.2.3 of {name}")
    assert bfx("--version").output == "bfx 1.2.3 of brevitas-finn-ext\n"
    assert "build" in flat(bfx("--help").output)
    for option in (
        "--output",
        "--part",
        "--target-fps",
        "--max-luts",
        "--folding",
        "--clock-ns",
        "--bound",
        "--compute",
    ):
        assert option in flat(bfx("build", "--help").output)


def test_streams_are_estimated_too(tmp_path: Path) -> None:
    graph = GraphBuilder((1, 2, 4, 4))
    x = graph.quant("x", 0.5, 4)
    y = graph.node("Conv", [x, graph.weights(np.ones((2, 2, 1, 1)))])
    added = graph.node("Add", [graph.quant(y, 0.5, 4), x])
    ir.save(graph.model(graph.quant(graph.node("Relu", [added]), 0.5, 4)), tmp_path / "net.onnx")
    result = bfx("build", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "Not estimated" not in flat(result.output)
    assert "?" not in result.output
