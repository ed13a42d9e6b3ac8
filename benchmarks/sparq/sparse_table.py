"""SPARQ's Table 5 on CIFAR-10: a 2:4-pruned ResNet-20, pairs formed after selection, per output channel.

    python -m benchmarks.sparq.sparse_table --data FOLDER --checkpoints FOLDER

All convolutions but the first are pruned by magnitude, 2 of every 4 adjacent input channels, and the network is trained
on for an epoch with the zeros held.  The emulation is at layer level, `brevitas_ext.ptq.two_of_four`.  The trained
network is kept in --pruned, so that a second run only measures.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.cifar.images import calibration_batches
from benchmarks.cifar.resnet import accuracy, load
from benchmarks.cifar.training import Schedule, train
from benchmarks.cifar.training import epochs as steps_of
from benchmarks.recording import RESULTS, record
from benchmarks.sparq.tables import CALIBRATION_IMAGES, CHECKPOINTS, SEED
from brevitas_ext.arith.sparq import SparqFormat
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.ptq import quantize_with_sparq
from brevitas_ext.ptq.two_of_four import emulate_two_of_four, two_of_four_mask

WINDOWS = ("4b5opt", "4b3opt", "4b2opt", "3b6opt", "2b7opt")
RATE = 0.01

_log = logging.getLogger("sparse_table")


def prunable(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][1:]


@torch.no_grad()
def prune(network: nn.Module) -> dict[nn.Conv2d, Tensor]:
    """Zero 2 of every 4 weights and return what is kept."""
    masks = {layer: two_of_four_mask(layer.weight) for layer in prunable(network)}
    for layer, mask in masks.items():
        layer.weight.mul_(mask)
    return masks


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10, in a layout that the demo reads.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder of the public .th files.")],
    pruned: Annotated[Path, typer.Option(help="Where the pruned network is, or goes to.")] = Path("resnet20-2to4.th"),
    epochs: Annotated[int, typer.Option(help="Of training after pruning.")] = 1,
    images: Annotated[int, typer.Option(help="How many test images, from the first one on.")] = 10_000,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "sparq" / "sparse_table.json",
) -> None:
    """Prune and train if there is no pruned network yet; then measure every window set."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    labelled = tuple(tensor[:images] for tensor in load_dataset(data, "test"))
    test = (labelled[0], labelled[1])
    figures: dict[str, Any] = {"network": "resnet20", "test_images": images, "seed": SEED}
    figures |= {"calibration_images": CALIBRATION_IMAGES, "epochs": epochs, "rate": RATE}
    network = load(checkpoints / CHECKPOINTS["resnet20"])
    if not pruned.exists():
        masks = prune(network)
        _log.info("pruned, not trained: %.2f %%", accuracy(network, *test, batch=100))
        trained_on = load_dataset(data, "train")
        schedule = Schedule(steps=steps_of(epochs, len(trained_on[0])), rate=RATE, seed=SEED)
        train(network, trained_on, schedule, masks=masks)
        torch.save(network.state_dict(), pruned)
    network = load(pruned)
    figures["zeros"] = sum(int((layer.weight == 0).sum()) for layer in prunable(network))
    figures["weights"] = sum(layer.weight.numel() for layer in prunable(network))
    figures["float"] = accuracy(network, *test, batch=100)
    plain = calibration_batches(data, CALIBRATION_IMAGES, SEED)
    model = quantize_with_sparq(network, plain, windows=None).model
    figures["A8W8"] = accuracy(model, *test, batch=100)
    for name in WINDOWS:
        emulated = emulate_two_of_four(model, SparqFormat.named(name), keep=["conv1"])
        figures[name] = accuracy(emulated, *test, batch=50)
        record(output, figures)
        _log.info("%s", figures)


if __name__ == "__main__":
    typer.run(main)
