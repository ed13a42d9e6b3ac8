"""Inferences per second of the emulators, of onnxruntime on Brevitas's QCDQ export and of QONNX, in one run.

    python benchmarks/emulator_speed.py            # writes benchmarks/results/emulator_speed.json

Every network is exported twice from the same Brevitas model: to QCDQ for onnxruntime, and to QONNX, which is lowered to
hardware layers for the emulators and left as it is for QONNX's ``execute_onnx``.  Rounds are interleaved in an order
that rotates, so that load from elsewhere hits all alike; figures are medians.  Before anything is timed, the compiled
emulator's outputs are compared with the plain one's, bit for bit.

onnxruntime runs twice: as it is by default, where it gives other outputs than Brevitas for some networks (it rounds
biases of linear layers to the accumulator's steps), and without optimizations, where it gives the same.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from brevitas.export import export_onnx_qcdq
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloatMinMaxInit,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloatMaxInit,
)
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from torch import nn

from brevitas_ext.demo.bundled import load_model
from brevitas_ext.export import export_qonnx
from finn_transforms.emulate import compile_emulator, emulate
from finn_transforms.passes import lower_to_hardware

RESULTS = Path(__file__).parent / "results" / "emulator_speed.json"
SLOW_ROUNDS = 3
Call = Callable[[], object]


def input_quant(bits: int) -> nn.Module:
    quantizer = Int8ActPerTensorFloatMinMaxInit.let(min_val=-3.0, max_val=3.0, bit_width=bits)
    return QuantIdentity(act_quant=quantizer, return_quant_tensor=True)


def relu(bits: int) -> nn.Module:
    return QuantReLU(act_quant=Uint8ActPerTensorFloatMaxInit, max_val=6.0, bit_width=bits, return_quant_tensor=True)


def weights(bits: int, *, bias: bool = False) -> dict[str, Any]:
    return {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": bits, "bias": bias}


def fixed_point_input() -> nn.Module:
    """Signed, 8 bits, 5 of them behind the point, as inputs in hardware often are."""
    return QuantIdentity(
        act_quant=Int8ActPerTensorFixedPoint.let(scaling_impl_type="const", scaling_init=4.0), return_quant_tensor=True
    )


def mlp(first: nn.Module) -> nn.Module:
    """16-64-32-32-5, four-bit weights and activations: the size of jet-tagging networks."""
    modules: list[nn.Module] = [first]
    sizes = (16, 64, 32, 32)
    for inputs, outputs in pairwise(sizes):
        modules += [QuantLinear(inputs, outputs, **weights(4, bias=True)), relu(4)]
    return nn.Sequential(*modules, QuantLinear(32, 5, **weights(4, bias=True)))


def cnv(widths: tuple[int, ...], hidden: int) -> nn.Module:
    """FINN's CNV topology on 3 x 32 x 32: six unpadded convolutions, two pools, three linear layers; W4A4."""
    modules: list[nn.Module] = [input_quant(8)]
    channels = 3
    for index, width in enumerate(widths):
        modules += [QuantConv2d(channels, width, 3, **weights(4)), nn.BatchNorm2d(width), relu(4)]
        if index in (1, 3):
            modules.append(nn.MaxPool2d(2))
        channels = width
    modules.append(nn.Flatten())
    for inputs, outputs in ((channels, hidden), (hidden, hidden)):
        modules += [QuantLinear(inputs, outputs, **weights(4)), nn.BatchNorm1d(outputs), relu(4)]
    return nn.Sequential(*modules, QuantLinear(hidden, 10, **weights(4)))


