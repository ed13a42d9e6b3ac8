"""bfx rtl and bfx sim on a small network."""

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from typer.testing import CliRunner

from finn_transforms.cli import app
from tests.support.stitched_networks import folded_model, images

pytest.importorskip("finn")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    ir.save(folded_model("mlp"), folder / "hw_graph.onnx")
    (data,) = images("mlp", 6).values()
    np.save(folder / "data.npy", data)
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def test_rtl_writes_sources_and_a_manifest(built: Path) -> None:
    code, text = run("rtl", built, "--top", "accelerator")
    assert code == 0, text
    assert "7 layers" in text
    manifest = json.loads((built / "rtl" / "manifest.json").read_text())
    assert {path.name for path in (built / "rtl").iterdir()} == {"manifest.json", *manifest["files"]}
    assert "module accelerator (" in (built / "rtl" / "accelerator.sv").read_text()
    assert manifest["cycles"]["interval"] == max(unit["cycles"] for unit in manifest["units"]) == 128
    layers = [unit["layer"] for unit in manifest["units"] if unit["layer"]]
    assert len(layers) == 7
    fifos = [unit for unit in manifest["units"] if unit["kind"] == "Fifo"]
    assert len(fifos) == len(manifest["depths"])
    assert all(unit["capacity"] >= unit["depth"] for unit in fifos)
    assert [stream["value"] for stream in manifest["inputs"]] == ["features.0.act_quant.output_int"]


def test_sim_compares_every_output(built: Path) -> None:
    code, text = run("sim", built, "--data", built / "data.npy", "--limit", 4)
    assert code == 0, text
    assert "4 frames, 40 integers: all equal to the emulator" in text
    assert "128 │ 128" in text


def test_refusals(built: Path, tmp_path: Path) -> None:
    assert run("rtl", tmp_path)[0] == 2
    code, text = run("sim", built, "--data", tmp_path / "none.npy")
    assert (code, "found none there" in text) == (2, True)
    np.save(tmp_path / "small.npy", np.zeros((2, 3), dtype=np.float32))
    assert run("sim", built, "--data", tmp_path / "small.npy")[0] == 2
    (tmp_path / "file").write_text("in the way")
    assert run("rtl", built, "--to", tmp_path / "file")[0] == 2
