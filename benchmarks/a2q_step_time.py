"""Time of a training step with our A2Q and A2Q+ weight quantizers against Brevitas's own, interleaved in one run.

    python benchmarks/a2q_step_time.py            # writes benchmarks/results/a2q_step_time.json

A step is forward, loss, backward and an SGD update, on one thread. Every round runs one step of each quantizer, in an
order that rotates, so that load from elsewhere hits all alike; the figure is the median of the per-round ratios.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import (
    Int8AccumulatorAwareWeightQuant,
    Int8AccumulatorAwareZeroCenterWeightQuant,
    Int8ActPerTensorFloatMinMaxInit,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import Tensor, nn

from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant

WEIGHT_QUANTIZERS = {
    "brevitas a2q": Int8AccumulatorAwareWeightQuant,
    "a2q": A2QWeightQuant,
    "brevitas a2q+": Int8AccumulatorAwareZeroCenterWeightQuant,
    "a2q+": A2QPlusWeightQuant,
}
LIMIT = 1.05
RESULTS = Path(__file__).parent / "results" / "a2q_step_time.json"


def conv_net(weight_quant: Any) -> tuple[nn.Module, Tensor]:
    """Three convolutions and a linear layer on 16 images of 3 x 16 x 16."""
    relu = {"act_quant": Uint8ActPerTensorFloatMaxInit, "max_val": 6.0, "bit_width": 4, "return_quant_tensor": True}
    weight = {"weight_quant": weight_quant, "weight_bit_width": 4, "weight_accumulator_bit_width": 14}
    model = nn.Sequential(
        QuantConv2d(3, 32, 3, padding=1, input_quant=signed_input(), **weight),
        QuantReLU(**relu),
        QuantConv2d(32, 32, 3, padding=1, stride=2, **weight),
        QuantReLU(**relu),
        QuantConv2d(32, 64, 3, padding=1, stride=2, **weight),
        QuantReLU(**relu),
        nn.Flatten(),
        QuantLinear(1024, 10, **weight),
    )
    return model, torch.randn(16, 3, 16, 16)


def linear_layer(weight_quant: Any) -> tuple[nn.Module, Tensor]:
    """One layer of 512 x 512 weights on a batch of 32, where the weight quantizer dominates."""
    weight = {"weight_quant": weight_quant, "weight_bit_width": 4, "weight_accumulator_bit_width": 14}
    identity = QuantIdentity(act_quant=signed_input(), return_quant_tensor=True)
    return nn.Sequential(identity, QuantLinear(512, 512, **weight)), torch.randn(32, 512)


def signed_input() -> Any:
    return Int8ActPerTensorFloatMinMaxInit.let(min_val=-3.0, max_val=3.0)


def step_of(build: Callable[[Any], tuple[nn.Module, Tensor]], weight_quant: Any) -> Callable[[], None]:
    torch.manual_seed(0)
    model, inputs = build(weight_quant)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    return step


def measure(build: Callable[[Any], tuple[nn.Module, Tensor]], rounds: int) -> dict[str, list[float]]:
    steps = {name: step_of(build, weight_quant) for name, weight_quant in WEIGHT_QUANTIZERS.items()}
    names = list(steps)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(-5, rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            start = time.perf_counter()
            steps[name]()
            if index >= 0:
                times[name].append(time.perf_counter() - start)
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    ratios = {
        name: statistics.median(
            ours / theirs for ours, theirs in zip(times[name], times[f"brevitas {name}"], strict=True)
        )
        for name in ("a2q", "a2q+")
    }
    return {
        "median_ms": {name: round(1e3 * statistics.median(values), 4) for name, values in times.items()},
        "ratio_to_brevitas": {name: round(ratio, 4) for name, ratio in ratios.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    nets = {"conv_net": conv_net, "linear_512x512": linear_layer}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, 1 thread",
        "versions": {name: version(name) for name in ("torch", "brevitas")} | {"python": platform.python_version()},
        "rounds": options.rounds,
        "limit": LIMIT,
        "nets": {name: summary(measure(build, options.rounds)) for name, build in nets.items()},
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["nets"], indent=2))


if __name__ == "__main__":
    main()
