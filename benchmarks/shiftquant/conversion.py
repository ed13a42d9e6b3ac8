"""What quantized normalization alone costs a trained network: accuracy right after the conversion, nothing trained.

    python -m benchmarks.shiftquant.conversion --data FOLDER --checkpoints FOLDER

ResNet-20 on CIFAR-10 in float but for batch normalization, in evaluation (running statistics) and normalized by the
statistics of its batches, as training does.  L1's ratios are measured on training images.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn

from benchmarks.cifar.images import BATCH, calibration_batches
from benchmarks.cifar.resnet import accuracy, load
from benchmarks.recording import RESULTS, record
from benchmarks.shiftquant.tables import CALIBRATION_IMAGES, CHECKPOINT
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.nn import QuantizedBatchNorm
from brevitas_ext.ptq import convert_batch_norm

WIDTHS: tuple[int | None, ...] = (None, 8, 6, 4)

_log = logging.getLogger("conversion")


def by_batch(network: nn.Module) -> nn.Module:
    """Let normalization take the statistics of every batch."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | QuantizedBatchNorm):
            layer.train()
    return network


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10, in a layout that the demo reads.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    images: Annotated[int, typer.Option(help="How many test images, from the first one on.")] = 10_000,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "shiftquant" / "conversion.json",
) -> None:
    """Convert and measure every width and norm."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    test_images, labels = (tensor[:images] for tensor in load_dataset(data, "test"))
    network, plain = load(checkpoints / CHECKPOINT), calibration_batches(data, CALIBRATION_IMAGES, 0)

    def measured(converted: nn.Module) -> dict[str, float]:
        found = {"evaluation": accuracy(converted, test_images, labels, BATCH)}
        return found | {"statistics of batches": accuracy(by_batch(converted), test_images, labels, BATCH)}

    rows: dict[str, Any] = {"torch": measured(load(checkpoints / CHECKPOINT))}
    for norm in ("l1", "l2"):
        for bits in WIDTHS:
            converted = convert_batch_norm(network, norm=norm, bits=bits, loader=plain)
            rows[f"{norm}, {'float' if bits is None else f'{bits} bits'}"] = measured(converted)
            _log.info("%s", rows)
    converted = convert_batch_norm(network, bits=8)
    rows["l1, 8 bits, ratio of a normal distribution"] = measured(converted)
    record(output, {"network": "resnet20", "test_images": images, "batch": BATCH, "rows": rows})


if __name__ == "__main__":
    typer.run(main)
