"""What ships with the package: two trained networks, real test images and the measurements made on them."""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from brevitas_ext.demo.checkpoint import load_checkpoint
from brevitas_ext.demo.model import DemoNet

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_ASSETS = files(__package__) / "assets"


def load_images() -> tuple[Tensor, Tensor]:
    """Return the bundled CIFAR-10 test images: the first of each class, in the order of the test set.

    Returns:
        ``(images, labels)``: uint8 of shape (N, 3, 32, 32) and int64 of shape (N,).
    """
    with as_file(_ASSETS / "images.npz") as path, np.load(path, allow_pickle=False) as content:
        return torch.from_numpy(content["images"]), torch.from_numpy(content["labels"].astype(np.int64))


def load_model(variant: Literal["qat", "a2q"]) -> DemoNet:
    """Return a trained network in eval mode.

    Raises:
        ValueError: If no network of that variant is bundled.
    """
    if variant not in ("qat", "a2q"):
        raise ValueError(f"expected 'qat' or 'a2q', found {variant!r}: these two networks are bundled")
    with as_file(_ASSETS / f"{variant}.npz") as path:
        return load_checkpoint(path)[0]


def metadata() -> dict[str, Any]:
    """Return how the bundled networks were made and what was measured: accuracies, command, seed, versions, date."""
    content: dict[str, Any] = json.loads((_ASSETS / "meta.json").read_text())
    return content


def test_accuracy(variant: Literal["qat", "a2q"]) -> float:
    """Return the top-1 accuracy over all 10,000 test images, in percent, as measured after training."""
    measured = metadata()["variants"][variant]
    return 100 * float(measured["test_correct"]) / float(measured["test_images"])


def assets_folder() -> Path:
    """Return the folder of the bundled files in a checkout, for the script that makes them."""
    return Path(__file__).parent / "assets"


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Return the sorted indices of the first `count` images of every class: a choice that no result can bias.

    Raises:
        ValueError: If a class has fewer.
    """
    chosen = []
    for index, name in enumerate(CLASS_NAMES):
        found = torch.nonzero(labels == index).flatten()
        if len(found) < count:
            raise ValueError(f"expected {count} images of {name}, found {len(found)}: ask for fewer")
        chosen.append(found[:count])
    return torch.cat(chosen).sort().values
