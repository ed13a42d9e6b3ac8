"""Time of a SPARQ activation quantizer against Brevitas's plain 8-bit one, interleaved in one run.

    python -m benchmarks.sparq.quantizer_speed      # writes benchmarks/results/sparq/quantizer_speed.json

Eager, on one thread, forward alone and forward with backward. Every round runs each quantizer once, in an order that
rotates, so that load from elsewhere hits all alike; the figure is the median of the per-round ratios.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from brevitas.quant import Uint8ActPerTensorFloat
from torch import Tensor, nn

from benchmarks.recording import RESULTS, record
from brevitas_ext.quantizers import SparqAct2b7opt, SparqAct3b6opt, SparqAct4b5opt

LIMIT = 2.0
QUANTIZERS = {
    "plain 8 bits": Uint8ActPerTensorFloat,
    "4b5opt": SparqAct4b5opt,
    "4b5opt trimmed": SparqAct4b5opt.let(rounding=False),
    "4b5opt alone": SparqAct4b5opt.let(pairs=False),
    "3b6opt": SparqAct3b6opt,
    "2b7opt": SparqAct2b7opt,
}
SHAPES = {"16 x 16 x 32 x 32": (16, 16, 32, 32), "16 x 64 x 8 x 8": (16, 64, 8, 8), "8 x 64 x 56 x 56": (8, 64, 56, 56)}
PLACES: dict[str, Callable[[Any], nn.Module]] = {
    "QuantIdentity": lambda quantizer: QuantIdentity(act_quant=quantizer, return_quant_tensor=True),
    "QuantReLU": lambda quantizer: QuantReLU(act_quant=quantizer, return_quant_tensor=True),
    "input_quant": lambda quantizer: QuantConv2d(64, 1, 1, weight_quant=None, input_quant=quantizer).input_quant,
}


def prepared(module: nn.Module, x: Tensor) -> nn.Module:
    module.train()
    module(x)
    return module.eval()


def step_of(module: nn.Module, x: Tensor, *, backward: bool) -> Callable[[], None]:
    def forward() -> None:
        with torch.no_grad():
            module(x)

    def both() -> None:
        module(x.detach().requires_grad_()).value.sum().backward()

    return both if backward else forward


def measure(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    names, times = list(steps), {name: [] for name in steps}
    for index in range(-3, rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            start = time.perf_counter()
            steps[name]()
            if index >= 0:
                times[name].append(time.perf_counter() - start)
    plain = times["plain 8 bits"]
    ratios = {name: statistics.median(map(lambda a, b: a / b, times[name], plain)) for name in names[1:]}
    return {"plain_ms": round(1e3 * statistics.median(plain), 4), **{name: round(r, 3) for name, r in ratios.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=Path, default=RESULTS / "sparq" / "quantizer_speed.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    figures: dict[str, Any] = {}
    for shape_name, shape in SHAPES.items():
        for place, build in PLACES.items():
            x = torch.randn(shape).relu()
            modules = {name: prepared(build(quantizer), x) for name, quantizer in QUANTIZERS.items()}
            for name, backward in (("forward", False), ("forward and backward", True)):
                steps = {key: step_of(module, x, backward=backward) for key, module in modules.items()}
                figures[f"{place}, {shape_name}, {name}"] = measure(steps, options.rounds)
    record(options.output, {"threads": 1, "rounds": options.rounds, "limit": LIMIT, "ratio_to_plain": figures})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
