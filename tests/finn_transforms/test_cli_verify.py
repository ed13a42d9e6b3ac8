"""`bfx verify`: tables, exit codes, and messages without a traceback."""

import re
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from typer.testing import CliRunner, Result

from finn_transforms.cli import app
from finn_transforms.passes import CheckAccumulatorContract
from tests.support.graphs import array_of
from tests.support.small import lowered_until, small_network

RUNNER = CliRunner()


def bfx(*arguments: str | Path | int) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def flat(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ir.save(small_network(), tmp_path / "reference.onnx")
    ir.save(lowered_until(CheckAccumulatorContract), tmp_path / "hardware.onnx")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(-2, 10, size=(40, 1, 4, 4)) / 4)
    return tmp_path


def compared(folder: Path, model: str = "hardware.onnx", data: str = "x.npy", *options: str | int) -> Result:
    return bfx("verify", folder / model, "--against", folder / "reference.onnx", "--data", folder / data, *options)


def test_equal(folder: Path) -> None:
    result = compared(folder)
    assert result.exit_code == 0, result.output
    assert "equal: 2000 values in 3 tensors, 40 samples" in flat(result.output)
    assert "7 samples" in flat(compared(folder, "hardware.onnx", "x.npy", "--limit", 7).output)


def test_different(folder: Path) -> None:
    model = lowered_until(CheckAccumulatorContract)
    node = next(node for node in model.graph if node.op_type == "Thresholding")
    thresholds = array_of(node.inputs[1]) + 1
    node.inputs[1].const_value = ir.tensor(thresholds.astype(np.float32))
    ir.save(model, folder / "wrong.onnx")
    result = compared(folder, "wrong.onnx")
    assert result.exit_code == 1, result.output
    assert f"first: {node.outputs[0].name}" in flat(result.output)
    assert "ERROR at [" in flat(result.output)


def test_arrays_by_name(folder: Path) -> None:
    np.savez(folder / "x.npz", x=np.load(folder / "x.npy"))
    assert compared(folder, "hardware.onnx", "x.npz").exit_code == 0


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("missing.onnx", "x.npy", "expected an ONNX file, found nothing there"),
        ("hardware.onnx", "missing.npy", "expected a .npy or .npz file, found none there"),
        ("hardware.onnx", "reference.onnx", "expected a .npy or .npz file, found something else"),
        ("hardware.onnx", "nan.npy", "expected finite numbers, found nan"),
        ("hardware.onnx", "flat.npy", "expected shape (N, 1, 4, 4), found (40, 16)"),
    ],
)
def test_what_cannot_be_used(folder: Path, model: str, data: str, message: str) -> None:
    np.save(folder / "nan.npy", np.full((1, 1, 4, 4), np.nan))
    np.save(folder / "flat.npy", np.zeros((40, 16)))
    result = compared(folder, model, data)
    assert result.exit_code == 2, result.output
    assert message in flat(result.output)
    assert "Traceback" not in result.output


def test_graphs_of_other_operators(folder: Path) -> None:
    from tests.support.graphs import GraphBuilder

    graph = GraphBuilder((1, 1, 4, 4))
    ir.save(graph.model(graph.node("Sinh", ["x"])), folder / "other.onnx")
    result = compared(folder, "other.onnx")
    assert result.exit_code == 2, result.output
    assert "no golden function for operator 'Sinh'" in flat(result.output)
