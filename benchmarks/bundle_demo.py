"""Measure the trained demonstration networks on all test images and put them, with some images, into the package."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from brevitas_ext.arith import dot_extremes, signed_bits
from brevitas_ext.demo.bundled import assets_folder, first_of_each_class
from brevitas_ext.demo.checkpoint import load_checkpoint
from brevitas_ext.demo.data import load_dataset
from brevitas_ext.demo.model import HIDDEN_CONVS, DemoNet
from brevitas_ext.demo.training import count_correct


def main(
    checkpoints: Annotated[list[Path], typer.Argument(help="checkpoints named after their variant", exists=True)],
    data: Annotated[Path, typer.Option(help="folder of CIFAR-10", exists=True, file_okay=False)],
    images_per_class: int = 30,
    out: Annotated[Path | None, typer.Option(help="folder to write to; the package's own when left out")] = None,
) -> None:
    """Write the checkpoints, the images and meta.json."""
    torch.set_num_threads(1)
    folder = out or assets_folder()
    images, labels = load_dataset(data, "test")
    chosen = first_of_each_class(labels, images_per_class)
    np.savez_compressed(
        folder / "images.npz", images=images[chosen].numpy(), labels=labels[chosen].numpy(), indices=chosen.numpy()
    )
    variants: dict[str, Any] = {}
    for path in checkpoints:
        model, record = load_checkpoint(path)
        variants[model.config.variant] = {
            **record,
            "test_correct": count_correct(model, images, labels),
            "test_images": len(labels),
            "bundled_correct": count_correct(model, images[chosen], labels[chosen]),
            "bundled_images": len(chosen),
            "accumulator_bits_needed": accumulator_bits_needed(model),
        }
        shutil.copyfile(path, folder / f"{model.config.variant}.npz")
    meta = {"dataset": "CIFAR-10", "images_per_class": images_per_class, "variants": variants}
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")


def accumulator_bits_needed(model: DemoNet) -> dict[str, int]:
    """Return, per hidden layer, the width that holds every partial sum in any order, from the exact extremes.

    Raises:
        ValueError: If a layer needs more than its target.
    """
    highest_input = (1 << model.config.activation_bits) - 1
    needed = {}
    for name in HIDDEN_CONVS:
        integers = getattr(model, name).quant_weight().int().flatten(1).numpy()
        lowest, highest = dot_extremes(integers, 0, highest_input, partial_sums=True)
        needed[name] = signed_bits(min(lowest), max(highest))
        target = model.config.accumulator_bits
        if target is not None and needed[name] > target:
            raise ValueError(f"expected {name} to fit {target} bits, found that it needs {needed[name]}: train it anew")
    return needed


if __name__ == "__main__":
    typer.run(main)