def trained(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Give batch norm the statistics of random inputs, so that activations use their codes."""
    torch.manual_seed(0)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(32, *shape))
    return model.eval()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mlp_16_64_32_32_5, fixed-point input, batch 1000": (lambda: mlp(fixed_point_input()), (16,), 1000),
    "mlp_16_64_32_32_5, float scale, batch 1000": (lambda: mlp(input_quant(8)), (16,), 1000),
    "cnv_64_128_256, batch 1": (lambda: cnv((64, 64, 128, 128, 256, 256), 512), (3, 32, 32), 1),
    "cnv_quarter_16_32_64, batch 1": (lambda: cnv((16, 16, 32, 32, 64, 64), 128), (3, 32, 32), 1),
    "demo_vgg_qat, batch 1": (lambda: load_model("qat"), (3, 32, 32), 1),
}


def qcdq_session(path: Path, batch: int, threads: int, *, optimized: bool = True) -> onnxruntime.InferenceSession:
    model = onnx.load(path)
    # Weights that are inputs too could not be folded.
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch" if batch > 1 else ""
        if batch == 1:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def contestants(name: str, folder: Path) -> tuple[dict[str, Call], dict[str, Call], int, dict[str, Any]]:
    """Return the fast and the slow calls on the same inputs, the batch, and what was checked."""
    build, shape, batch = NETWORKS[name]
    torch.manual_seed(0)
    model = trained(build(), shape) if not name.startswith("demo") else build().eval()
    example = torch.rand(1, *shape)
    export_onnx_qcdq(model, example, str(folder / "qcdq.onnx"), dynamo=False)
    export_qonnx(model, example, folder / "qonnx.onnx")
    x = np.random.default_rng(0).random((batch, *shape)).astype(np.float32)

    hardware = ir.serde.deserialize_model(onnx.load(folder / "qonnx.onnx"))
    start = time.perf_counter()
    lowered = lower_to_hardware(hardware)
    lowering = time.perf_counter() - start
    (ours,) = (value.name or "" for value in hardware.graph.inputs if value.const_value is None)
    start = time.perf_counter()
    compiled = {threads: compile_emulator(hardware, threads=threads) for threads in (1, 0)}
    compiling = (time.perf_counter() - start) / 2
    (expected,) = emulate(hardware, {ours: x}, keep="outputs").values()
    fast: dict[str, Call] = {}
    for threads in (1, 0):
        (found,) = compiled[threads]({ours: x}).values()
        np.testing.assert_array_equal(found, expected)
        session = qcdq_session(folder / "qcdq.onnx", batch, threads)
        (theirs,) = (value.name for value in session.get_inputs())
        label = f"{threads or 'default'} thread{'s' if threads != 1 else ''}"
        fast[f"compiled, {label}"] = lambda emulator=compiled[threads]: emulator({ours: x})
        fast[f"onnxruntime qcdq, {label}"] = lambda run=session.run, key=theirs: run(None, {key: x})
    unchanged = qcdq_session(folder / "qcdq.onnx", batch, 1, optimized=False).run
    fast["onnxruntime qcdq, not optimized, 1 thread"] = lambda: unchanged(None, {theirs: x})
    brevitas = np.asarray(_plain(model(torch.from_numpy(x))).detach().numpy(), np.float64)
    others = {
        "hardware, emulated": expected,
        "onnxruntime qcdq": fast["onnxruntime qcdq, 1 thread"]()[0],
        "onnxruntime qcdq, not optimized": unchanged(None, {theirs: x})[0],
    }
    export_qonnx(model, torch.from_numpy(x), folder / "batch.onnx")
    reference = cleanup_model(ModelWrapper(str(folder / "batch.onnx")))
    key = reference.graph.input[0].name
    slow: dict[str, Call] = {
        "plain": lambda: emulate(hardware, {ours: x}, keep="outputs"),
        "qonnx execute_onnx": lambda: execute_onnx(reference, {key: x}),
    }
    checked = {
        "refusals": [str(refusal) for refusal in lowered.refusals],
        "lowering_s": round(lowering, 3),
        "compiling_s": round(compiling, 3),
        "outputs_equal_to_plain": True,
        "share_of_outputs_other_than_brevitas": {
            key: float((np.abs(output - brevitas) > 1e-4 * np.abs(brevitas).max()).mean())
            for key, output in others.items()
        },
    }
    return fast, slow, batch, checked


def _plain(output: Any) -> torch.Tensor:
    return output.value if hasattr(output, "value") else output


def measure(calls: dict[str, Call], rounds: int, warmup: int) -> dict[str, list[float]]:
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(-warmup, rounds):
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            calls[name]()
            if index >= 0:
                times[name].append(time.perf_counter() - start)
    return times


def report(name: str, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        fast, slow, batch, checked = contestants(name, Path(folder))
    times = measure(fast, rounds, 20) | measure(slow, SLOW_ROUNDS, 1)
    medians = {key: statistics.median(values) for key, values in times.items()}
    ratios = {
        f"compiled to qcdq, {label}": statistics.median(
            theirs / ours
            for ours, theirs in zip(times[f"compiled, {label}"], times[f"onnxruntime qcdq, {label}"], strict=True)
        )
        for label in ("1 thread", "default threads")
    }
    ratios |= {
        f"{key} to qonnx": medians["qonnx execute_onnx"] / medians[key] for key in ("plain", "compiled, 1 thread")
    }
    return {
        "batch": batch,
        "median_ms": {key: round(1e3 * value, 4) for key, value in medians.items()},
        "inferences_per_s": {key: round(batch / value) for key, value in medians.items()},
        "speed_ratios": {key: round(value, 2) for key, value in ratios.items()},
        **checked,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", choices=list(NETWORKS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ("onnxruntime", "numpy", "qonnx", "brevitas", "torch", "onnx")
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} torch thread",
        "versions": {name: version(name) for name in names} | {"python": platform.python_version()},
        "rounds": options.rounds,
        "networks": {name: report(name, options.rounds) for name in NETWORKS if options.only in (None, name)},
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["networks"], indent=2))


if __name__ == "__main__":
    main()
