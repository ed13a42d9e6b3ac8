"""Time of normalization by mean absolute and by standard deviation, float and quantized, beside torch's own.

    python -m benchmarks.shiftquant.norm_speed      # writes benchmarks/results/shiftquant/norm_speed.json

Fig. 8 of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training), on this machine: batch normalization
in training, eager, on one thread, forward alone and with backward.  Every round runs each layer once, in an order that
rotates, so that load from elsewhere hits all alike, and the process's own time is measured; ratios are medians over the
rounds.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.recording import RESULTS, record
from brevitas_ext.nn import L1BatchNorm2d, L2BatchNorm2d

LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "torch": nn.BatchNorm2d,
    "L2 float": lambda channels: L2BatchNorm2d(channels, bits=None),
    "L1 float": lambda channels: L1BatchNorm2d(channels, bits=None),
    "L2 8 bits": L2BatchNorm2d,
    "L1 8 bits": L1BatchNorm2d,
}
SHAPES = ((128, 16, 32, 32), (128, 32, 16, 16), (128, 64, 8, 8), (16, 64, 56, 56))


def step_of(layer: nn.Module, x: Tensor, upstream: Tensor, *, backward: bool) -> Callable[[], None]:
    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def both() -> None:
        layer(x.detach().requires_grad_()).backward(upstream)

    return both if backward else forward


def measure(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Return seconds of the process per round and layer."""
    names: list[str] = list(steps)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(-3, rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            start = time.process_time()
            steps[name]()
            if index >= 0:
                times[name].append(time.process_time() - start)
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    return round(statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True)), 3)


def figures_of(shape: tuple[int, ...], rounds: int, *, backward: bool) -> dict[str, Any]:
    x, upstream = torch.randn(2, *shape)
    steps = {name: step_of(build(shape[1]).train(), x, upstream, backward=backward) for name, build in LAYERS.items()}
    times = measure(steps, rounds)
    return {
        "ms": {name: round(1e3 * statistics.median(seconds), 3) for name, seconds in times.items()},
        "L1 over L2 throughput, float": ratio(times, "L2 float", "L1 float"),
        "L1 over L2 throughput, 8 bits": ratio(times, "L2 8 bits", "L1 8 bits"),
        "L1 8 bits over torch throughput": ratio(times, "torch", "L1 8 bits"),
    }


def main(
    rounds: Annotated[int, typer.Option(help="Of every layer and shape.")] = 40,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "shiftquant" / "norm_speed.json",
) -> None:
    """Measure every shape, forward alone and with backward."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    figures = {
        f"{' x '.join(map(str, shape))}, {'forward and backward' if backward else 'forward'}": figures_of(
            shape, rounds, backward=backward
        )
        for shape in SHAPES
        for backward in (False, True)
    }
    record(output, {"threads": 1, "rounds": rounds, "seed": 0, "figures": figures})
    typer.echo(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
