"""FINN's own builder takes whole networks as far as its estimates, and what it made of them is certified."""

import json
from pathlib import Path

import onnx_ir as ir
import pytest

from finn_transforms.build_steps import estimate_only_steps
from finn_transforms.certify import certify
from finn_transforms.finn_compat import run_builder
from tests.support.model_zoo import SMALL, exported_model


@pytest.mark.parametrize("name", ["tfc_w1a1", "cnv_w1a2", "mobilenet_w4a4", "resnet20_w4a4", "unet_w4a4"])
def test_estimates(name: str, tmp_path: Path) -> None:
    steps = estimate_only_steps()
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType

    ir.save(exported_model(SMALL[name]), tmp_path / "network.onnx")
    out = tmp_path / "out"
    config = DataflowBuildConfig(
        output_dir=str(out),
        synth_clk_period_ns=5.0,
        target_fps=1000,
        fpga_part="xczu7ev-ffvc1156-2-e",
        generate_outputs=[DataflowOutputType.ESTIMATE_REPORTS],
        steps=steps,
    )
    run_builder(str(tmp_path / "network.onnx"), config)
    performance = json.loads((out / "report" / "estimate_network_performance.json").read_text())
    assert performance["max_cycles"] <= 200_000
    verdicts = certify(
        out / "intermediate_models" / "step_bfx_estimate_reports.onnx", out / "report" / "certificates.json"
    )
    assert verdicts
    assert [verdict for verdict in verdicts if not verdict.ok] == []
