"""SPARQ with 2 bits after a short training with straight-through gradients, on CIFAR-10 with ResNet-20.

    python -m benchmarks.sparq.fine_tuned --data FOLDER --checkpoints FOLDER

The post-training recipe's model is trained on as it is: quantized weights, windows, learned ranges.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.cifar.images import calibration_batches
from benchmarks.cifar.resnet import accuracy, load
from benchmarks.cifar.training import Schedule, train
from benchmarks.cifar.training import epochs as steps_of
from benchmarks.recording import RESULTS, record
from benchmarks.sparq.tables import BATCH, CALIBRATION_IMAGES, CHECKPOINTS, SEED
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.ptq import quantize_with_sparq

_log = logging.getLogger("fine_tuned")


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10, in a layout that the demo reads.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    windows: Annotated[str, typer.Option(help="Name of a window set.")] = "2b7opt",
    epochs: Annotated[int, typer.Option(help="Of training.")] = 1,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.001,
    images: Annotated[int, typer.Option(help="How many test images, from the first one on.")] = 10_000,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "sparq" / "fine_tuned.json",
) -> None:
    """Quantize, train, measure."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    test_images, labels = (tensor[:images] for tensor in load_dataset(data, "test"))
    plain = calibration_batches(data, CALIBRATION_IMAGES, SEED)
    model = quantize_with_sparq(load(checkpoints / CHECKPOINTS["resnet20"]), plain, windows=windows).model
    figures: dict[str, Any] = {"network": "resnet20", "windows": windows, "test_images": images, "seed": SEED}
    figures |= {"calibration_images": CALIBRATION_IMAGES, "epochs": epochs, "rate": rate}
    trained_on = load_dataset(data, "train")
    train(model, trained_on, Schedule(steps=steps_of(epochs, len(trained_on[0])), rate=rate, seed=SEED))
    figures["accuracy"] = accuracy(model, test_images, labels, BATCH)
    record(output, figures)
    _log.info("%s", figures)


if __name__ == "__main__":
    typer.run(main)
