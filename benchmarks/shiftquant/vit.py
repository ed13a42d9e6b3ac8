"""A small vision transformer: trained in float, then trained on in float and on 6-bit integers, on Fashion-MNIST.

    python -m benchmarks.shiftquant.vit --data FOLDER    # writes benchmarks/results/shiftquant/vit.json

The fine-tuning of Table 3 of ShiftQuant (Towards Accurate and Efficient Sub-8-Bit Integer Training) in small.  As
there, layer normalization and softmax stay in float; what is replaced are the linear layers and the patches'
convolution.  The two products of attention, of activations by activations, stay in float, too.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as functional
import typer
from torch import Tensor, nn

from benchmarks.cifar.resnet import percent
from benchmarks.cifar.training import Schedule, train
from benchmarks.recording import RESULTS, record
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.nn import convert_to_shiftquant

SIDE, PATCH, WIDTH, HEADS, BLOCKS, CLASSES = 32, 4, 64, 4, 4, 10
DECAY = 0.05

_log = logging.getLogger("vit")


class Block(nn.Module):
    """Attention and two linear layers, each behind a layer normalization and around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.project(found.transpose(1, 2).flatten(2))
        return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))


class SmallViT(nn.Module):
    """A transformer of 64 patches of 4 x 4 pixels, whose mean is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.positions = nn.Parameter(0.02 * torch.randn((SIDE // PATCH) ** 2, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm, self.classify = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.classify(self.norm(self.blocks(x)).mean(1))


def grey(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return one of three equal colours, about -1 to 1, half of the images flipped if there is a generator."""
    x = images[:, :1].float() / 127.5 - 1
    if generator is None:
        return x
    return torch.where(torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5, x.flip(3), x)


def adamw(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=DECAY)


@torch.no_grad()
def accuracy(network: nn.Module, test: tuple[Tensor, Tensor]) -> float:
    answers = torch.cat([network(grey(part)).argmax(1) for part in test[0].split(250)])
    return percent(answers == test[1])


def main(
    data: Annotated[Path, typer.Option(help="Folder of Fashion-MNIST's idx files.")],
    pretrained: Annotated[Path, typer.Option(help="Where the float network is, or goes to.")] = Path("out/vit.pt"),
    pretraining: Annotated[int, typer.Option(help="Steps of the training in float.")] = 800,
    steps: Annotated[int, typer.Option(help="Steps of every row's training, from the float network.")] = 200,
    rate: Annotated[float, typer.Option(help="Learning rate of the rows at the start.")] = 3e-4,
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 2,
    output: Annotated[Path, typer.Option(help="JSON file, written after every row.")] = RESULTS / "shiftquant/vit.json",
) -> None:
    """Train in float if there is no network yet, then every row."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    trained_on, test = load_dataset(data, "train"), load_dataset(data, "test")
    start = SmallViT()
    if not pretrained.exists():
        schedule = Schedule(steps=pretraining, rate=1e-3, seed=0)
        train(start, trained_on, schedule, prepare=grey, optimizer_of=adamw)
        pretrained.parent.mkdir(parents=True, exist_ok=True)
        torch.save(start.state_dict(), pretrained)
    start.load_state_dict(torch.load(pretrained))
    conditions: dict[str, Any] = {"data": "Fashion-MNIST", "pretraining_steps": pretraining, "steps": steps}
    conditions |= {"rate": rate, "batch": 128, "test_images": len(test[1]), "first_last_bits": 8}
    figures: dict[str, Any] = {**conditions, "pretrained": accuracy(start.eval(), test), "rows": {}}
    if output.exists():
        stored = json.loads(output.read_text())
        figures["rows"] = stored["rows"] if all(stored.get(key) == conditions[key] for key in conditions) else {}
    options = {"float": None, "INT6 ShiftQuant": {}, "INT6 per tensor": {"shift_groups": 1, "weight_scales": "tensor"}}
    for seed in range(seeds):
        for name, chosen in options.items():
            row = figures["rows"].setdefault(name, {})
            if str(seed) in row:
                continue
            network: nn.Module = SmallViT()
            network.load_state_dict(start.state_dict())
            if chosen is not None:
                widths = dict.fromkeys(("weight_bits", "activation_bits", "gradient_bits"), 6)
                network = convert_to_shiftquant(network, **widths, **chosen, seed=seed)
            before, begun = accuracy(network.eval(), test), time.perf_counter()
            train(network, trained_on, Schedule(steps=steps, rate=rate, seed=seed), prepare=grey, optimizer_of=adamw)
            seconds = round(time.perf_counter() - begun)
            row[str(seed)] = {"before": before, "accuracy": accuracy(network, test), "seconds": seconds}
            record(output, figures)
            _log.info("%s, seed %d: %s", name, seed, row[str(seed)])


if __name__ == "__main__":
    typer.run(main)
