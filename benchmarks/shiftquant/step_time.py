"""Time of a training step of ResNet-20 with ShiftQuant layers against float, interleaved in one run.

    python benchmarks/shiftquant/step_time.py      # writes benchmarks/results/shiftquant/step_time.json

A step is forward, loss, backward and an SGD update of a batch of 128 images of CIFAR-10's size, on one thread.  Every
round runs one step of each network, in an order that rotates, so that load from elsewhere hits all alike; a figure is
the median of the per-round ratios of processor time, which waiting for the processor does not add to.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as functional
import typer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "sparq")]

from recording import RESULTS, record  # noqa: E402
from resnet import CifarResNet  # noqa: E402

from brevitas_ext.nn import convert_to_shiftquant  # noqa: E402

SEED = 0
NETWORKS: dict[str, dict[str, Any] | None] = {
    "float32": None,
    "W4 A4 G4": {},
    "W6 A6 G6": {"weight_bits": 6, "activation_bits": 6, "gradient_bits": 6},
    "INT8 per tensor": {
        "weight_bits": 8,
        "activation_bits": 8,
        "gradient_bits": 8,
        "shift_groups": 1,
        "weight_scales": "tensor",
    },
}


class Trained:
    """A network in training."""

    def __init__(self, options: dict[str, Any] | None) -> None:
        torch.manual_seed(SEED)
        network = CifarResNet(20)
        self.network = network if options is None else convert_to_shiftquant(network, seed=SEED, **options)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Train on a batch and return the processor time, s."""
        start = time.process_time()
        self.optimizer.zero_grad()
        functional.cross_entropy(self.network(images), labels).backward()
        self.optimizer.step()
        return time.process_time() - start


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 20,
    batch: Annotated[int, typer.Option(min=1)] = 128,
    output: Path = RESULTS / "shiftquant" / "step_time.json",
) -> None:
    torch.set_num_threads(1)
    networks = {name: Trained(options) for name, options in NETWORKS.items()}
    torch.manual_seed(SEED)
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    names = list(networks)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(-3, rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            seconds = networks[name].step(images, labels)
            if index >= 0:
                times[name].append(seconds)
    ratios = {
        name: statistics.median(ours / float_ for ours, float_ in zip(times[name], times["float32"], strict=True))
        for name in names
    }
    figures = {
        "network": "ResNet-20, 32 x 32 images",
        "batch": batch,
        "rounds": rounds,
        "seed": SEED,
        "threads": 1,
        "median_ms": {name: round(1e3 * statistics.median(values), 1) for name, values in times.items()},
        "ratio_to_float32": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }
    record(output, figures)
    print(figures["median_ms"], figures["ratio_to_float32"])


if __name__ == "__main__":
    typer.run(main)
