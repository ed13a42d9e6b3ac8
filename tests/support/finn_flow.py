"""FINN's own way from a QONNX file to minimized hardware layers, step by step, in this process or in one of its own.

python -m tests.support.finn_flow model.onnx resnet hw.onnx      # prints seconds by step as JSON
"""

from __future__ import annotations

import contextlib
import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.finn_compat import prepare_finn

_RESNET, _MOBILENET = ("finn.builder.custom_step_library." + name for name in ("resnet", "mobilenet"))
_STEPS = "finn.builder.build_dataflow_steps"
_FIRST = (f"{_STEPS}.step_qonnx_to_finn", f"{_STEPS}.step_tidy_up")
_CONVERT, _MINIMIZE = f"{_STEPS}.step_convert_to_hw", f"{_STEPS}.step_minimize_bit_width_initial"

FLOWS = {
    "default": (*_FIRST, f"{_STEPS}.step_streamline", _CONVERT, _MINIMIZE),
    "resnet": (
        *_FIRST,
        f"{_RESNET}.step_resnet_tidy",
        f"{_RESNET}.step_resnet_streamline",
        _CONVERT,
        f"{_RESNET}.step_resnet_convert_to_hw",
        _MINIMIZE,
    ),
    "mobilenet": (
        *_FIRST,
        f"{_MOBILENET}.step_mobilenet_streamline",
        f"{_MOBILENET}.step_mobilenet_lower_convs",
        f"{_MOBILENET}.step_mobilenet_convert_to_hw_layers_separate_th",
        _MINIMIZE,
    ),
}
"""The steps of FINN+ 1.6.1 for each kind of network, as its own benchmarks name them, up to its minimal widths."""


@dataclass(frozen=True)
class FlowTimes:
    """What a flow took.

    Attributes:
        seconds: by step, on the clock.
        cpu_seconds: of all steps, of the processor, which a busy machine changes less.
        error: why the flow ended early, if it did.
    """

    seconds: dict[str, float]
    cpu_seconds: float = 0.0
    error: str | None = None

    @property
    def total(self) -> float:
        """Seconds of all steps that ran."""
        return sum(self.seconds.values())


def run_flow(source: Path, flow: str, target: Path) -> FlowTimes:
    """Run a flow in this process and save what it ends with, complete or not."""
    prepare_finn()
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    model, seconds = ModelWrapper(str(source)), {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        config = DataflowBuildConfig(
            output_dir=folder,
            synth_clk_period_ns=5.0,
            generate_outputs=[],
            fpga_part="xczu7ev-ffvc1156-2-e",
            standalone_thresholds=True,
        )
        start = time.process_time()
        for name in FLOWS[flow]:
            module, function = name.rsplit(".", 1)
            step: Callable[..., Any] = getattr(importlib.import_module(module), function)
            begin = time.perf_counter()
            try:
                model = step(model, config)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is FINN's answer to this network
                return FlowTimes(seconds, error=f"{function}: {type(error).__name__}: {error}")
            seconds[function] = time.perf_counter() - begin
        spent = time.process_time() - start
        model.save(str(target))
    return FlowTimes(seconds, spent)


def run_flow_apart(source: Path, flow: str, target: Path, *, timeout: float) -> FlowTimes:
    """Run a flow in a process of its own, at most ``timeout`` seconds."""
    command = [sys.executable, "-m", __name__, str(source), flow, str(target)]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=root, check=False)
    except subprocess.TimeoutExpired:
        return FlowTimes({}, error=f"stopped after {timeout:.0f} s")
    if done.returncode:
        return FlowTimes({}, error=done.stderr.strip().splitlines()[-1])
    return FlowTimes(**json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    _source, _flow, _target = sys.argv[1:]
    print(json.dumps(vars(run_flow(Path(_source), _flow, Path(_target)))))  # noqa: T201 - that is its result
