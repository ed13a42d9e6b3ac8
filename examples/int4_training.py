"""Trains a small network in 4-bit integers, forward and backward, and builds its accelerator with its report.

python -m examples.int4_training DATA OUTPUT
"""

from pathlib import Path

import torch
import typer
from torch import nn

from brevitas_ext import convert_to_shiftquant, export_qonnx, verify_export
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.ptq import convert_batch_norm, shiftquant_to_brevitas
from finn_transforms.build import BuildOptions, build
from finn_transforms.loading import load_model
from finn_transforms.verify import verify


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a convolution of stride 2 with what follows it."""
    return [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def main(data: Path, output: Path, steps: int = 600) -> None:
    """Train on CIFAR-10 with INT4 weights, activations and gradients, L1 normalization; export, compare and build."""
    torch.manual_seed(0)
    images, labels = load_dataset(data, "train")
    pixels = images.float() / 127.5 - 1
    network = nn.Sequential(*block(3, 32), *block(32, 64), *block(64, 64), nn.Conv2d(64, 10, 4), nn.Flatten())
    model = convert_to_shiftquant(convert_batch_norm(network, norm="l1"), seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps)
    for chosen in (torch.randint(len(pixels), (128,)) for _ in range(steps)):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(pixels[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
    exported = shiftquant_to_brevitas(model, pixels[:1024].split(128))
    tests, answers = (tensor[:2000] for tensor in load_dataset(data, "test"))
    right = (exported(tests.float() / 127.5 - 1).argmax(1) == answers).float().mean()
    typer.echo(f"INT4 after {steps} steps: {100 * right:.1f} % of {len(answers)} test images")
    export_qonnx(exported, pixels[:1], output)
    typer.echo(verify_export(exported, output, pixels[:8]))
    result = build(output, output.with_suffix(""), BuildOptions(target_fps=1000))
    typer.echo(verify(result.model, load_model(output), pixels[:8].numpy()).summary())
    typer.echo(f"{len(result.graph)} hardware layers, {result.lut} LUTs; report in {output.with_suffix('')}/report")


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
