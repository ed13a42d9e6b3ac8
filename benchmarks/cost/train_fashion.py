"""Train small fully connected networks on Fashion-MNIST, with and without A2Q, at several widths, and export them.

Three hidden layers; weights, activations and pixels have the same bits, the classifier's weights 8.  A2Q bounds the
accumulator of every layer but the classifier.  Each network starts from the same float weights.  What is in the folder
already is not trained again.

    python benchmarks/cost/train_fashion.py --data DIR --out out/fashion                 minutes on one core

DIR holds the idx files, e.g. of Debian's package dataset-fashion-mnist in /usr/share/datasets/fashion-mnist.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import brevitas.nn as qnn
import torch
import typer
from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloatMaxInit
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from brevitas_ext import A2QWeightQuant, accumulator_penalty, export_qonnx, initialize_from_float
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.quantizers import A2QWeightQuantProxy, project_on_l1_ball

SIDE, WIDTH, HIDDEN, CLASSES = 28, 128, 3, 10
BATCH, LEARNING_RATE, PENALTY = 256, 4e-3, 1e-3


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Bits of weights and activations (0: not quantized), and A2Q's target P where there is one."""

    bits: int
    accumulator_bits: int | None = None

    @property
    def name(self) -> str:
        return f"w{self.bits}a{self.bits}" + (f"_p{self.accumulator_bits}" if self.accumulator_bits else "")


FLOAT = Variant(bits=0)
VARIANTS = (
    *(Variant(bits=4, accumulator_bits=p) for p in (None, 16, 14, 13, 12)),
    *(Variant(bits=3, accumulator_bits=p) for p in (None, 12)),
)


class PixelQuant(Uint8ActPerTensorFloatMaxInit):
    max_val = 1.0


class ActivationQuant(Uint8ActPerTensorFloatMaxInit):
    max_val = 4.0


def network(variant: Variant) -> nn.Module:
    quantized = variant.bits > 0
    pixels = qnn.QuantIdentity(
        act_quant=PixelQuant if quantized else None, bit_width=variant.bits or 8, return_quant_tensor=quantized
    )
    layers: list[nn.Module] = [nn.Flatten(), pixels]
    inputs = SIDE * SIDE
    for _ in range(HIDDEN):
        layers += [
            qnn.QuantLinear(inputs, WIDTH, bias=False, **_weights(variant)),
            nn.BatchNorm1d(WIDTH),
            qnn.QuantReLU(
                act_quant=ActivationQuant if quantized else None,
                bit_width=variant.bits or 8,
                return_quant_tensor=quantized,
            ),
        ]
        inputs = WIDTH
    last = {"weight_quant": Int8WeightPerTensorFloat if quantized else None, "weight_bit_width": 8}
    return nn.Sequential(*layers, qnn.QuantLinear(inputs, CLASSES, bias=False, **last))


def _weights(variant: Variant) -> dict[str, Any]:
    if not variant.bits:
        return {"weight_quant": None}
    if variant.accumulator_bits is None:
        return {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": variant.bits}
    return {
        "weight_quant": A2QWeightQuant,
        "weight_bit_width": variant.bits,
        "weight_accumulator_bit_width": variant.accumulator_bits,
    }


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, *, bounded: bool) -> None:
    steps = epochs * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.25)
    model.train()
    for chosen in _batches(len(images), epochs):
        loss = F.cross_entropy(model(images[chosen]), labels[chosen])
        if bounded:
            loss = loss + PENALTY * accumulator_penalty(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if bounded:
            return_to_budget(model)


@torch.no_grad()
def return_to_budget(model: nn.Module) -> None:
    """Take back what an optimizer's step added beyond the l1 budgets; as `brevitas_ext.demo.budget` explains."""
    for layer in model.modules():
        proxy = getattr(layer, "weight_quant", None)
        if isinstance(proxy, A2QWeightQuantProxy):
            radius = float(proxy.config.l1_budget) * torch.exp2(proxy.tensor_quant.effective_log_scale())
            layer.weight.copy_(project_on_l1_ball(layer.weight, radius))


def _batches(count: int, epochs: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator)
        yield from order[: count - count % BATCH].view(-1, BATCH)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    return round(100 * float((model(images).argmax(dim=1) == labels).float().mean()), 2)


def load(data: Path, split: Any) -> tuple[Tensor, Tensor]:
    images, labels = load_dataset(data, split)
    # The reader frames the grey images and repeats them in three colours.
    return images[:, :1, 2:-2, 2:-2].float() / 255, labels


def main(
    data: Annotated[Path, typer.Option(help="Folder of the data set.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for the exported networks and networks.json.")],
    epochs: Annotated[int, typer.Option(help="Passes over the images, of each network.")] = 8,
) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    listing = out / "networks.json"
    done: dict[str, Any] = json.loads(listing.read_text()) if listing.exists() else {}
    (images, labels), tests = load(data, "train"), load(data, "test")
    start = trained_float(out / "float.pt", images, labels, epochs)
    for variant in VARIANTS:
        if variant.name in done:
            continue
        torch.manual_seed(0)
        model = network(variant)
        model.load_state_dict(start, strict=False)
        bounded = variant.accumulator_bits is not None
        if bounded:
            initialize_from_float(model, images[:BATCH])
        train(model, images, labels, epochs, bounded=bounded)
        correct = accuracy(model, *tests)
        export_qonnx(model, images[:1], out / f"{variant.name}.onnx")
        done[variant.name] = {**asdict(variant), "accuracy": correct}
        listing.write_text(json.dumps(done, indent=1) + "\n")
        print(variant.name, correct, flush=True)


def trained_float(path: Path, images: Tensor, labels: Tensor, epochs: int) -> dict[str, Tensor]:
    if not path.exists():
        torch.manual_seed(0)
        model = network(FLOAT)
        train(model, images, labels, epochs, bounded=False)
        torch.save(model.state_dict(), path)
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


if __name__ == "__main__":
    typer.run(main)
